"""One wide picture of a sample: its tiles side by side, each with its name above."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageChops, ImageDraw, ImageFont
from torch import Tensor

from fusionlab.data.colour import to_levels
from fusionlab.report.images import viridis, write_whole

HEIGHT = 240  # of the tiles; W&B shows panels no larger
GAP, LABEL, BAR, TICKS = 6, 18, 12, 22  # pixels
DIFFERENCE_GAIN = 4  # static and dynamic fusion differ by a few grey levels
PAPER, INK = "white", "black"

Tile = tuple[str, Image.Image]


def write_panel(path: Path, tiles: Sequence[Tile], with_bar: bool) -> None:
    """Write tiles side by side as a PNG.

    Args:
        path: The file.
        tiles: Names and pictures, all of one size.
        with_bar: Whether a colour bar of the RD maps stands at the right.
    """
    width, height = tiles[0][1].size
    width = max(1, round(width * HEIGHT / height))
    step = width + GAP
    bar = BAR + TICKS if with_bar else 0
    panel = Image.new("RGB", (len(tiles) * step + GAP + bar, LABEL + HEIGHT + GAP), PAPER)
    draw, font = ImageDraw.Draw(panel), _font()
    for k, (name, picture) in enumerate(tiles):
        left = GAP + k * step
        enlarged = picture.size[1] < HEIGHT
        method = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
        panel.paste(picture.convert("RGB").resize((width, HEIGHT), method), (left, LABEL))
        draw.text((left, 2), _shortened(name, width, font), INK, font)
    if with_bar:
        _draw_bar(panel, draw, GAP + len(tiles) * step)
    buffer = io.BytesIO()
    panel.save(buffer, format="PNG", compress_level=1)  # five times as fast, a tenth larger
    write_whole(path, buffer.getvalue())


def image_tile(image: Tensor) -> Image.Image:
    """An image (1, H, W) or (3, H, W), clamped to [0, 1]."""
    levels = to_levels(image.detach().float().clamp(0, 1)).cpu().expand(3, -1, -1)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def weight_tile(weights: Tensor) -> Image.Image:
    """An RD map (H, W) in colours that run from 0 to 1."""
    picture = Image.fromarray(to_levels(weights.detach().float()).cpu().numpy())
    picture.putpalette(viridis().tobytes())
    return picture


def difference_tile(one: Image.Image, other: Image.Image) -> Tile:
    """The absolute difference of two pictures, brightened by a fixed factor."""
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    brightened = difference.point(lambda level: min(255, DIFFERENCE_GAIN * level))
    return f"|difference| ×{DIFFERENCE_GAIN}", brightened


def _shortened(name: str, width: int, font: ImageFont.FreeTypeFont) -> str:
    shown = name
    while len(shown) > 1 and font.getlength(shown) > width:
        shown = shown.rstrip("…")[:-1] + "…"
    return shown


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which Matplotlib brings: Pillow's own has few letters."""
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), 12)


def _draw_bar(panel: Image.Image, draw: ImageDraw.ImageDraw, left: int) -> None:
    ramp = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    ramp.putpalette(viridis().tobytes())
    panel.paste(ramp.convert("RGB").resize((BAR, HEIGHT)), (left, LABEL))
    font = _font()
    for value, top in (("1", LABEL), ("0.5", LABEL + HEIGHT // 2 - 7), ("0", LABEL + HEIGHT - 15)):
        draw.text((left + BAR + 3, top), value, INK, font)
