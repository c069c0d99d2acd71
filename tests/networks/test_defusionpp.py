import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from benchmarks.authors_defusionpp import AuthorsDeFusionPP
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.defusionpp import (
    DeFusionPP,
    grid_of,
    position_table,
    positions_at,
    unpatchify,
)
from fusionlab.ttd import TestTimeDynamicFusion
from tests.conftest import bound
from tests.networks import contract
from tests.networks.formula import checksum, formula_weights, read_layout

# Sums of up to 768 terms in float32, in another order, through 20 blocks.
ROUNDING = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def network(lively) -> DeFusionPP:
    """A small one whose biases and norms do something."""
    network = lively("defusionpp", **DeFusionPP.small)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            if name.endswith("_blocks.2.weight"):
                parameter.mul_(0.3)
    return network


def padded(sources: Tensor) -> Tensor:
    height, width = sources.shape[3:]
    sides = (16, 16 + -width % 16, 16, 16 + -height % 16)
    return F.pad(sources.flatten(0, 1), sides, "reflect").unflatten(0, sources.shape[:2])


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 48), (35, 41)], ids=str)
def test_it_computes_what_the_authors_compute(size, network):
    """Besides, weights on tokens: means over patches; of the class token, over all of them."""
    plain, sources = AuthorsDeFusionPP(network), torch.rand(2, 2, 3, *size)
    images = padded(sources)

    def crop(x: Tensor) -> Tensor:
        return x[..., 16 : 16 + size[0], 16 : 16 + size[1]]

    parts = common, common_skip, unique, unique_skip = plain.parts(images)
    expected = crop(plain.fused_image(parts, images))
    assert expected.std() > 0.05  # else a wrong formula could hide
    assert_close(network(sources), expected, **ROUNDING)
    rd = (3 * torch.rand(2, 2, 1, *size)).softmax(1)
    patches = F.avg_pool2d(2 * padded(rd)[:, :, 0], 16).flatten(2)  # (B, 2, n)
    gains = torch.cat([patches.mean(2, keepdim=True), patches], 2).transpose(0, 1).unsqueeze(3)
    assert_close(network(sources, rd), crop(plain.fused_image(parts, images, gains)), **ROUNDING)
    ours = network.decompose(sources)
    expected = crop(plain.image(common + common_skip, "decoder_common_blocks", images))
    assert_close(ours[0], expected, **ROUNDING)
    for m in range(2):
        tokens = unique[m] + unique_skip[m]
        expected = crop(plain.image(tokens, "decoder_unique_blocks", images))
        assert_close(ours[1][:, m], expected, **ROUNDING)


def test_position_table_by_hand():
    """Of 8 values, 4 are of the column: sine and cosine of x and x / 100; then the row's."""
    table = position_table(8, 3)
    assert table.shape == (1, 10, 8)
    assert not table[0, 0].any()
    x, y = 2.0, 1.0
    angles = torch.tensor([x, x / 100, y, y / 100])
    expected = torch.stack([angles[:2].sin(), angles[:2].cos(), angles[2:].sin(), angles[2:].cos()])
    assert_close(table[0, 1 + 3 * 1 + 2], expected.flatten())
    assert positions_at(table, (3, 3)) is table


@pytest.mark.parametrize("size", [(1, 2), (14, 13), (30, 42)], ids=str)
def test_tables_of_other_sizes_are_interpolated_as_the_authors_do(size):
    """Pixels of the new table lie at (i + 1/2) · 14 / (n + 0.1) - 1/2 of the old one."""
    table = positions_at(position_table(8), size)
    assert table.shape == (1, 1 + size[0] * size[1], 8)
    rows, columns = (((torch.arange(n) + 0.5) * 14 / (n + 0.1) - 0.5).clamp(0, 13) for n in size)
    nearest = position_table(8)[0, 1:].view(14, 14, 8)[rows.round().long()][
        :, columns.round().long()
    ]
    found = table[0, 1:].view(*size, 8)
    assert (found[..., 1::2] - nearest[..., 1::2]).abs().max() < 0.06  # slow waves, bicubic


def test_patches_lie_row_by_row_with_colours_last():
    tokens = torch.arange(2 * 3 * 768.0).view(1, 6, 768)
    image = unpatchify(tokens, (2, 3))
    assert image.shape == (1, 3, 32, 48)
    row, column, colour = 17, 34, 2  # second row and third column of patches, at (1, 2) in it
    assert image[0, colour, row, column] == 768 * (1 * 3 + 2) + 3 * (16 * 1 + 2) + 2


