"""One wide picture of a sample."""

import numpy as np
import torch
from PIL import Image

from fusionlab.tracking.panels import (
    GAP,
    HEIGHT,
    LABEL,
    difference_tile,
    image_tile,
    weight_tile,
    write_panel,
)


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


def test_the_bar_has_the_colours_of_the_maps(tmp_path):
    write_panel(tmp_path / "p.png", [("RD", weight_tile(torch.ones(2, 2)))], with_bar=True)
    picture = Image.open(tmp_path / "p.png")
    left = 2 * GAP + HEIGHT + 2
    assert picture.getpixel((left, LABEL)) == (253, 231, 37)  # viridis(1)
    assert picture.getpixel((left, LABEL + HEIGHT - 1)) == (68, 1, 84)  # viridis(0)
    assert picture.getpixel((GAP + 5, LABEL + 5)) == (253, 231, 37)


def test_an_image_is_clamped_and_grey_becomes_three_channels():
    tile = image_tile(torch.tensor([[[-1.0, 0.5, 2.0]]]))
    assert [tile.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0), (128, 128, 128), (255,) * 3]


def test_a_difference_is_absolute_and_brightened():
    name, tile = difference_tile(
        Image.new("L", (1, 1), 100), Image.new("RGB", (1, 1), (90, 110, 0))
    )
    assert tile.getpixel((0, 0)) == (40, 40, 255)
    assert name == "|difference| ×4"
