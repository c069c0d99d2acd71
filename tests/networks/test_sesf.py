"""SESF-Fuse against its authors' program."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.sesf import SESF, cleaned, grey, refined, spatial_frequency
from fusionlab.ttd import TestTimeDynamicFusion
from tests.conftest import bound
from tests.networks import contract, references

NAMES = ["lytro01", "odd"]


@pytest.fixture(scope="module")
def published(shared) -> SESF:
    path = shared / "weights" / "sesf" / "lp+lssim_se_sf_net_times30.pkl"
    return create_network("sesf", path)


@pytest.fixture(scope="module", params=NAMES)
def expected(request, shared):
    return references.read(shared / "reference" / "networks" / f"sesf_{request.param}.npz")


def decisions(network, sources, gain=None):
    """Before and after it is cleaned, and the map."""
    first, second = network.combine(network.encode(sources), gain)
    clean = cleaned(first > second)
    return first > second, clean, refined(clean, sources[:, 0], sources[:, 1])


@torch.no_grad()
def test_decisions_map_and_picture(published, expected):
    sources = expected["sources"]
    raw, clean, weights = decisions(published, sources)
    differ = (raw != expected["decision_raw"].bool()).double()
    assert differ.mean() <= bound(0, 1e-4)  # where activities are equal, rounding decides
    assert torch.equal(clean, expected["decision_clean"].bool())
    torch.testing.assert_close(weights.float(), expected["map"], rtol=0, atol=1e-6)
    torch.testing.assert_close(published(sources), expected["static"], rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("key", "preset"), references.PRESETS.items())
def test_ttd(key, preset, published, expected):
    sources = expected["sources"]
    found = TestTimeDynamicFusion(published, preset, gain="share")(sources)
    ours = {"components": found.components, f"loss_{key}": found.losses, f"rd_{key}": found.rd}
    ours[f"ttd_{key}"] = found.fused
    for name, value in ours.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=2e-6, msg=name)
    raw, _, _ = decisions(published, sources, 2 * found.rd)
    assert torch.equal(raw, expected[f"ttd_decision_{key}"].bool())


@torch.no_grad()
def test_weights_by_hand_and_the_gain_of_the_largest(published, expected):
    sources = expected["sources"]
    rd = expected["weights"]
    raw, _, _ = decisions(published, sources, 2 * rd)
    assert torch.equal(raw, expected["weighted_decision"].bool())
    torch.testing.assert_close(published(sources, rd), expected["weighted"], rtol=0, atol=1e-6)
    gain = rd / rd.amax(1, keepdim=True)
    fused = published.decode(published.combine(published.encode(sources), gain), sources)
    torch.testing.assert_close(fused, expected["weighted_largest"], rtol=0, atol=1e-6)


def test_coloured_pictures(published, expected):
    near, far = expected["rgb_u8"][0] / 255
    picture = Fuser(published, "mff")({"near": near, "far": far}).fused.int()
    assert (picture - expected["static_rgb_u8"][0].int()).abs().max() <= 1


def test_the_file_is_known_and_must_be_whole(shared, tmp_path, capsys):
    path = shared / "weights" / "sesf" / "lp+lssim_se_sf_net_times30.pkl"
    create_network("sesf", path)
    assert capsys.readouterr().err == ""
    state = torch.load(path, weights_only=True, map_location="cpu")
    state["se_4.fc.0.weight"] = state.pop("se_3.fc.0.weight")
    torch.save(state, tmp_path / "other.pkl")
    text = r"missing: se_3\.fc\.0\.weight; surplus: se_4\.fc\.0\.weight"
    with pytest.raises(InputError, match=text):
        create_network("sesf", tmp_path / "other.pkl")


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in SESF().parameters()) == 74_803


def test_the_spatial_frequency_by_hand():
    """A dot of 2: 4 where it is, twice; 4 at its right and below; neighbours outside are 0."""
    dot = torch.zeros(1, 2, 15, 15)
    dot[0, 1, 7, 7] = 2
    found = spatial_frequency(dot)[0, 0]
    assert found[7, 7].item() == pytest.approx(16)
    assert found[1, 7].item() == 0
    assert found[2, 7].item() == pytest.approx(12)  # without the one below
    assert found[13, 7].item() == pytest.approx(4)  # with it alone
    corner = spatial_frequency(torch.ones(1, 1, 15, 15))[0, 0, 0, 0]
    assert corner.item() == pytest.approx(12)  # six pixels of each side of the image


def test_specks_are_given_to_the_other_source():
    decision = torch.zeros(1, 1, 60, 60, dtype=torch.bool)
    decision[..., 30:] = True
    clean = decision.clone()
    decision[..., 10:12, 10:12] = True  # a speck
    decision[..., 40:42, 50:52] = False  # a hole
    assert torch.equal(cleaned(decision), clean)


@torch.no_grad()
def test_three_sources_are_fused_one_after_the_other(published, shared):
    file = shared / "reference" / "networks" / "gacn_triple.npz"
    sources = references.read(file)["sources"]
    first = published(sources[:, :2])
    both = published(torch.stack([first, sources[:, 2]], 1))
    torch.testing.assert_close(published(sources), both, rtol=0, atol=1e-6)
    assert torch.equal(published(sources[:, :1]), sources[:, 0])


@torch.no_grad()
def test_colours_add_the_error_of_the_luma(lively):
    network, sources = lively("sesf"), torch.rand(1, 2, 3, 12, 14)
    components = network.components(network.encode(sources), sources)
    luma = grey(sources.flatten(0, 1)).unsqueeze(0)
    alone = network.components(network.encode(luma), luma)
    torch.testing.assert_close(components - sources, (alone - luma).expand_as(sources))


def test_rd_decides_where_it_is_clear(lively):
    network, sources = lively("sesf"), torch.rand(1, 2, 1, 40, 60)
    rd = torch.zeros_like(sources)
    rd[:, 0, ..., :30], rd[:, 1, ..., 30:] = 1, 1
    with torch.no_grad():
        fused = network(sources, rd)
    assert torch.allclose(fused[..., :15], sources[:, 0, ..., :15], atol=1e-6)
    assert torch.allclose(fused[..., 45:], sources[:, 1, ..., 45:], atol=1e-6)
    contract.assert_uniform_rd_is_static(network, sources)