def test_norms_and_heads_are_the_authors():
    """Their numbers alone would not show the epsilons."""
    network = DeFusionPP()
    epsilons = {name: m.eps for name, m in network.named_modules() if isinstance(m, nn.LayerNorm)}
    for name, epsilon in epsilons.items():
        assert epsilon == (1e-6 if name.startswith("encoder.") else 1e-5), name
    assert [block.attn.num_heads for block in network.encoder.blocks] == [6] * 11 + [12]
    assert network.decoder_fuse_blocks[0].multi_input_self_attn.multihead_attn.num_heads == 16
    assert network.recon_blocks_mim_encoder[1].attn.num_heads == 16
    rates = [getattr(block.drop_path1, "drop_prob", 0) for block in network.encoder.blocks]
    assert rates == [0.1] * 11 + [0]
    sizes = [p.numel() for p in network.parameters()]
    assert sum(sizes) == 13_496_448
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 13_420_800
    assert sum(p.numel() for p in network.encoder.parameters()) == 5_524_416


@torch.no_grad()
@pytest.mark.parametrize("order", ["12", "21"])
@pytest.mark.parametrize("size", [(19, 37), (1, 1)], ids=str)
def test_a_component_is_the_network_with_its_source_on_both_inputs(size, order, network):
    network.order, sources = order, torch.rand(2, 2, 3, *size)
    components = TestTimeDynamicFusion(network)(sources).components
    for m in range(2):
        assert_close(components[:, m], network(sources[:, [m, m]]), **ROUNDING)


@torch.no_grad()
def test_a_joint_component_has_its_own_unique_part_twice(network):
    network.component, sources = "joint", torch.rand(2, 2, 3, 19, 37)
    components = TestTimeDynamicFusion(network)(sources).components
    for m in range(2):
        rd = torch.zeros(2, 2, 1, 19, 37)
        rd[:, m] = 1
        assert_close(components[:, m], network(sources, rd), **ROUNDING)


@torch.no_grad()
def test_the_other_order_is_the_same_with_the_sources_exchanged(network):
    sources = torch.rand(1, 2, 3, 19, 37)
    forth, back = network(sources), network(sources.flip(1))
    network.order = "21"
    assert_close(network(sources), back, **ROUNDING)
    assert (forth - back).abs().max() > 1e-3


@torch.no_grad()
def test_the_fuser_gives_it_the_sources_in_its_authors_order(network):
    images = {name: torch.rand(1, 12, 15) for name in ("vi", "ir")}
    both = torch.stack([images["ir"], images["vi"]])[None].expand(-1, -1, 3, -1, -1)
    picture = Fuser(network, "vif")(images)
    assert_close(picture.output, network(both)[0], **ROUNDING)


def test_gradients_of_the_fuse_tokens_make_rd(network):
    sources = torch.rand(1, 2, 3, 20, 37)
    with torch.inference_mode():
        dynamic = TestTimeDynamicFusion(network, basis="gradient", compare="fused")
        assert dynamic(sources).rd.std() > 1e-4
        with pytest.raises(InputError, match=r"set ttd\.compare to fused"):
            TestTimeDynamicFusion(network, basis="gradient")(sources)
        network.component = "joint"
        assert TestTimeDynamicFusion(network, basis="gradient")(sources).rd.std() > 1e-4


def test_it_is_a_backbone_of_four_maps(network):
    backbone, sources = network.representation, torch.rand(2, 2, 3, 32, 48)
    maps = backbone(sources)
    assert backbone.feature_info.reduction() == [16] * 4
    assert backbone.feature_info.channels() == [96, 96, 96, 48] == [x.shape[1] for x in maps]
    assert all(x.shape[2:] == (2, 3) for x in maps)
    tokens = network.encoder(
        (
            (sources - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1))
            / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        )[:, 1]
    )[1]
    assert_close(maps[2][:, 48:, 1, 2], tokens[:, 1 + 1 * 3 + 2], **ROUNDING)
    features = network.encode(sources)
    fused = network.recon_blocks_mim_encoder(network.combine(features))
    assert_close(maps[3][:, :, 1, 2], fused[:, 1 + 1 * 3 + 2], **ROUNDING)
    with pytest.raises(ValueError, match="multiples of 16"):
        backbone(sources[..., :40])


