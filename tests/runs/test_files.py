import json

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.runs.files import (
    link,
    plain,
    write_arrays,
    write_atomic,
    write_json,
    write_picture,
    write_rd_arrays,
    write_rd_map,
)
from fusionlab.runs.rd_colours import RDScale


def test_equal_channels_are_written_as_grey(tmp_path):
    levels = torch.tensor([[0, 128, 255, 7]], dtype=torch.uint8).expand(3, 1, 4)
    write_picture(tmp_path / "a" / "grey.png", levels)
    written = Image.open(tmp_path / "a" / "grey.png")
    assert written.mode == "L"
    assert np.asarray(written).tolist() == [[0, 128, 255, 7]]
    write_picture(tmp_path / "one.png", levels[:1])
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "a" / "grey.png").read_bytes()


def test_colour_is_written_as_colour(tmp_path):
    levels = torch.tensor([255, 0, 51], dtype=torch.uint8).view(3, 1, 1).expand(3, 2, 2)
    write_picture(tmp_path / "colour.png", levels)
    assert np.asarray(Image.open(tmp_path / "colour.png"))[0, 0].tolist() == [255, 0, 51]


@pytest.mark.parametrize(
    ("name", "format_"), [("a.tif", "TIFF"), ("a.PNG", "PNG"), ("a.jpeg", "JPEG")]
)
def test_the_ending_says_which_format(name, format_, tmp_path):
    levels = torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)
    write_picture(tmp_path / name, levels)
    written = Image.open(tmp_path / name)
    assert written.format == format_
    if format_ == "JPEG":
        assert written.layer[0][1:3] == written.layer[1][1:3]  # chroma is whole
    else:
        assert np.array_equal(np.asarray(written), levels.permute(1, 2, 0).numpy())


def test_an_rd_map_has_the_colours_of_its_scale_and_says_which(tmp_path):
    rd = torch.rand(9, 7) / 2
    scale = RDScale.of(3, [rd])
    write_rd_map(tmp_path / "map.png", rd, scale)
    with Image.open(tmp_path / "map.png") as written:
        assert np.array_equal(np.asarray(written.convert("RGB")), scale.colours(rd))
        assert written.text["RD"] == f"0.33 +- {scale.reach:.2f}"


def test_arrays_come_back_as_they_were(tmp_path):
    arrays = {"rd": np.random.default_rng(0).random((2, 3, 4), np.float32)}
    write_arrays(tmp_path / "maps.npz", arrays)
    assert np.array_equal(np.load(tmp_path / "maps.npz")["rd"], arrays["rd"])


def test_rd_comes_back_with_its_losses_and_sources(tmp_path):
    rd, losses = torch.rand(2, 2, 3, 4).unbind(0)
    write_rd_arrays(tmp_path / "maps.npz", rd, losses, ("vi", "ir"))
    found = np.load(tmp_path / "maps.npz")
    assert np.array_equal(found["rd"], rd.numpy())
    assert np.array_equal(found["losses"], losses.numpy())
    assert found["source_names"].tolist() == ["vi", "ir"]


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fails(self, content):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.write_bytes", fails)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_link_is_the_same_file_and_follows_a_new_one(tmp_path):
    source, target = tmp_path / "a", tmp_path / "below" / "b"
    assert not link(source, target)
    write_atomic(source, b"1")
    assert link(source, target)
    assert target.samefile(source)
    write_atomic(source, b"22")
    assert link(source, target)
    assert target.read_bytes() == b"22"


def test_where_there_are_no_links_a_copy_is_made(tmp_path, monkeypatch):
    def refuses(*paths):
        raise OSError("not permitted")

    monkeypatch.setattr("os.link", refuses)
    write_atomic(tmp_path / "a", b"1")
    assert link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"1"
    assert not (tmp_path / "b").samefile(tmp_path / "a")


def test_json_has_no_words_that_json_does_not_know(tmp_path):
    content = {"nan": float("nan"), "inf": [float("inf")], "one": (1, "x")}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text()
    expected = {"nan": None, "inf": ["inf"], "one": [1, "x"]}
    assert json.loads(text, parse_constant=pytest.fail) == plain(content) == expected
