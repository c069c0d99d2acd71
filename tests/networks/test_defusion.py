import collections
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from benchmarks.authors_defusion import AuthorsDeFusion
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.defusion import DeFusion, Pointwise
from fusionlab.settings import Data
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import contract
from tests.networks.formula import checksum, formula_weights, read_layout

# Sums of up to 2304 terms in float32, in another order, through 60 layers.
ROUNDING = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def network(lively) -> DeFusion:
    """A small one whose images are neither black nor flat."""
    network = lively("defusion", **DeFusion.small)
    with torch.no_grad():
        for conv in (network.fusion_rule[0], network.decoder_upper_projection_layer[0]):
            conv.weight.mul_(0.05)
            conv.bias.fill_(0.3)
    return network


@pytest.mark.parametrize("gradients", [True, False], ids=["gradients", "no gradients"])
@pytest.mark.parametrize("size", [(24, 32), (19, 37)], ids=str)
def test_it_computes_what_the_authors_compute(size, gradients, network):
    """Without gradients it works in place."""
    plain, sources = AuthorsDeFusion(network), torch.rand(2, 2, 3, *size)
    reflected = F.pad(sources.flatten(0, 1), (16,) * 4, "reflect").unflatten(0, (2, 2))
    assert torch.equal(network.pad(sources), reflected)
    with torch.set_grad_enabled(gradients):
        expected = plain(sources)
        assert expected.std() > 0.05  # else a wrong formula could hide
        assert_close(network(sources), expected, **ROUNDING)
        rd = (3 * torch.rand(2, 2, 1, *size)).softmax(1)
        assert_close(network(sources, rd), plain(sources, rd), **ROUNDING)


@torch.no_grad()
def test_common_and_unique_images(network):
    plain, sources = AuthorsDeFusion(network), torch.rand(2, 2, 3, 19, 37)
    embedding, embeddings = plain.embeddings(network.pad(sources))
    images = [
        plain.image(x, "decoder_upper_projection_layer")[..., 16:-16, 16:-16]
        for x in (embedding, *embeddings)
    ]
    common, unique = network.decompose(sources)
    assert_close(common, images[0], **ROUNDING)
    assert_close(unique, torch.stack(images[1:], 1), **ROUNDING)
    with pytest.raises(ValueError, match="takes exactly 2 sources, got 1"):
        network.decompose(sources[:, :1])


@torch.no_grad()
@pytest.mark.parametrize("size", [(19, 37), (2, 3), (1, 1)], ids=str)
def test_a_component_is_the_network_with_its_source_on_both_inputs(size, network):
    sources = torch.rand(2, 2, 3, *size)
    components = TestTimeDynamicFusion(network)(sources).components
    for m in range(2):
        assert_close(components[:, m], network(sources[:, [m, m]]), **ROUNDING)


@torch.no_grad()
def test_a_joint_component_is_the_common_and_its_own_unique_embedding(network):
    network.component = "joint"
    plain, sources = AuthorsDeFusion(network), torch.rand(2, 2, 3, 19, 37)
    common, unique = plain.embeddings(network.pad(sources))
    components = TestTimeDynamicFusion(network)(sources).components
    for m in range(2):
        expected = plain.image(unique[m] + common, "fusion_rule")[..., 16:-16, 16:-16]
        assert_close(components[:, m], expected, **ROUNDING)


@pytest.mark.parametrize("compare", ["components", "fused"])
def test_gradients_of_the_unique_embeddings_make_rd(compare, network):
    """In inference mode, as an evaluation does; by hand: through a fused image of their sum."""
    network.component, sources = "joint", torch.rand(1, 2, 3, 9, 12)
    with torch.inference_mode():
        result = TestTimeDynamicFusion(network, basis="gradient", compare=compare)(sources)
    assert result.rd.std() > 1e-4


def test_components_alone_are_not_made_of_the_unique_embeddings(network):
    with torch.inference_mode(), pytest.raises(InputError, match=r"set ttd\.compare to fused"):
        TestTimeDynamicFusion(network, basis="gradient")(torch.rand(1, 2, 3, 9, 12))


