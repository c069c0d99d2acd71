"""SAGE's student against its authors' modules and picture."""

import pytest
import torch

from fusionlab.data.colour import levels_luma
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.sage import SAGE
from tests.networks import references


@pytest.fixture(scope="module")
def published(shared) -> SAGE:
    return create_network("sage", shared / "weights" / "sage" / "checkpoints.pt")


@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_results_of_the_authors_modules(name, published, shared):
    expected = references.read(shared / "reference" / "networks" / f"sage_{name}.npz")
    ours = references.computed(published, expected["sources"], "proportional")
    references.assert_equal(ours, expected, 1e-5)


def test_the_authors_picture(published, shared):
    """A cut of a larger one: what lies outside of it reaches 24 pixels into it.

    Their chroma is rounded to 8 bits before it goes back to RGB.
    """
    folder = shared / "reference" / "sage_published"
    pair = {key: folder / f"00000_{key}.png" for key in ("vi", "ir")}
    ours = Fuser(published, "vif")(pair).fused[..., 24:-24, 24:-24]
    theirs = references.levels(folder / "00000_fused.png")[..., 24:-24, 24:-24]
    luma = (levels_luma(ours).int() - levels_luma(theirs).int()).abs()
    assert luma.max() <= 1
    colours = (ours.int() - theirs.int()).abs()
    assert colours.max() <= 2
    assert (colours > 1).float().mean() < 0.005


def test_grey_pairs_stay_grey(lively):
    """Where there is no colour, nothing is added to it."""
    grey, coloured = torch.rand(1, 8, 9), torch.rand(3, 8, 9)
    fuser = Fuser(lively("sage"), "vif")
    assert len(fuser({"vi": grey, "ir": grey}).fused.unique(dim=0)) == 1
    assert len(fuser({"vi": coloured, "ir": grey}).fused.unique(dim=0)) == 3


def test_the_file_is_known_and_must_be_whole(shared, tmp_path, capsys):
    path = shared / "weights" / "sage" / "checkpoints.pt"
    create_network("sage", path)
    assert file_sha256(path).startswith("ecfde477")
    assert capsys.readouterr().err == ""
    state = torch.load(path, weights_only=True, map_location="cpu")
    state["module6.0.bias"] = state.pop("module5.0.bias")
    torch.save(state, tmp_path / "other.pt")
    text = r"missing: module5\.0\.bias; surplus: module6\.0\.bias"
    with pytest.raises(InputError, match=text):
        create_network("sage", tmp_path / "other.pt")


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in SAGE().parameters()) == 135_617


@torch.no_grad()
def test_a_component_is_the_network_with_its_source_on_both_inputs(lively):
    network = lively("sage")
    sources = torch.rand(2, 2, 1, 9, 12)
    components = network.components(network.encode(sources), sources)
    for m in range(2):
        alone = network(sources[:, [m, m]])
        torch.testing.assert_close(components[:, m], alone, rtol=0, atol=1e-6)


@torch.no_grad()
def test_maps_have_the_sizes_of_the_three_scales(lively):
    sizes = [tuple(x.shape[1:]) for x in lively("sage").scales(torch.rand(1, 2, 13, 18))]
    assert sizes == [(32, 13, 18), (32, 6, 9), (32, 3, 4), (32, 6, 9), (32, 13, 18)]
