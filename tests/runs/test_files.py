import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.report.images import write_arrays, write_image, write_weight_map, write_whole


def test_equal_channels_are_written_as_grey_and_rounded(tmp_path):
    image = torch.tensor([[0.0, 0.5, 1.0, 1.7]]).expand(3, 1, 4)
    write_image(tmp_path / "a" / "grey.png", image)
    written = Image.open(tmp_path / "a" / "grey.png")
    assert written.mode == "L"
    assert np.asarray(written).tolist() == [[0, 128, 255, 255]]


def test_colour_is_written_as_colour(tmp_path):
    image = torch.tensor([1.0, 0.0, 0.2]).view(3, 1, 1).expand(3, 2, 2)
    write_image(tmp_path / "colour.png", image)
    assert np.asarray(Image.open(tmp_path / "colour.png"))[0, 0].tolist() == [255, 0, 51]


def test_weight_maps_are_viridis_on_a_fixed_scale(tmp_path):
    published = {0: (68, 1, 84), 64: (59, 82, 139), 128: (33, 145, 140), 255: (253, 231, 37)}
    weights = torch.linspace(0, 1, 256).view(1, 256)
    write_weight_map(tmp_path / "map.png", weights)
    written = np.asarray(Image.open(tmp_path / "map.png").convert("RGB"))[0].astype(int)
    for level, colour in published.items():
        assert np.abs(written[level] - colour).max() <= 5  # kornia interpolates
    write_weight_map(tmp_path / "half.png", torch.full((2, 2), 0.5))  # not stretched to its range
    half = np.asarray(Image.open(tmp_path / "half.png").convert("RGB"))
    assert half[0, 0].tolist() == written[128].tolist()


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"weights": np.random.default_rng(0).random((2, 3, 4), np.float32)}
    write_arrays(tmp_path / "maps.npz", arrays)
    assert np.array_equal(np.load(tmp_path / "maps.npz")["weights"], arrays["weights"])


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def fails(self, content):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.write_bytes", fails)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
