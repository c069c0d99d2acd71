"""StackMFF, V2 and V3, against its authors' modules."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.stackmff import StackMFF, depth, index_of_depth, rounded_luma
from fusionlab.networks.stackmff_v3 import FocusLogits, _apart, _image, _windows, smoothed
from fusionlab.ttd import TestTimeDynamicFusion
from tests.conftest import write_pairs
from tests.networks import contract, references

NAMES = ["lytro01", "triple01", "stack5"]  # of two, three and five images
VARIANTS = [("v2", "depth"), ("v3", "soft"), ("v3", "hard")]
each_variant = pytest.mark.parametrize(("version", "rule"), VARIANTS)


@pytest.fixture(scope="module")
def published(shared):
    """A network with its authors' weights, by version and rule."""
    folder = shared / "weights" / "stackmff"
    return {
        (version, rule): create_network(
            "stackmff", folder / f"stackmff_{version}_final.pth", rule=rule
        )
        for version, rule in VARIANTS
    }


def share_of_others(ours: torch.Tensor, expected: torch.Tensor) -> float:
    """Share of the pixels that are not the same."""
    assert ours.shape == expected.shape
    return (ours != expected).float().mean().item()


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_v2_chooses_what_its_authors_modules_choose(name, published, shared):
    network = published["v2", "depth"]
    expected = references.read(shared / "reference" / "networks" / f"stackmffv2_{name}.npz")
    sources, rd = expected["sources"], expected["weights"]
    padded, gain = network.pad(sources), network.pad(rd * sources.shape[1])
    plain = network.combine(network.encode(padded))
    weighted = network.combine(network.encode(padded), gain)
    ours = {
        "focus_mean": network.crop(network.scorer.focus(padded).mean(2), sources),
        "scores_padded": network.scorer(padded).squeeze(2),
        "depth": network.crop(depth(plain), sources),
        "weighted_depth": network.crop(depth(weighted), sources),
    }
    references.assert_equal(ours, {key: expected[key] for key in ours}, 1e-5)
    chosen = {
        "index": network.crop(index_of_depth(plain), sources),
        "weighted_index": network.crop(index_of_depth(weighted), sources),
        "static": network(sources),
        "weighted": network(sources, rd),
    }
    assert all(share_of_others(x, expected[key]) < 1e-3 for key, x in chosen.items())


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_v3_chooses_what_its_authors_modules_choose(name, published, shared):
    soft, hard = published["v3", "soft"], published["v3", "hard"]
    expected = references.read(shared / "reference" / "networks" / f"stackmffv3_{name}.npz")
    sources, rd = expected["sources"], expected["weights"]
    padded, gain = soft.pad(sources), soft.pad(rd * sources.shape[1])
    logits = soft.crop(soft.scorer(padded).squeeze(2), sources)
    assert (logits - expected["logits"]).abs().max() < 1e-3
    probabilities = soft.scorer.probabilities(padded)
    ours = {
        "probabilities": soft.crop(probabilities.squeeze(2), sources),
        "probabilities_smooth": soft.crop(smoothed(probabilities).squeeze(2), sources),
    }
    references.assert_equal(ours, {key: expected[key] for key in ours}, 1e-4)
    ours = {"static": soft(sources), "weighted": soft(sources, rd)}
    references.assert_equal(ours, {key: expected[key] for key in ours}, 1e-5)
    chosen = {
        "index": soft.crop(hard.combine(probabilities).argmax(1), sources),
        "weighted_index": soft.crop(hard.combine(probabilities, gain).argmax(1), sources),
        "static_hard": hard(sources),
    }
    assert all(share_of_others(x, expected[key]) < 1e-3 for key, x in chosen.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", ["soft", "hard"])
def test_coloured_pictures_of_v3(rule, name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"stackmffv3_{name}.npz")
    key = "static_rgb_u8" if rule == "soft" else "static_hard_rgb_u8"
    stack = {f"{k:02d}": image / 255 for k, image in enumerate(expected["rgb_u8"][0])}
    picture = Fuser(published["v3", rule], "mff")(stack)
    assert share_of_others(picture.fused.float(), expected[key][0]) < 1e-3


@pytest.mark.slow
@each_variant
@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_ttd_does_nothing(preset, version, rule, published, shared):
    """Each source alone comes back bit for bit, so RD is uniform."""
    file = shared / "reference" / "networks" / "stackmffv2_triple01.npz"
    sources = references.read(file)["sources"]
    network = published[version, rule]
    with torch.no_grad():
        found = TestTimeDynamicFusion(network, preset)(sources)
        assert torch.equal(found.fused, network(sources))
    assert torch.equal(found.components, sources)
    assert torch.equal(found.rd, torch.full_like(found.rd, 1 / 3))


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "is_said"), [("paper", True), ("structure", False)])
def test_an_evaluation_says_in_a_line_that_ttd_does_nothing(
    preset, is_said, shared, tmp_path, run_evaluate, capsys
):
    """Of its components; the static image, which it can also compare, is no source."""
    data = write_pairs(tmp_path / "data", names=("01",), sources=("near", "far"), size=(16, 16))
    checkpoint = shared / "weights" / "stackmff" / "stackmff_v3_final.pth"
    network = ["--network.name", "stackmff", "--network.checkpoint", checkpoint]
    _, summary = run_evaluate("--data.root", data, *network, "--ttd.preset", preset)
    printed = " ".join(capsys.readouterr().out.split())
    line = "RD is uniform and TTD changes nothing"
    assert (line in printed) == is_said
    facts = {one["name"]: one["facts"] for one in summary["methods"]}
    assert facts["StackMFF+TTD"]["ttd"].get("note", "").endswith(line) == is_said
    assert facts["StackMFF"]["network"]["options"] == {"version": "v3", "rule": "auto"}


