"""One wide picture of a sample."""

import numpy as np
import torch
from PIL import Image

from fusionlab.runs.run import Run
from fusionlab.tracking.panels import (
    DIFFERENCE_GAIN,
    GAP,
    HEIGHT,
    LABEL,
    PER_ROW,
    difference_tile,
    image_tile,
    rd_tiles,
    sample_tiles,
    write_panel,
)

from .conftest import write_run


def test_tiles_stand_side_by_side_under_their_names(tmp_path):
    tiles = [
        ("vi", Image.new("L", (20, 10), 200)),
        ("a name too long" * 9, Image.new("1", (20, 10))),
    ]
    write_panel(tmp_path / "new" / "p.png", tiles, with_bar=False)
    pixels = np.asarray(Image.open(tmp_path / "new" / "p.png")).astype(int)
    width = 2 * HEIGHT
    assert pixels.shape == (LABEL + HEIGHT + GAP, 2 * width + 3 * GAP, 3)
    body = pixels[LABEL : LABEL + HEIGHT]
    assert (body[:, GAP : GAP + width] == 200).all()
    assert (body[:, 2 * GAP + width : -GAP] == 0).all()
    assert (body[:, :GAP] == 255).all()
    name = pixels[:LABEL, GAP + width : 2 * GAP + width]
    assert (name == 255).all(), "the first name ends with its tile"
    assert (pixels[:LABEL, -GAP:] == 255).all(), "a long name is cut off"


def test_many_tiles_stand_in_rows(tmp_path):
    tiles = [(str(k), Image.new("L", (10, 10), 20 * k)) for k in range(PER_ROW + 2)]
    write_panel(tmp_path / "p.png", tiles, with_bar=False)
    picture = Image.open(tmp_path / "p.png")
    step, row_step = HEIGHT + GAP, LABEL + HEIGHT + GAP
    assert picture.size == (PER_ROW * step + GAP, 2 * row_step)
    for k in range(PER_ROW + 2):
        row, column = divmod(k, PER_ROW)
        place = (GAP + column * step + HEIGHT // 2, row * row_step + LABEL + HEIGHT // 2)
        assert picture.getpixel(place) == (20 * k,) * 3


def test_the_bar_has_the_colours_of_the_maps(tmp_path):
    rd = torch.tensor([0.6, 0.4])[:, None, None].expand(2, 2, 2)
    tiles = rd_tiles(["vi", "ir"], rd)
    assert [name for name, _ in tiles] == ["RD vi, 0.50 ± 0.10", "RD ir, 0.50 ± 0.10"]
    write_panel(tmp_path / "p.png", tiles, with_bar=True)
    picture = Image.open(tmp_path / "p.png")
    left = 3 * GAP + 2 * HEIGHT + 2
    red, blue = (178, 24, 43), (33, 102, 172)
    assert picture.getpixel((left, LABEL)) == picture.getpixel((GAP + 5, LABEL + 5)) == red
    bottom = (left, LABEL + HEIGHT - 1)
    assert picture.getpixel(bottom) == picture.getpixel((2 * GAP + HEIGHT + 5, LABEL + 5)) == blue


def test_uniform_rd_is_called_so():
    tiles = rd_tiles(["a", "b", "c"], torch.full((3, 4, 4), 1 / 3))
    assert [name for name, _ in tiles] == ["RD a, uniform", "RD b, uniform", "RD c, uniform"]


def test_an_image_is_clamped_and_grey_becomes_three_channels():
    tile = image_tile(torch.tensor([[[-1.0, 0.5, 2.0]]]))
    assert [tile.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255,) * 3]


def test_a_difference_is_absolute_and_brightened():
    name, tile = difference_tile(
        Image.new("L", (1, 1), 100), Image.new("RGB", (1, 1), (90, 110, 0))
    )
    assert tile.getpixel((0, 0)) == (40, 40, 255)
    assert name == "|difference| ×4"


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_the_difference_is_that_of_a_network_with_ttd_from_the_same_network(tmp_path):
    run = Run.open(write_run(tmp_path / "run"))
    sample = run.samples[0]
    tiles = sample_tiles(run, sample)
    maps = [f"RD {name}, 0.33 ± 0.57" for name in ("near", "far", "middle")]  # of 0.1 to 0.9
    assert [name for name, _ in tiles] == [
        *("near", "far", "middle"),
        *("IFCNN", "IFCNN+TTD", "|difference| ×4", *maps),
        *("DenseFuse", "DenseFuse+TTD", "|difference| ×4", *maps),
    ]
    found = [np.asarray(tile) for name, tile in tiles if name.startswith("|difference|")]
    for network, tile in zip(("IFCNN", "DenseFuse"), found, strict=True):
        static, dynamic = (
            pixels(run.folder / "mff" / name / "1.png") for name in (network, f"{network}+TTD")
        )
        expected = np.minimum(255, DIFFERENCE_GAIN * np.abs(dynamic - static))
        np.testing.assert_array_equal(tile, expected)
    for place, path in ((0, "sources/1-near"), (4, "IFCNN+TTD/1"), (13, "rd/DenseFuse+TTD/1-far")):
        own = np.asarray(tiles[place][1].convert("RGB"))
        np.testing.assert_array_equal(own, pixels(run.folder / "mff" / f"{path}.png"))


def test_without_a_networks_picture_there_are_no_tiles(tmp_path):
    run = Run.open(write_run(tmp_path / "run", ("Theirs",)))
    assert sample_tiles(run, run.samples[0]) == []
    run = Run.open(write_run(tmp_path / "sweep", pictures=False))
    assert sample_tiles(run, run.samples[0]) == []


def test_without_the_static_picture_there_is_no_difference(tmp_path):
    run = Run.open(write_run(tmp_path / "run"))
    (run.folder / "vif" / "IFCNN" / "1.png").unlink()
    names = [name for name, _ in sample_tiles(run, run.samples[-1])]
    assert names[2:] == [
        *("IFCNN+TTD", "RD vi, 0.50 ± 0.40", "RD ir, 0.50 ± 0.40"),
        *("DenseFuse", "DenseFuse+TTD", "|difference| ×4"),
        *("RD vi, 0.50 ± 0.40", "RD ir, 0.50 ± 0.40"),
    ]