@torch.no_grad()
def test_the_masked_image_depends_on_the_patches_that_are_seen(network):
    """Change one patch in all tokens: the image changes if and only if it is among them."""
    sources, size = torch.rand(1, 2, 3, 32, 64), (2, 4)
    parts = network.separate(*network.encode_sources(sources))
    order = torch.tensor([[3, 0, 4, 5, 1, 6, 2, 7]])  # places; patches 1 and 4 are seen
    image = network.masked_image(parts, order, size)
    assert image.shape == (1, 3, 32, 64)
    for n in range(8):
        changed = type(parts)(*(x.clone() for x in parts))
        for x in changed:
            x[..., 1 + n, :] += 1
        same = torch.equal(network.masked_image(changed, order, size), image)
        assert same == (n not in (1, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"component": "both"}, "component must be one of alone, joint, got 'both'"),
        ({"order": 11}, "order must be one of 12, 21, got 11"),
        ({"dim": 100}, "dim must be a multiple of 48, got 100"),
        ({"dim": 48.0}, "dim must be a multiple of 48, got 48.0"),
        ({"depth": 1}, "depth must be a whole number of 2 or more, got 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DeFusionPP(**options)


HEADS = {  # of the formula, by the beginning of a key's last parts
    "decoder_common_blocks.2": 0.006,
    "decoder_unique_blocks.2": 0.002,
    "decoder_fuse_blocks.2": 0.003,
    "mim_decoder_pred": 0.012,
}


def value(name: str, z: np.ndarray) -> np.ndarray:
    """The formula of the reference files."""
    key, _, kind = name.rpartition(".")
    if name.endswith("pos_embed"):
        return position_table(z.shape[2]).numpy()
    if "norm" in name:
        return 1 + 0.2 * z if kind == "weight" else 0.1 * z
    if name.endswith("token"):
        return 0.5 * z
    if key in HEADS:
        return HEADS[key] * z if kind == "weight" else 0.45 + 0.1 * z
    if name.endswith("bias"):
        return 0.1 * z
    grows = any(part in name for part in ("qkv", "query", "key.", "in_proj"))
    return z / np.prod(z.shape[1:]) ** 0.5 * (1.4 if grows else 1)


@pytest.fixture(scope="module")
def published(shared) -> dict[str, Tensor]:
    """Weights in the authors' layout of 382 tensors."""
    layout = read_layout(shared, "defusionpp")
    state = formula_weights(layout, value)
    assert len(state) == 382
    assert checksum(state) == layout["sha256"]
    return state


@pytest.fixture(scope="module")
def path(published, tmp_path_factory) -> Path:
    """A checkpoint as the authors' training writes it."""
    path = tmp_path_factory.mktemp("defusionpp") / "DeFusion++.pth"
    torch.save({"state_dict": published, "optimizers": [], "epoch": 50}, path)
    return path


@pytest.fixture(scope="module", params=["alone", "joint"])
def authors(request, path) -> DeFusionPP:
    return create_network("defusionpp", path, component=request.param)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["tno07", "house_rgb", "lytro03_odd"])
def test_results_of_the_authors_modules(name, authors, shared, monkeypatch):
    stored = np.load(shared / "reference" / "networks" / f"defusionpp_random_{name}.npz")
    expected = {key: torch.from_numpy(array) for key, array in stored.items()}
    sources = expected.pop("sources")
    suffix = "" if authors.component == "alone" else "_joint"
    ours = {"static": authors(sources), "static_swapped": authors(sources.flip(1))}
    ours["common"], ours["unique"] = authors.decompose(sources)
    monkeypatch.setattr(authors, "order", "21")
    ours["static_order21"], ours["common_order21"] = authors(sources), authors.decompose(sources)[0]
    monkeypatch.setattr(authors, "order", "12")
    monkeypatch.setattr(authors, "residual", False)
    ours["static_no_residual"] = authors(sources)
    monkeypatch.undo()
    for key, preset in (("l1", "paper"), ("mse50", "authors")):
        result = TestTimeDynamicFusion(authors, preset)(sources)
        ours[f"components{suffix}"] = result.components
        ours[f"loss_{key}{suffix}"], ours[f"rd_{key}{suffix}"] = result.losses, result.rd
        ours[f"ttd_{key}{suffix}"] = result.fused
    images = authors.pad(sources)
    features = authors.encode(images)
    ours |= means_of_tokens(authors, features)
    if "ids_restore" in expected:
        order, size = expected.pop("ids_restore"), grid_of(images)
        parts = features.decomposition.value
        ours["mfm_padded"] = authors.masked_image(parts, order, size)
    compared = 0
    for key, array in ours.items():
        stored = expected.get(key)
        if stored is None and f"{key}_every3" in expected:
            array, stored = array[..., ::3, ::3], expected[f"{key}_every3"]
        if stored is None:
            assert key.startswith("loss"), key  # some are not kept
            continue
        assert array.shape == stored.shape, key
        worst = (array - stored).abs().max().item()
        assert worst < bound(1e-5, 1.5e-5), f"{key} is off by {worst}"
        compared += 1
    of_components = {key for key in expected if key.startswith(("components", "loss", "rd", "ttd"))}
    joint = {key for key in of_components if "_joint" in key}
    others = of_components - joint if suffix else joint
    weights = {key for key in expected if key.startswith("token_weights")}
    assert compared == len(expected.keys() - others - weights)