@each_variant
@torch.no_grad()
def test_rd_by_hand_decides_where_it_is_clear(version, rule, lively):
    network = lively("stackmff", version=version, rule=rule)
    sources = torch.rand(1, 3, 1, 20, 30)
    rd = torch.zeros_like(sources)
    rd[:, 0, ..., :15], rd[:, 2, ..., 15:] = 1, 1
    fused = network(sources, rd)
    expected = torch.cat([sources[:, 0, ..., :15], sources[:, 2, ..., 15:]], -1)
    torch.testing.assert_close(fused, expected, rtol=0, atol=1e-6)


def test_no_probability_left_is_no_division_by_zero():
    shares = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1, 1)
    combined = StackMFF().combine(shares, shares.flip(1))
    assert combined.flatten().tolist() == [0.5, 0.5]


@pytest.mark.slow
@each_variant
@torch.no_grad()
def test_every_variant_keeps_the_contract(version, rule, lively):
    network = lively("stackmff", version=version, rule=rule)
    for count in (1, 2, 5):
        sources = contract.make_sources(network, count, (17, 23))
        contract.assert_uniform_rd_is_static(network, sources)
        contract.assert_uniform_rd_is_static(network, sources, torch.bfloat16)
    contract.assert_components_are_the_network_alone(network, sources)
    contract.assert_rd_matters(network, contract.make_sources(network, 3, (17, 23), channels=3))


@each_variant
def test_every_parameter_learns(version, rule, lively):
    network = lively("stackmff", version=version, rule=rule).train()
    contract.assert_every_parameter_learns(network, torch.rand(2, 3, 1, 17, 23))


@pytest.mark.slow
@torch.no_grad()
def test_the_order_of_the_stack_matters_to_v2_alone(published, shared):
    file = shared / "reference" / "networks" / "stackmffv2_stack5.npz"
    sources = references.read(file)["sources"]
    differ = {key: (n(sources.flip(1)) - n(sources)).abs() for key, n in published.items()}
    assert differ["v3", "soft"].max() < 1e-5
    assert (differ["v3", "hard"] > 0).float().mean() < 1e-3
    assert (differ["v2", "depth"] > 0).float().mean() > 0.05


def test_sources_are_put_into_the_order_of_their_focus(lively):
    network, images = lively("stackmff", version="v2"), torch.rand(3, 1, 32, 32)
    images = (images * 255).round() / 255  # as luma is rounded
    near, middle, far = images
    picture = Fuser(network, "mff")({"far": far, "near": near, "middle": middle})
    with torch.no_grad():
        assert torch.equal(picture.output[:1], network(images[None])[0])


