"""One wide picture of a sample: its tiles side by side, each with its name above."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageChops, ImageDraw, ImageFont
from torch import Tensor

from fusionlab.data.colour import to_levels
from fusionlab.runs.files import write_atomic
from fusionlab.runs.rd_colours import RDScale
from fusionlab.runs.run import Run, Sample

HEIGHT = 240  # of the tiles; W&B shows panels no larger
GAP, LABEL, BAR, TICKS = 6, 18, 12, 22  # pixels
PER_ROW = 10  # tiles
DIFFERENCE_GAIN = 4  # static and dynamic fusion differ by a few grey levels
PAPER, INK = "white", "black"

Tile = tuple[str, Image.Image]


def write_panel(path: Path, tiles: Sequence[Tile], with_bar: bool) -> None:
    """Write tiles side by side as a PNG, in several rows if they are many.

    Args:
        path: The file.
        tiles: Names and pictures, all of one size.
        with_bar: Whether a colour bar of the RD maps stands at the right.
    """
    width, height = tiles[0][1].size
    width = max(1, round(width * HEIGHT / height))
    step, row_step = width + GAP, LABEL + HEIGHT + GAP
    columns, rows = min(PER_ROW, len(tiles)), ceil(len(tiles) / PER_ROW)
    bar = BAR + TICKS if with_bar else 0
    panel = Image.new("RGB", (columns * step + GAP + bar, rows * row_step), PAPER)
    draw, font = ImageDraw.Draw(panel), _font()
    for k, (name, picture) in enumerate(tiles):
        row, column = divmod(k, PER_ROW)
        left, top = GAP + column * step, row * row_step
        enlarged = picture.size[1] < HEIGHT
        method = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
        resized = picture.convert("RGB").resize((width, HEIGHT), method)
        panel.paste(resized, (left, top + LABEL))
        draw.text((left, top + 2), _shortened(name, width, font), INK, font)
    if with_bar:
        _draw_bar(panel, draw, GAP + columns * step)
    buffer = io.BytesIO()
    panel.save(buffer, format="PNG", compress_level=1)  # five times as fast, a tenth larger
    write_atomic(path, buffer.getvalue())


def sample_tiles(run: Run, sample: Sample) -> list[Tile]:
    """Sources | each network's picture | with TTD its difference from the network without | RD.

    Behind that of a network that decomposes are its common and unique images. What was not written
    lacks; nothing is left if no network's picture was written.
    """
    pictures = {
        one.name: picture
        for one in run.methods
        if (picture := _opened(run.folder / sample.picture(one.name))) is not None
    }
    if not pictures:
        return []
    sources = ((name, sample.source(name)) for name in run.source_names)
    tiles = _tiles(run, sources)
    for method in (one for one in run.methods if one.name in pictures):
        tiles.append((method.name, pictures[method.name]))
        if method.base in pictures:
            tiles.append(difference_tile(pictures[method.base], pictures[method.name]))
        decomposition = (
            ("common", sample.common(method.name)),
            *((f"unique {name}", sample.unique(method.name, name)) for name in run.source_names),
        )
        tiles += _tiles(run, decomposition)
        maps = (
            (f"RD {name}, {sample.rd_legend(method.name, name)}", sample.rd_map(method.name, name))
            for name in run.source_names
        )
        tiles += _tiles(run, maps)
    return tiles


def _tiles(run: Run, files: Iterable[tuple[str, Path]]) -> list[Tile]:
    """Those of the named files that are there."""
    opened = ((name, _opened(run.folder / path)) for name, path in files)
    return [(name, picture) for name, picture in opened if picture is not None]


def _opened(path: Path) -> Image.Image | None:
    return Image.open(path, formats=("PNG",)) if path.exists() else None


def image_tile(image: Tensor) -> Image.Image:
    """An image (1, H, W) or (3, H, W), clamped to [0, 1]."""
    levels = to_levels(image.detach().float().clamp(0, 1)).cpu().expand(3, -1, -1)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def decomposition_tiles(names: Sequence[str], common: Tensor, unique: Tensor) -> list[Tile]:
    """The common image, (3, H, W) uint8, and the unique ones of the named sources, (M, 3, H, W)."""
    named = zip(names, unique, strict=True)
    images = [("common", common), *((f"unique {name}", image) for name, image in named)]
    return [(name, image_tile(image / 255)) for name, image in images]


def rd_tiles(names: Sequence[str], rd: Tensor) -> list[Tile]:
    """RD (M, H, W) of the named sources in the colours of one scale."""
    scale = RDScale.of(len(rd), rd)
    legends = [scale.legend(one.min().item(), one.max().item()) for one in rd]
    return [
        (f"RD {name}, {legend}", scale.picture(one))
        for name, legend, one in zip(names, legends, rd, strict=True)
    ]


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
    """The numbers of its ends stand above each map: they differ between methods."""
    panel.paste(RDScale(0.5, 0.5).bar(BAR, HEIGHT), (left, LABEL))
    font = _font()
    for text, top in (("+", LABEL), ("1/M", LABEL + HEIGHT // 2 - 7), ("−", LABEL + HEIGHT - 15)):
        draw.text((left + BAR + 3, top), text, INK, font)
