"""Figures of samples: all of one, several beside each other, one with a masked region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from fusionlab.figures.drawing import (
    BAR_SPACE,
    GAP,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    TITLE,
    Page,
    columns,
    label,
    limit,
    shorten,
    styled,
)
from fusionlab.figures.probes import AGAINST, Box, Masked
from fusionlab.figures.samples import FusedSample
from fusionlab.runs.rd_colours import RDScale

_NAME = 0.18  # the column with the names of the sources
_COMPARED = {"components": "component", "fused": "static"}  # title of the column


@styled
def panel(sample: FusedSample, fixed_scale: bool = False) -> Figure:
    """A row per source (image, what it is compared with, loss, RD), then static, TTD, difference.

    Of RD see :mod:`fusionlab.runs.rd_colours`. The colours of the losses have one scale for all
    sources, that of the difference is symmetric, in grey levels of the luma; each ends where the
    largest 0.1 % of the values begin. Below are the common and the unique images of a network that
    decomposes.
    """
    height, width = sample.difference.shape
    parts = sample.decomposition
    rows, aspect = len(sample.sources), height / width
    cell, wide = columns(4, {2, 3}, _NAME)[1], columns(3, {2}, _NAME)[1]
    small = columns(len(parts), {len(parts) - 1}, _NAME)[1] if parts else 0.0
    room = PAGE_HEIGHT - (2 + bool(parts)) * TITLE - (rows + 1 + bool(parts)) * GAP
    shrunk = min(1.0, room / (aspect * (rows * cell + wide + small)))
    lefts, cell = columns(4, {2, 3}, _NAME, shrunk * cell)
    wide_lefts, wide = columns(3, {2}, _NAME, shrunk * wide)
    row, last = cell * aspect, wide * aspect
    results = TITLE + rows * (row + GAP)
    below = results + TITLE + last + GAP
    page = Page(below + (TITLE + shrunk * small * aspect + GAP if parts else 0))
    titles = ("source", _COMPARED[sample.compare], "loss ℓ", "RD ω")
    for left, title in zip(lefts, titles, strict=True):
        page.text(left + cell / 2, TITLE / 2, title)
    _draw_sources(page, sample, lefts, (cell, row), sample.scale(fixed_scale))
    images = {"static": sample.static.fused, "TTD": sample.ttd.fused}
    top = results + TITLE
    for left, (title, image) in zip(wide_lefts, images.items(), strict=False):
        page.image(image, left, top, wide, last)
        page.text(left + wide / 2, top - TITLE / 2, title)
    _draw_difference(page, sample.difference, (wide_lefts[2], top, wide, last))
    if parts:
        _draw_decomposition(page, parts, (below, shrunk * small, aspect))
    return page.figure


def _draw_decomposition(
    page: Page, parts: dict[str, Tensor], place: tuple[float, float, float]
) -> None:
    """A row of images; the place is its top, and the width and aspect of an image."""
    top, width, aspect = place
    for left, (title, image) in zip(
        columns(len(parts), {len(parts) - 1}, _NAME, width)[0], parts.items(), strict=True
    ):
        page.text(left + width / 2, top + TITLE / 2, title)
        page.image(image, left, top + TITLE, width, width * aspect)


def _draw_sources(
    page: Page,
    sample: FusedSample,
    lefts: list[float],
    size: tuple[float, float],
    scale: RDScale,
) -> None:
    ends = (0.0, limit(sample.losses))
    losses, rd = [], []
    for k, name in enumerate(sample.source_names):
        top = TITLE + k * (size[1] + GAP)
        name = shorten(name, size[1])
        page.text(lefts[0] - _NAME / 2, top + size[1] / 2, name, rotation="vertical")
        page.image(sample.sources[k], lefts[0], top, *size)
        page.image(sample.components[k], lefts[1], top, *size)
        losses.append(page.map(sample.losses[k], (lefts[2], top, *size), "magma", ends))
        rd.append(page.rd_map(sample.rd[k], (lefts[3], top, *size), scale))
    whole = len(losses) * (size[1] + GAP) - GAP
    page.bar(losses[0], sample.losses, lefts[2] + size[0], TITLE, whole)
    page.rd_bar(rd[0], scale, (lefts[3] + size[0], TITLE, whole))


def _draw_difference(
    page: Page, difference: Tensor, place: tuple[float, float, float, float]
) -> None:
    end = limit(difference)
    mapped = page.map(difference, place, "RdBu_r", (-end, end))
    page.bar(mapped, difference, place[0] + place[2], place[1], place[3])
    page.text(place[0] + place[2] / 2, place[1] - TITLE / 2, "TTD − static, grey levels")


@styled
def strip(sample: FusedSample, fixed_scale: bool = False) -> Figure:
    """One row: the sources, static, TTD, and RD of the first source.

    RD of two sources sum to 1, so that the other's is its negative.
    """
    height, width = sample.difference.shape
    pictures = [
        *zip(sample.source_names, sample.sources, strict=True),
        ("static", sample.static.fused),
        ("TTD", sample.ttd.fused),
    ]
    lefts, cell = columns(len(pictures) + 1, {len(pictures)})
    row = cell * height / width
    page = Page(TITLE + row + TITLE / 2)  # the last number of the bar stands below its end
    titles = [*(title for title, _ in pictures), f"RD of {sample.source_names[0]}"]
    for left, title in zip(lefts, titles, strict=True):
        page.text(left + cell / 2, TITLE / 2, shorten(title, cell))
    for left, (_, image) in zip(lefts, pictures, strict=False):
        page.image(image, left, TITLE, cell, row)
    scale = sample.scale(fixed_scale)
    mapped = page.rd_map(sample.rd[0], (lefts[-1], TITLE, cell, row), scale)
    page.rd_bar(mapped, scale, (lefts[-1] + cell, TITLE, row))
    return page.figure


@styled
def side_by_side(samples: Sequence[FusedSample], fixed_scale: bool = False) -> Figure:
    """A column per sample: its sources, and under each its RD; one scale for all.

    Source: TTD, Figure 1.
    """
    titles = [f"{sample.task.upper()}: {sample.id}" for sample in samples]
    page = Page(height_of(samples, PAGE_HEIGHT))
    draw_columns(page, samples, titles, 0.0, fixed_scale)
    return page.figure


def height_of(samples: Sequence[FusedSample], room: float) -> float:
    """Height of :func:`draw_columns`, at most ``room``."""
    rows = _rows(samples)
    return TITLE + rows * (_row_height(samples, room) + GAP)


def draw_columns(
    page: Page,
    samples: Sequence[FusedSample],
    titles: Sequence[str],
    top: float,
    fixed_scale: bool = False,
) -> None:
    """Samples from ``top`` to the end of the page, all images of the same height."""
    row = _row_height(samples, page.height - top)
    widths = [row * sample.rd.shape[-1] / sample.rd.shape[-2] for sample in samples]
    used = sum(widths) + GAP * (len(samples) - 1) + BAR_SPACE
    left, first = (PAGE_WIDTH - used) / 2, top + TITLE
    scales = common_scales(samples, fixed_scale)
    for sample, width, title, scale in zip(samples, widths, titles, scales, strict=True):
        page.text(left + width / 2, top + TITLE / 2, shorten(title, width))
        for k, name in enumerate(sample.source_names):
            above = first + 2 * k * (row + GAP)
            label(page.image(sample.sources[k], left, above, width, row), name)
            mapped = page.rd_map(sample.rd[k], (left, above + row + GAP, width, row), scale)
            label(mapped.axes, f"RD of {name}")
        left += width + GAP
    place = (left - GAP, first, _rows(samples) * (row + GAP) - GAP)
    page.rd_bar(mapped, scale, place, relative=len({one.centre for one in scales}) > 1)


def common_scales(samples: Sequence[FusedSample], fixed: bool = False) -> list[RDScale]:
    """The scale of each sample of a figure: all reach as far from 1/M."""
    own = [sample.scale(fixed) for sample in samples]
    varied = [one for one, sample in zip(own, samples, strict=True) if not sample.is_uniform]
    reach = max(one.reach for one in varied or own)
    return [replace(one, reach=reach) for one in own]


def _rows(samples: Sequence[FusedSample]) -> int:
    return 2 * max(len(sample.source_names) for sample in samples)


def _row_height(samples: Sequence[FusedSample], room: float) -> float:
    aspects = [sample.rd.shape[-1] / sample.rd.shape[-2] for sample in samples]
    width = PAGE_WIDTH - BAR_SPACE - GAP * (len(samples) - 1)
    return min(width / sum(aspects), (room - TITLE) / _rows(samples) - GAP)


@styled
def masking(image: Tensor, masked: Masked, name: str, fixed_scale: bool = False) -> Figure:
    """Source, masked source, RD before and after, the region outlined; below, mean RD in it.

    Args:
        image: The source before, (C, H, W) in [0, 1].
        masked: What became of its RD.
        name: Of the source.
        fixed_scale: Whether the colours of RD run from 0 to 1.

    Source: TTD, Figure 6.
    """
    height, width = image.shape[-2:]
    lefts, cell = columns(4, bars={3})
    row = cell * height / width
    page = Page((2 + masked.is_against_the_paper) * TITLE + row)
    scale = masked.scale(fixed_scale)
    titles = (name, f"{name}, masked", f"RD of {name}", f"RD of {name}, masked")
    for left, title in zip(lefts, titles, strict=True):
        page.text(left + cell / 2, TITLE / 2, title)
    for left, source in zip(lefts[:2], (image, masked.source), strict=True):
        outline(page.image(source, left, TITLE, cell, row), masked.box)
    for left, rd in zip(lefts[2:], (masked.before, masked.after), strict=True):
        mapped = page.rd_map(rd, (left, TITLE, cell, row), scale)
        outline(mapped.axes, masked.box)
    page.rd_bar(mapped, scale, (lefts[3] + cell, TITLE, row))
    before, after = masked.inside
    change = after - before
    change_text = f"{change:+.4f}" if abs(change) >= 0.001 else f"{change:+.1g}"
    text = f"mean RD in the box: {before:.4f} → {after:.4f} ({change_text})".replace("-", "−")
    middle = lefts[3] - GAP / 2
    page.text(middle, TITLE + row + TITLE / 2, text)
    if masked.is_against_the_paper:
        page.text(PAGE_WIDTH / 2, TITLE * 2.5 + row, AGAINST.format(masked.claim))
    return page.figure


def outline(axes: Axes, box: Box) -> None:
    """Draw a box around its pixels."""
    corner = (box.left - 0.5, box.top - 0.5)  # pixel centres have whole coordinates
    size = (box.right - box.left, box.bottom - box.top)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="#E69F00", linewidth=1))
