"""SwinFuse against its authors' modules, with weights by a stated formula."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.swinfuse import SwinFuse, l1_rule
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import references
from tests.networks.formula import drawn_weights, value_checksum

CHECKSUM = "fb0a77bb35096d561ffbe1002b52f7a7eca9d65e8afdb74bdc105583320dbfea"
# Exponentials of mean activations up to 2.4: another order of sums is 2.2e-5 off.
ROUNDING = 1e-4
UNUSED = {  # of the authors' checkpoint: 272 tensors
    **{f"norm_up.{kind}": (192,) for kind in ("weight", "bias")},
    "prelu.weight": (1,),
}


def formula_state() -> dict[str, Tensor]:
    shapes = {key: tuple(value.shape) for key, value in SwinFuse().state_dict().items()}
    state = drawn_weights(shapes, 2022)
    assert value_checksum(state) == CHECKSUM
    return state


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return formula_state()


@pytest.fixture(scope="module")
def network(state) -> SwinFuse:
    built = create_network("swinfuse")
    built.load_state_dict(state)
    return built


def read(shared, name: str) -> dict[str, Tensor]:
    given = references.read(shared / "reference" / "networks" / f"swinfuse_formula_{name}.npz")
    return {**given, "sources": given["sources_u8"] / 255}


def as_published(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """With what the authors' network holds and never runs."""
    place = torch.arange(49)
    delta = (
        torch.stack((place // 7, place % 7))[:, :, None]
        - torch.stack((place // 7, place % 7))[:, None]
    )
    index = 13 * (delta[0] + 6) + delta[1] + 6
    whole = {**state, **{key: torch.zeros(shape) for key, shape in UNUSED.items()}}
    for stage in (1, 2, 3):
        first = f"EN{stage}_0.blocks.0."
        for block in range(6):
            name = f"EN{stage}_0.blocks.{block}."
            for key in (key for key in state if key.startswith(first)):
                whole.setdefault(key.replace(first, name), state[key])
            whole[f"{name}attn.relative_position_index"] = index
            if block % 2:
                whole[f"{name}attn_mask"] = torch.zeros(1024, 49, 49)
    return whole


@torch.no_grad()
@pytest.mark.slow
def test_results_of_the_authors_modules(network, shared):
    given = read(shared, "tno01")
    means = network.encode(given["sources"]).abs().mean((3, 4))
    assert (means - given["encoded_mean_abs"]).abs().max() < ROUNDING
    assert (network(given["sources"]) - given["static"]).abs().max() < ROUNDING
    for key, preset in references.PRESETS.items():
        found = TestTimeDynamicFusion(network, preset)(given["sources"])
        ours = {"components": found.components, f"ttd_{key}": found.fused}
        ours[f"rd_{key}"] = found.rd[:, :1]
        for name, value in ours.items():
            assert (value - given[name]).abs().max() < ROUNDING, name


@torch.no_grad()
@pytest.mark.slow
def test_images_of_several_tiles(network, shared):
    given = read(shared, "tiles")
    assert (network(given["sources"]) - given["static"]).abs().max() < ROUNDING
    stretched = Fuser(network, "vif").viewable(given["static"], torch.zeros(1, 2, 239, 301))
    low, high = given["static"].min(), given["static"].max()
    levels = (255 * (given["static"] - low) / (high - low)).floor()
    assert (stretched[:, :1] - levels).abs().max() <= 1, "the authors truncate"


def test_its_size_is_that_of_what_runs(state):
    assert sum(value.numel() for value in state.values()) == 337_376
    assert len(state) == 47
    assert len(as_published(state)) == 272


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [True, False])
def test_the_authors_layout_loads_strictly(wrapped, state, tmp_path):
    whole = as_published(state)
    path = tmp_path / "SwinFuse.model"
    torch.save({"state_dict": whole} if wrapped else whole, path)
    loaded = create_network("swinfuse", path)
    assert all(torch.equal(state[key], value) for key, value in loaded.state_dict().items())
    whole["other"] = whole.pop("EN2_0.blocks.0.mlp.fc1.bias")
    torch.save({"state_dict": whole} if wrapped else whole, path)
    expected = r"missing: EN2_0\.blocks\.0\.mlp\.fc1\.bias; surplus: other"
    with pytest.raises(InputError, match=expected):
        create_network("swinfuse", path)


@pytest.mark.slow
def test_windows_of_another_kind_are_refused(state, tmp_path):
    whole = as_published(state)
    key = "EN3_0.blocks.0.attn.relative_position_index"
    whole[key] = whole[key].flip(0)
    torch.save(whole, tmp_path / "other.pth")
    with pytest.raises(InputError, match=rf"other\.pth: {key} is not that of windows of 7x7"):
        create_network("swinfuse", tmp_path / "other.pth")


@torch.no_grad()
def test_an_image_is_fused_tile_by_tile(lively):
    """A picture of 2x3 tiles, cut off in the last of them, against each tile alone."""
    network = lively("swinfuse", tile=14, dim=8)
    sources = torch.rand(1, 2, 1, 20, 33)
    fused = network(sources)
    whole = torch.full((1, 2, 1, 28, 42), 0.5)
    whole[..., :20, :33] = sources
    for top in (0, 14):
        for left in (0, 14, 28):
            rows, columns = slice(top, min(20, top + 14)), slice(left, min(33, left + 14))
            tile = network(whole[..., top : top + 14, left : left + 14])
            expected = tile[..., : rows.stop - top, : columns.stop - left]
            assert_close(fused[..., rows, columns], expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_rd_is_1_beyond_the_image(lively):
    """With the same gain everywhere the features outside stay, so that norms are theirs."""
    network = lively("swinfuse", tile=14, dim=8)
    sources, seen = torch.rand(1, 2, 1, 10, 14), []
    network.combine = lambda features, gain=None: seen.append(gain) or features[:, 0]
    rd = torch.rand(1, 2, 1, 10, 14).softmax(1)
    network(sources, rd)
    assert torch.equal(seen[0][..., :10, :], 2 * rd)
    assert (seen[0][..., 10:, :] == 1).all()
    assert (network.pad(sources)[..., 10:, :] == 0.5).all()


def test_the_rule_by_hand():
    """One pixel, two channels: of 1, −3 and of 0, 2."""
    first, second = torch.tensor([1.0, -3.0]), torch.tensor([0.0, 2.0])
    e = np.exp([1.0, 3, 0, 2])
    channel = e[0] / (e[0] + e[2] + 1e-5), e[1] / (e[1] + e[3] + 1e-5)
    pixel = e[3] / (e[3] + e[0] + 1e-5)  # means of 2 and of 1
    others = e[2] / (e[0] + e[2] + 1e-5), e[3] / (e[1] + e[3] + 1e-5)
    rest = e[0] / (e[3] + e[0] + 1e-5)
    expected = [channel[0] + pixel, -3 * (channel[1] + pixel) + 2 * (others[1] + rest)]
    found = l1_rule((first.view(1, 2, 1, 1), second.view(1, 2, 1, 1)))
    assert found.flatten().tolist() == pytest.approx(expected, rel=1e-6)


@torch.no_grad()
def test_a_component_is_the_reconstruction_of_a_source(lively):
    network = lively("swinfuse", tile=14, dim=8)
    sources = torch.rand(2, 3, 1, 14, 14)
    components = network.components(network.encode(sources), sources)
    for m in range(3):
        alone = network.conv(network.encode(sources[:, m : m + 1])[:, 0]).tanh() / 2 + 0.5
        assert_close(components[:, m], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("options", [{"tile": 0}, {"tile": 100}, {"dim": 6}, {"tile": 224.0}])
def test_options_that_cannot_be(options):
    name = next(iter(options))
    with pytest.raises(InputError, match=f"swinfuse: {name} must be a multiple of"):
        create_network("swinfuse", **options)
