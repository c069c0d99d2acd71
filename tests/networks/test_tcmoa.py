"""TC-MoA against its authors' modules, with weights by a stated formula."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import create_network
from fusionlab.networks.tcmoa import (
    CONSTANTS,
    Choice,
    Experts,
    TCMoA,
    positions_at,
    relative_positions,
    standardised,
)
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import references
from tests.networks.formula import drawn_weights, value_checksum

CHECKSUM = "844f8097de644ef7dd14af8cfc123a27a5c70dad1ecdcda938fd7bded8f2224e"
KEPT = ("pos_embed", "decoder_pos_embed", "cls_token")  # the formula leaves them out


def listed(shared: Path) -> dict[str, tuple[int, ...]]:
    lines = (shared / "facts" / "tcmoa_base_keys.txt").read_text().splitlines()[1:]
    return {key: tuple(map(int, shape.split("x"))) for key, shape, *_ in map(str.split, lines)}


def value(name: str, z: np.ndarray) -> np.ndarray:
    """The formula of the sheet."""
    if name.startswith("Alpha"):
        return 0.5 + 0.1 * z
    if name.endswith("relative_position_bias_table"):
        return 0.5 * z
    if name.endswith("bias"):
        return 0.05 * z
    if name.endswith(("w_gate", "w_noise")):
        return z / np.sqrt(z.shape[1])
    return 1 + 0.1 * z if z.ndim <= 1 else z / np.sqrt(np.prod(z.shape[1:]))


def sines(dim: int) -> Tensor:
    """MAE's position table: sines and cosines of column, then of row; zeros first."""
    rates = 10000.0 ** -(np.arange(dim // 4) / (dim / 4))
    angles = np.arange(14)[:, None] * rates
    waves = np.concatenate((np.sin(angles), np.cos(angles)), 1)
    table = np.concatenate((np.tile(waves, (14, 1)), np.repeat(waves, 14, 0)), 1)
    return torch.from_numpy(np.concatenate((np.zeros((1, dim)), table))).float()[None]


@cache
def formula_network(shared: Path) -> TCMoA:
    """115 million parameters: for slow tests alone."""
    network = create_network("tcmoa")
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items() if k not in KEPT}
    state = drawn_weights(shapes, 2024, value)
    assert value_checksum(state) == CHECKSUM
    tables = {"pos_embed": sines(768), "decoder_pos_embed": sines(512)}
    network.load_state_dict({**state, **tables, "cls_token": torch.zeros(1, 1, 768)})
    return network


def read(shared: Path, name: str) -> dict[str, Tensor]:
    given = references.read(shared / "reference" / "networks" / f"tcmoa_formula_{name}.npz")
    return {**given, "sources": given["sources_u8"] / 255}


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize(("name", "task"), [("tno01", "vif"), ("house", "mef")])
def test_results_of_the_authors_modules(name, task, shared):
    network, given = formula_network(shared), read(shared, name)
    features = network.encode(given["sources"], task)
    choices: list[Choice] = []
    fused = network.fuse_pair(features.images, features.task.value, choices)
    assert (fused - given["static"]).abs().max() < 1e-5
    prompts = torch.stack([choice.prompts[:, 0] for choice in choices])
    for m, stream in enumerate("xt"):
        theirs = torch.cat((given[f"prompts_{stream}"], given[f"decoder_prompts_{stream}"]))
        assert (prompts[:, m] - theirs).abs().max() < 1e-6
    for key, preset in references.PRESETS.items() if "components" in given else ():
        found = TestTimeDynamicFusion(network, preset)(given["sources"], task=task)
        assert (found.components - given["components"]).abs().max() < 1e-5
        assert (found.rd[:, :1] - given[f"rd_{key}"]).abs().max() < 1e-5
        assert (found.fused - given[f"ttd_{key}"]).abs().max() < 1e-5


def test_the_layout_is_the_published_one(shared):
    published = listed(shared)
    with torch.device("meta"):
        base, large = TCMoA().state_dict(), TCMoA("large").state_dict()
    ours = {key: tuple(one.shape) for key, one in base.items()}
    assert {k: v for k, v in published.items() if k in ours} == ours
    left = [key for key in published.keys() - ours.keys() if not CONSTANTS.fullmatch(key)]
    assert {key.rpartition(".")[2] for key in left} == {"relative_position_index"}
    constants = 2 * 27 + 2 * 9  # of the loss: published counts have them
    assert sum(one.numel() for one in base.values()) == 115_772_597 - constants
    assert sum(one.numel() for one in large.values()) == 340_886_992 - constants


@pytest.mark.slow
def test_a_checkpoint_in_the_authors_layout_loads_strictly(lively, tmp_path):
    network = lively("tcmoa", size="tiny")
    state = network.state_dict()
    content = {
        **state,
        "MFFselect.sobelconv.weightx": torch.zeros(1, 1, 3, 3),
        "MaxGradLoss.sobelconv.weighty": torch.zeros(1, 3, 3, 3),
        "blocks_MoA.0.MoA.mean": torch.zeros(1),
        "decoder_blocks_MoA.0.MoA.std": torch.ones(1),
        "en_relative_position.0.relative_position_index": relative_positions(),
    }
    torch.save({"model": content, "epoch": 19}, tmp_path / "a.pth")
    loaded = create_network("tcmoa", tmp_path / "a.pth", size="tiny").state_dict()
    assert all(torch.equal(state[key], one) for key, one in loaded.items())
    content["other"] = content.pop("FusionLayer.1.conv2.weight")
    torch.save({"model": content}, tmp_path / "b.pth")
    with pytest.raises(InputError, match=r"missing: FusionLayer\.1\.conv2\.weight; surplus: other"):
        create_network("tcmoa", tmp_path / "b.pth", size="tiny")
    content["en_relative_position.0.relative_position_index"] = relative_positions().T
    torch.save({"model": content}, tmp_path / "c.pth")
    with pytest.raises(InputError, match="is not that of windows of 14x14"):
        create_network("tcmoa", tmp_path / "c.pth", size="tiny")


def test_relative_positions_by_hand():
    """Query in row 3, column 5, key in row 1, column 9: rows differ by 2, columns by −4."""
    assert relative_positions()[3 * 14 + 5, 14 + 9] == (2 + 13) * 27 + (-4 + 13)


def test_positions_of_oblong_images_are_read_as_if_upright():
    table = torch.rand(1, 197, 4)
    square = table[:, 1:].mT.reshape(1, 4, 14, 14)
    turned = F.interpolate(square, (28, 14), mode="bilinear", align_corners=False)
    assert_close(positions_at(table, (14, 28)), turned.flatten(2).mT)
    assert torch.equal(positions_at(table, (14, 14)), table[:, 1:])


@torch.no_grad()
def test_two_experts_are_mixed_by_their_gates():
    experts, y = Experts(16).eval(), torch.randn(1, 3, 16)
    torch.nn.init.normal_(experts.w_gate)
    found, gates, load = experts(y, torch.tensor(1))
    for n in range(3):
        logits = y[0, n] @ experts.w_gate[1]
        best = logits.argsort(descending=True)[:2]
        shares = logits[best].softmax(0)
        mixed = sum(
            g * experts.experts[e](y[0, n]).exp() for g, e in zip(shares, best, strict=True)
        )
        assert_close(found[0, n], mixed.log())
        assert_close(gates[0, n, best], shares)
        assert (gates[0, n] > 0).sum() == 2
    assert load.tolist() == (gates > 0).sum((0, 1)).tolist()


def test_streams_keep_their_mean_and_deviation():
    before, after = 3 * torch.randn(2, 2, 5, 4) + 1, torch.randn(2, 2, 5, 4)
    found = standardised(after, before)
    for statistic in (torch.mean, torch.std):
        assert_close(statistic(found, (2, 3)), statistic(before, (2, 3)))


@torch.no_grad()
def test_tasks_fuse_differently_and_medical_images_as_infrared_ones(lively):
    network, sources = lively("tcmoa", size="tiny"), torch.rand(1, 2, 3, 20, 30)
    fused = {task: network(sources, task=task) for task in ("vif", "mif", "mef", "mff")}
    assert torch.equal(fused["vif"], fused["mif"])
    assert not torch.equal(fused["vif"], fused["mef"])
    assert not torch.equal(fused["mef"], fused["mff"])


@torch.no_grad()
def test_large_images_are_fused_window_by_window(lively):
    """Windows of 448 pixels; the last at the border, over what came before."""
    network = lively("tcmoa", size="tiny")
    network.fuse_pair = lambda images, task: images[:, 0] + images[:, 0].mean()
    sources = torch.rand(1, 2, 3, 460, 900)
    found = network.decode(network.encode(sources, "vif"), sources)
    images = network.encode(sources, "vif").images[:, 0]
    expected = torch.empty_like(images)
    for top in (0, 12):
        for left in (0, 448, 452):
            place = (..., slice(top, top + 448), slice(left, left + 448))
            expected[place] = images[place] + images[place].mean()
    assert torch.equal(found, expected)
    assert network.pad(sources) is sources
    assert network.pad(sources[..., :448, :]).shape[3:] == (448, 1008)


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network, sources = lively("tcmoa", size="tiny"), torch.rand(1, 2, 3, 112, 112)
    features = network.encode(sources, "mff")
    components = network.components(features, sources, "mff")
    for m in range(2):
        alone = network(sources[:, [m, m]], task="mff")
        assert_close(components[:, m], alone, rtol=0, atol=1e-5)


def test_an_unknown_size_is_refused():
    with pytest.raises(InputError, match="size must be one of base, large, tiny"):
        create_network("tcmoa", size="huge")