@torch.no_grad()
def test_the_fuser_gives_it_the_sources_in_its_authors_order(network):
    """Infrared or over-exposed images first, whatever the data's order; RD comes back in that."""
    images = {name: torch.rand(1, 12, 15) for name in ("vi", "ir")}
    fuser, both = Fuser(network, "vif"), torch.stack([images["ir"], images["vi"]])[None]
    expected = TestTimeDynamicFusion(network)(both.expand(-1, -1, 3, -1, -1))
    forth, back = fuser(images, "paper"), fuser(dict(reversed(images.items())), "paper")
    assert_close(forth.output, expected.fused[0], **ROUNDING)
    assert torch.equal(forth.fused, back.fused)
    assert_close(forth.rd, expected.rd[0, [1, 0], 0], **ROUNDING)
    assert torch.equal(forth.rd, back.rd.flip(0))
    assert torch.equal(forth.components, back.components.flip(0))
    swapped = fuser({"a": images["vi"], "b": images["ir"]})
    assert (swapped.output - forth.output).abs().max() > 1e-3, "the order should matter"
    exposures = {"under": images["vi"], "over": images["ir"]}
    other = Fuser(network, "mef", colour="rgb")(exposures)
    assert_close(other.output, network(both.expand(-1, -1, 3, -1, -1))[0], **ROUNDING)


@pytest.mark.parametrize("size", [(32, 40), (19, 37)], ids=str)
def test_it_is_a_backbone_of_four_maps(size, network):
    backbone, sources = network.representation, torch.rand(2, 2, 3, *size)
    maps = backbone(sources)
    assert backbone.feature_info.reduction() == [1, 2, 4, 8]
    assert [x.shape[1] for x in maps] == backbone.feature_info.channels()
    for x, reduction in zip(maps, backbone.feature_info.reduction(), strict=True):
        assert list(x.shape[2:]) == [-(-side // reduction) for side in size]
    plain = AuthorsDeFusion(network)
    common, unique = plain.embeddings(sources)
    assert_close(maps[0], torch.cat([common, *unique], 1), **ROUNDING)
    torch.stack([x.square().mean() for x in maps]).sum().backward()
    assert network.upper_encoder_layer3.layer[0].conv1.weight.grad.any()
    with pytest.raises(ValueError, match="8 pixels a side"):
        backbone(sources[..., :7])


def test_channels_of_the_backbone_with_the_authors_width():
    assert DeFusion(depth=0.1).representation.feature_info.channels() == [48, 144, 320, 1024]


def test_convolutions_start_as_the_authors():
    torch.manual_seed(0)
    network = DeFusion()
    weight = network.common_encoder[0].layer[1].conv2.conv.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)  # 589,824 values
    count = sum(p.numel() for p in network.parameters())
    assert count == 7_874_473 - 435  # without the projection that is never used


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"component": "both"}, "component must be one of alone, joint, got 'both'"),
        ({"width": 0}, r"width must be in \(0, 4\], got 0"),
        ({"depth": True}, r"depth must be in \(0, 4\], got True"),
        ({"depth": float("nan")}, r"depth must be in \(0, 4\], got nan"),
        ({"luma": 1}, "luma must be true or false, got 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DeFusion(**options)


def value(name: str, z: np.ndarray) -> np.ndarray:
    """The formula of the reference files."""
    if name.endswith("bias"):
        if ".fc" in name:
            return 0.5 * z
        if "projection" in name:
            return 0.05 * z
        return 0.1 * z - 0.3 * ("fusion_rule" in name)
    scale = (2 / np.prod(z.shape[1:])) ** 0.5
    if "conv3" in name:
        return 0.3 * scale * z
    if "downsample" in name:
        return 0.8 * scale * z
    if "projection" in name:
        return 0.12 * scale * (z + 0.5)
    if "fusion_rule" in name:
        return 0.06 * scale * (z + 0.5)
    return scale * z


@pytest.fixture(scope="module")
def published(shared) -> dict[str, Tensor]:
    """Weights in the authors' layout of 676 tensors."""
    layout = read_layout(shared, "defusion")
    state = formula_weights(layout, value)
    assert len(state) == 676
    assert checksum(state) == layout["sha256"]
    return state


@pytest.fixture(scope="module")
def path(published, tmp_path_factory) -> Path:
    """A checkpoint as the authors' training writes it."""
    path = tmp_path_factory.mktemp("defusion") / "latest.pth"
    schedulers = [{"milestones": collections.Counter({10: 1}), "gamma": 0.5}]
    content = {"state_dict": published, "optimizers": [], "schedulers": schedulers, "epoch": 50}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module", params=["alone", "joint"])
def authors(request, path) -> DeFusion:
    return create_network("defusion", path, component=request.param)


MODULES = ("encoder_upper", *(f"upper_encoder_layer{k}" for k in (1, 2, 3)), "common_encoder.0")
DECODERS = tuple(f"decoder_{part}_layer{k}" for part in ("common", "upper") for k in (1, 2, 3))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "house_rgb", "lytro03_odd"])
def test_results_of_the_authors_modules(name, authors, shared):
    stored = np.load(shared / "reference" / "networks" / f"defusion_random_{name}.npz")
    expected = {key: torch.from_numpy(array) for key, array in stored.items()}
    sources = expected.pop("sources")
    suffix = "" if authors.component == "alone" else "_joint"
    ours = {"static": authors(sources), "static_swapped": authors(sources.flip(1))}
    ours["common"], ours["unique"] = authors.decompose(sources)
    features = authors.encode(sources)
    ours["static_unpadded"] = authors.decode(authors.combine(features), sources)
    for key, preset in (("l1", "paper"), ("mse50", "authors")):
        result = TestTimeDynamicFusion(authors, preset)(sources)
        ours[f"components{suffix}"] = result.components
        ours[f"loss_{key}{suffix}"], ours[f"rd_{key}{suffix}"] = result.losses, result.rd
        ours[f"ttd_{key}{suffix}"] = result.fused
    if name == "tno01":
        ours |= inner_values(authors, sources)
    of_components = {key for key in expected if key.startswith(("components", "loss", "rd", "ttd"))}
    others = {key for key in of_components if key.endswith("_joint") != bool(suffix)}
    assert ours.keys() == expected.keys() - others
    for key, array in ours.items():
        assert array.shape == expected[key].shape, key
        worst = (array - expected[key]).abs().max().item()
        assert worst < 1e-5, f"{key} is off by {worst}"