@pytest.mark.parametrize(("version", "sha256"), [("v2", "cb923ed0"), ("v3", "39b2ea37")])
def test_the_file_tells_the_version_and_must_be_whole(version, sha256, shared, tmp_path, capsys):
    path = shared / "weights" / "stackmff" / f"stackmff_{version}_final.pth"
    network = create_network("stackmff", path)
    assert file_sha256(path).startswith(sha256)
    assert network.options == {"version": version, "rule": "auto"}
    assert capsys.readouterr().err == ""
    content = torch.load(path, weights_only=True, map_location="cpu")
    weights = content.get("model", content)
    last = list(weights)[-1]
    weights["more"] = weights.pop(last)
    torch.save(content, tmp_path / "other.pth")
    key = last.removeprefix("module.").replace(".", r"\.")
    with pytest.raises(InputError, match=rf"missing: scorer\.{key}; surplus: scorer\.more"):
        create_network("stackmff", tmp_path / "other.pth", version=version)
    with pytest.raises(InputError, match=r"does not fit StackMFF .*check network\.name and"):
        create_network("stackmff", path, version="v3" if version == "v2" else "v2")


def test_our_own_state_dict_is_loaded_too(lively, tmp_path):
    network = lively("stackmff", version="v2")
    torch.save(network.state_dict(), tmp_path / "own.pth")
    again = create_network("stackmff", tmp_path / "own.pth", version="v2")
    pairs = zip(network.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("version", "count"), [("v2", 51_524), ("v3", 156_172)])
def test_its_size_is_the_authors(version, count):
    assert sum(p.numel() for p in StackMFF(version).parameters()) == count


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"version": "v4"}, r"version must be one of v2, v3, got 'v4'"),
        ({"version": "v2", "rule": "soft"}, r"rule of v2 must be one of auto, depth, got 'soft'"),
        ({"rule": "depth"}, r"rule of v3 must be one of auto, soft, hard, got 'depth'"),
    ],
)
def test_what_no_version_has_is_refused(options, text):
    with pytest.raises(InputError, match=text):
        create_network("stackmff", **options)


def test_depth_by_hand():
    """Means 1, 2 and 2.5 of three images are stretched to 0, 2/3 and 1; two thirds are image 1."""
    rows = torch.tensor([[1, 0, 0], [0.25, 0.5, 0.25], [0, 0.5, 0.5]])
    shares = torch.stack([rows, rows[[0, 0, 0]]]).mT[:, :, None, None]  # two pictures
    assert depth(shares)[0].flatten().tolist() == pytest.approx([0, 2 / 3, 1])
    assert index_of_depth(shares)[0].flatten().tolist() == [0, 1, 2]
    assert index_of_depth(shares)[1].flatten().tolist() == [0, 0, 0]  # all places are the same


def test_luma_is_rounded_as_opencv_does():
    pixel = torch.tensor([200.0, 100.0, 50.0]).view(1, 1, 3, 1, 1) / 255
    expected = (9798 * 200 + 19235 * 100 + 3735 * 50 + 16384) >> 15
    assert round(rounded_luma(pixel).item() * 255, 4) == expected == 124
    grey = torch.rand(1, 2, 1, 3, 3)
    assert rounded_luma(grey) is grey


def test_smoothing_by_hand():
    """A Gaussian of sigma 1/2: e^-2 beside the middle, e^-8 two pixels away."""
    first = torch.zeros(7, 7)
    first[3, 3] = 1
    found = smoothed(torch.stack([first, 1 - first])[None, :, None])[0, 0, 0]
    row = torch.tensor([-8.0, -2, 0, -2, -8]).exp()
    row = row / row.sum()
    torch.testing.assert_close(found[1:-1, 1:-1], row[:, None] * row, rtol=0, atol=1e-6)


def test_windows_are_squares_of_an_image_and_make_it_again():
    x = torch.rand(2, 16, 24, 5)
    windows = _windows(x)
    assert torch.equal(windows[1, 5], x[1, 8:16, 16:24].flatten(0, 1))
    assert torch.equal(_image(windows, (16, 24)), x)


def test_tokens_that_a_shift_brought_together_are_kept_apart():
    """Of 16x16 tokens the last window holds four corners; the first is of one piece."""
    apart = _apart((16, 16), torch.device("cpu"))
    assert apart.shape == (4, 64, 64)
    assert not apart[0].any()
    quarter = [0, 7, 56, 63]  # its corners, of four pieces
    assert torch.equal(apart[3][quarter][:, quarter], -100 * (1 - torch.eye(4)))
    assert apart[3, 0].unflatten(0, (8, 8)).eq(0).sum() == 16


@torch.no_grad()
def test_v3_gives_each_image_its_own_logits_in_any_order():
    torch.manual_seed(0)
    scorer, luma = FocusLogits(), torch.rand(1, 3, 1, 64, 64)
    order = [2, 0, 1]
    torch.testing.assert_close(scorer(luma[:, order]), scorer(luma)[:, order], rtol=0, atol=1e-5)