def means_of_tokens(network: DeFusionPP, features) -> dict[str, Tensor]:
    parts = features.decomposition.value
    total = network.combine(features)
    tokens = {
        **dict(zip(("X", "R"), features.encoded.value, strict=True)),
        "C": parts.common,
        "C_skip": parts.common_skip,
        "U": parts.unique,
        "U_skip": parts.unique_skip,
        "F0": total,
        "F": network.recon_blocks_mim_encoder(total),
    }
    return {f"mean_{name}": x.mean(-2) for name, x in tokens.items()}


@pytest.mark.slow
@torch.no_grad()
def test_weights_of_tokens_are_means_over_patches(path, shared):
    """A gain is twice these, of patches and of the class token."""
    network = create_network("defusionpp", path)
    stored = np.load(shared / "reference" / "networks" / "defusionpp_random_lytro03_odd.npz")
    rd, expected = (torch.from_numpy(stored[key]) for key in ("rd_l1", "token_weights_l1"))
    ones = network.encode(network.pad(torch.from_numpy(stored["sources"])))
    ones = ones._replace(
        patches=torch.stack([torch.ones(1, 54, 192), torch.zeros(1, 54, 192)], 1),
        first=torch.stack([torch.ones(1, 192, 1, 1), torch.zeros(1, 192, 1, 1)], 1),
    )
    found = network.combine(ones, network.pad(rd))
    assert_close(found[..., :1], expected[:, 0], rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def taught(shared, published) -> dict[str, Tensor]:
    """The layout of 898 tensors of a training with teachers, which are not read: all zeros."""
    layout = read_layout(shared, "defusionpp_mcud")["state_dict"]
    assert len(layout) == 898
    return {key: published.get(key, torch.zeros(1)) for key in layout}


@pytest.mark.slow
def test_a_checkpoint_with_teachers_is_the_network_without_them(taught, published, tmp_path):
    torch.save({"state_dict": taught}, tmp_path / "mcud.pth")
    state = create_network("defusionpp", tmp_path / "mcud.pth").state_dict()
    assert state.keys() == published.keys()
    assert all(torch.equal(tensor, published[key]) for key, tensor in state.items())


@pytest.mark.slow
def test_a_pruned_checkpoint_has_an_untrained_masked_branch(published, tmp_path):
    masked = ("mask_token", "decoder_pos_embed", "mim_")
    pruned = {key: tensor for key, tensor in published.items() if not key.startswith(masked)}
    torch.save(pruned, tmp_path / "pruned.pth")
    network = create_network("defusionpp", tmp_path / "pruned.pth")
    assert len(pruned) == 382 - 30
    assert all(torch.equal(network.state_dict()[key], pruned[key]) for key in pruned)
    assert network.mim_decoder_pred.weight.std() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {k: s[k] for k in s if k != "enc_norm1.bias"}, "missing: enc_norm1.bias"),
        (lambda s: {k: s[k] for k in s if k != "mask_token"}, "missing: mask_token"),
        (lambda s: {**s, "latent_predict5.bias": torch.zeros(1)}, "surplus: latent_predict5.bias"),
        (
            lambda s: {**s, "model_encoder1.head.bias": torch.zeros(1)},
            "surplus: model_encoder1.head",
        ),
        (
            lambda s: {**s, "encoder.pos_embed": torch.zeros(1, 257, 192)},
            "shape: encoder.pos_embed",
        ),
        (lambda s: {**s, "encoder.cls_token": None}, "holds no state dict"),
    ],
)
def test_anything_but_the_authors_layouts_is_refused(spoil, message, published, tmp_path):
    path = tmp_path / "DeFusion++.pth"
    torch.save({"state_dict": spoil(published)}, path)
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}.*{re.escape(message)}"):
        create_network("defusionpp", path)


@pytest.mark.slow
@torch.no_grad()
def test_it_keeps_the_contract_with_other_options(lively):
    options = {"component": "joint", "order": "21", "residual": False}
    network = lively("defusionpp", **DeFusionPP.small, **options)
    sources = contract.make_sources(network, 2, (17, 23))
    for half in (None, torch.bfloat16, torch.float16):
        contract.assert_uniform_rd_is_static(network, sources, half)
    contract.assert_a_batch_is_its_members(network, sources)
    contract.assert_sources_and_features_stay(network, sources)