def inner_values(network: DeFusion, sources: Tensor) -> dict[str, Tensor]:
    """Means of the modules' outputs over the padded pixels, and embeddings."""
    means = {}
    hooks = []
    for name in (*MODULES, *DECODERS):

        def keep(module, inputs, output, name=name) -> None:
            means[f"mean_{name.removesuffix('.0')}"] = output.mean((2, 3))

        hooks.append(network.get_submodule(name).register_forward_hook(keep))
    features = network.encode(network.pad(sources))
    for hook in hooks:
        hook.remove()
    embeddings = {
        "embedding_unique": network.crop(features.unique, sources),
        "embedding_common": network.crop(features.common.value, sources),
    }
    return means | embeddings


def deep(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "decoder_common_layer1.layer.2.conv1.weight": torch.zeros(64, 256, 1, 1)} | {
        f"decoder_common_layer{k}.{'0.' * (k == 4)}layer.{i}.conv1.weight": torch.zeros(1)
        for k, count in enumerate((4, 4, 6, 6), 1)
        for i in range(2, count)
    }


FIRST = "decoder_common_layer1.layer.0.conv1.weight"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {k: s[k] for k in s if k != "fusion_rule.0.bias"}, "lacks fusion_rule.0.bias"),
        (lambda s: {**s, "extra.weight": torch.zeros(1)}, "has an unknown extra.weight"),
        (
            lambda s: {**s, "encoder_lower.0.bias": s["encoder_lower.0.bias"] + 1},
            "encoder_lower.0.bias .* is not equal to encoder_upper.0.bias",
        ),
        (
            lambda s: {**s, "fusion_rule.0.weight": torch.zeros(3, 16, 1, 1)},
            "of another shape: fusion_rule.0.weight",
        ),
        (deep, "has 4, 4, 6, 6 blocks .* the authors' deep variant, not their UCTestSharedNetPro"),
        (
            lambda s: {**s, FIRST: torch.zeros(64, 1024, 1, 1)},
            "1024 input channels: the authors' UCTestSharedModelPro, without skip inputs",
        ),
        (
            lambda s: {k: s[k] for k in s if not k.startswith("decoder_common_layer4")},
            "has 2, 2, 2, 0 blocks .* no class of theirs that is known",
        ),
    ],
)
def test_anything_but_the_authors_class_is_refused(spoil, message, published, tmp_path):
    path = tmp_path / "latest.pth"
    torch.save({"state_dict": spoil(published), "epoch": 1}, path)
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}.*{message}"):
        create_network("defusion", path)


