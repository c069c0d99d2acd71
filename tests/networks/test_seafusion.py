"""SeAFusion against its authors' modules and pictures."""

import pytest
import torch

from fusionlab.data.colour import to_chroma, to_levels, with_chroma
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.seafusion import GradientMagnitude, SeAFusion
from tests.networks import references


@pytest.fixture(scope="module")
def published(shared) -> SeAFusion:
    return create_network("seafusion", shared / "weights" / "seafusion" / "fusionmodel_final.pth")


@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_results_of_the_authors_modules(name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"seafusion_{name}.npz")
    ours = references.computed(published, expected["sources"], "proportional")
    references.assert_equal(ours, expected, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["36", pytest.param("00537D", marks=pytest.mark.slow)])
def test_the_authors_pictures(name, published, shared):
    """They truncate to 8 bits and their way from YCrCb has three digits."""
    folder = shared / "reference" / "seafusion_published"
    pair = {key: folder / f"{name}_{key}.png" for key in ("vi", "ir")}
    if name != "36":
        pair = {key: shared / "data" / "vif" / "MSRS" / key / f"{name}.png" for key in pair}
    picture = Fuser(published, "vif")(pair)
    difference = (picture.fused.int() - references.levels(folder / f"{name}_fused.png")).abs()
    assert difference.max() <= 1


def test_the_file_is_known_and_nothing_but_its_unused_norms_is_left_out(shared, tmp_path, capsys):
    path = shared / "weights" / "seafusion" / "fusionmodel_final.pth"
    create_network("seafusion", path)
    assert file_sha256(path).startswith("8d65a7f9")
    assert capsys.readouterr().err == ""
    state = torch.load(path, weights_only=True)
    state["decode5.bn.weight"] = state.pop("decode4.bn.weight")
    del state["inf_conv.conv.bias"]
    torch.save(state, tmp_path / "other.pth")
    text = r"missing: inf_conv\.conv\.bias; surplus: decode5\.bn\.weight"
    with pytest.raises(InputError, match=text):
        create_network("seafusion", tmp_path / "other.pth")


def test_its_size_is_the_authors():
    """166,883 with 226 of batch norms that are never applied."""
    assert sum(p.numel() for p in SeAFusion().parameters()) == 166_883 - 226


def test_gradients_begin_as_sobel_operators():
    """A ramp of 1 per column has an absolute horizontal response of 8 and no vertical one."""
    ramp = torch.arange(5.0).expand(1, 2, 4, 5)
    magnitude = GradientMagnitude(2)(ramp)
    assert magnitude.shape == (1, 2, 4, 5)
    assert (magnitude[..., 1:-1, 1:-1] == 8).all()


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("seafusion")
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-6)


@torch.no_grad()
def test_the_order_of_the_sources_matters(lively):
    sources = torch.rand(1, 2, 1, 8, 9)
    network = lively("seafusion")
    assert (network(sources.flip(1)) - network(sources)).abs().mean() > 1e-3


def test_pictures_are_stretched_with_their_colours(lively):
    """One range for all three channels, so that colours stay."""
    vi, ir = 0.2 + 0.3 * torch.rand(3, 9, 12), torch.rand(1, 9, 12)
    picture = Fuser(lively("seafusion"), "vif")({"vi": vi, "ir": ir})
    coloured = with_chroma(picture.output[None], to_chroma(vi)[None]).clamp(0, 1)
    stretched = (coloured - coloured.min()) / (coloured.max() - coloured.min())
    assert torch.equal(picture.fused, to_levels(stretched)[0])
    assert (picture.fused.min(), picture.fused.max()) == (0, 255)
    assert picture.fused.amax((1, 2)).min() < 255
