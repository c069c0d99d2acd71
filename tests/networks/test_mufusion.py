"""MUFusion against its authors' modules and their tiles."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.networks import create_network
from fusionlab.networks.mufusion import MUFusion, tile_places
from tests.networks import references

FILES = {
    "tno01": "ir_vis_TNO.model",
    "tiles": "ir_vis_RoadScene.model",
    "mif": "medical_harvard.model",
    "mef_arno": "multi-exposure_Final.model",
    "mff_lytro01": "multi-focus_Final.model",
}


def published(shared, name: str) -> MUFusion:
    return create_network("mufusion", shared / "weights" / "mufusion" / FILES[name])


@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "mef_arno", "mff_lytro01"])
def test_results_of_the_authors_modules(name, shared):
    expected = references.read(shared / "reference" / "networks" / f"mufusion_{name}.npz")
    ours = references.computed(published(shared, name), expected["sources"])
    references.assert_equal(ours, expected, 2e-6)


@pytest.mark.slow
@torch.no_grad()
def test_tiles_of_the_authors_script(shared):
    """In double precision there."""
    expected = references.read(shared / "reference" / "networks" / "mufusion_tiles_odd.npz")
    fused = published(shared, "tiles")(expected["sources_u8"] / 255)
    torch.testing.assert_close(fused, expected["static"], rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_known(name, shared, capsys):
    published(shared, name)
    assert capsys.readouterr().err == ""


def test_a_file_must_be_whole(shared, tmp_path):
    path = shared / "weights" / "mufusion" / FILES["tno01"]
    state = torch.load(path, weights_only=True, map_location="cpu")
    state["conv7.1.bias"] = state.pop("conv6.1.bias")
    torch.save(state, tmp_path / "other.model")
    text = r"missing: conv6\.1\.bias; surplus: conv7\.1\.bias"
    with pytest.raises(InputError, match=text):
        create_network("mufusion", tmp_path / "other.model")


def test_its_size_is_the_authors():
    assert sum(p.numel() for p in MUFusion().parameters()) == 554_721


def test_tiles_cover_everything_and_end_with_the_image():
    starts = [(rows.start, columns.start) for rows, columns in tile_places(128, 253)]
    assert starts == [(0, 0), (0, 124), (0, 125), *starts[:3]]
    assert [rows.start for rows, _ in tile_places(300, 128)][::2] == [0, 124, 172]


class Counting(MUFusion):
    """A tile becomes its own mean."""

    def fuse_tile(self, x):
        return x.mean((1, 2, 3), keepdim=True).expand(-1, 1, *x.shape[2:])


def test_overlaps_are_averaged_by_hand():
    """Of 128 + 2 columns of 0, then 1: tiles of 0 and of 2/128; the first two are of one alone."""
    sources = torch.zeros(1, 2, 1, 128, 130)
    sources[..., 128:] = 1
    fused = Counting()(sources)[0, 0, 5]
    # columns 0 and 1 lie in the first tile, at column 0, alone; it and the last, at 2, overlap
    assert fused[:2].tolist() == [0, 0]
    torch.testing.assert_close(fused[2:128], torch.full((126,), 1 / 128))
    torch.testing.assert_close(fused[128:], torch.full((2,), 2 / 128))


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("size", [(9, 13), (128, 131)])
def test_odd_sizes_uniform_rd_and_components(size, lively):
    network = lively("mufusion")
    sources = torch.rand(1, 2, 1, *size)
    assert torch.equal(network(sources, torch.full_like(sources, 0.5)), network(sources))
    padded = network.pad(sources)
    components = network.crop(network.components(network.encode(padded), padded), sources)
    alone = network(sources[:, [1, 1]])
    torch.testing.assert_close(components[:, 1], alone, rtol=0, atol=1e-6)


def test_grey_pictures_are_stretched_coloured_ones_are_not(lively):
    fuser, chroma = Fuser(lively("mufusion"), "vif"), torch.zeros(1, 2, 1, 2)
    luma = torch.tensor([0.4, 0.6]).view(1, 1, 1, 2)
    assert fuser.viewable(luma, chroma)[0, :, 0].tolist() == [[0, 255]] * 3
    chroma[:, 1, 0, 0] = 0.1
    assert fuser.viewable(luma, chroma)[0, :, 0, 1].tolist() == [153] * 3