@pytest.mark.slow
def test_every_tensor_of_the_authors_file_is_loaded(path, published):
    network = create_network("defusion", path)
    state = network.state_dict()
    assert len(state) == 384 - 2
    assert all(torch.equal(tensor, published[key]) for key, tensor in state.items())


@pytest.mark.slow
@torch.no_grad()
def test_it_keeps_the_contract_with_joint_components(lively):
    network = lively("defusion", component="joint", **DeFusion.small)
    sources = contract.make_sources(network, 2, (17, 23))
    for half in (None, torch.bfloat16, torch.float16):
        contract.assert_uniform_rd_is_static(network, sources, half)
    contract.assert_a_batch_is_its_members(network, sources)
    contract.assert_sources_and_features_stay(network, sources)


@pytest.mark.slow
@torch.no_grad()
def test_with_skip_the_last_layers_see_sources_and_maps_of_full_size(lively):
    network, sources = lively("defusion", skip=True, **DeFusion.small), torch.rand(1, 2, 3, 19, 37)
    with torch.no_grad():
        network.fusion_rule[0].weight.mul_(0.05)
        network.fusion_rule[0].bias.fill_(0.3)
    components, fused = TestTimeDynamicFusion(network)(sources).components, network(sources)
    assert components.std() > 0.01
    for m in range(2):
        assert_close(components[:, m], network(sources[:, [m, m]]), **ROUNDING)
    for layers, count in ((network.decoder_common_layer4, 2), (network.decoder_upper_layer4, 1)):
        weight = layers[0].layer[0].conv1.weight
        weight[:, -count * 11 :] = 0  # 8 channels and 3 colours of each source
    assert (network(sources) - fused).abs().max() > 1e-4


@pytest.mark.slow
def test_what_learned_from_grey_photographs_fuses_luma(lively):
    """With the colours of the sources, as another network of luma does."""
    network = lively("defusion", luma=True, **DeFusion.small).eval()
    network.fusion_rule[0].weight.data.mul_(0.05)
    network.fusion_rule[0].bias.data.fill_(0.3)
    (data,) = open_data(Data(task="mff"))
    sample = data[0]
    found = Fuser(network, "mff")(sample).fused
    assert torch.equal(found, Fuser(network, "mff", colour="luma")(sample).fused)
    other = create_network("defusion", **DeFusion.small)
    other.load_state_dict(network.state_dict())
    assert torch.equal(found, Fuser(other.eval(), "mff", colour="luma")(sample).fused)
    assert not torch.equal(found, Fuser(other, "mff")(sample).fused)


def test_a_shortcut_in_single_precision_is_added_in_half():
    """Autocast of a GPU enlarges maps in single precision, convolutions work in half."""
    layer = Pointwise(8, 4).bfloat16()
    start, x = torch.rand(1, 4, 5, 6), torch.rand(1, 8, 5, 6, dtype=torch.bfloat16)
    expected = start + F.conv2d(x.float(), layer.weight.float())
    with torch.inference_mode():
        found = layer.added_to(start, x)
    assert_close(found, expected.bfloat16(), rtol=0.02, atol=0.02)
