"""Figures with curves: RD of a source that is corrupted, and RD over the frames of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from fusionlab.figures.drawing import (
    BAR_SPACE,
    COLOURS,
    GAP,
    LINES,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    TITLE,
    Page,
    columns,
    legend_above,
    styled,
)
from fusionlab.figures.panels import draw_columns, height_of
from fusionlab.figures.probes import AGAINST, Curve
from fusionlab.figures.samples import FusedSample
from fusionlab.runs.rd_colours import RDScale

_LEFT, _ABOVE, _CURVE, _BELOW = 0.7, 0.27, 1.5, 0.4  # around the curves, and their height


@styled
def severity(
    images: Sequence[Tensor],
    maps: Sequence[Tensor],
    curve: Curve,
    name: str,
    corruption: str,
    sources: int,
    fixed_scale: bool = False,
) -> Figure:
    """One sample at every severity above its RD, and mean RD of all images as a curve.

    Args:
        images: The corrupted source by severity, (C, H, W) each.
        maps: RD of that source by severity, (H, W) each.
        curve: Mean RD of that source, of every image.
        name: Of the source.
        corruption: Its name.
        sources: Number of sources M.
        fixed_scale: Whether the colours of RD run from 0 to 1.

    Source: TTD, Figure 7.
    """
    height, width = maps[0].shape
    lefts, cell = columns(len(maps), bars={len(maps) - 1}, left=0.18)
    row = cell * height / width
    against = curve.is_against_the_paper
    page = Page(TITLE + 2 * (row + GAP) + _ABOVE + _CURVE + _BELOW + TITLE * against)
    scale = RDScale.of(sources, maps, fixed_scale)
    for left, image, rd, step in zip(lefts, images, maps, curve.severities, strict=True):
        page.text(left + cell / 2, TITLE / 2, f"severity {step}" if step else "as it is")
        page.image(image, left, TITLE, cell, row)
        mapped = page.rd_map(rd, (left, TITLE + row + GAP, cell, row), scale)
    page.rd_bar(mapped, scale, (lefts[-1] + cell, TITLE + row + GAP, row))
    for k, text in enumerate((name, f"RD of {name}")):
        middle = TITLE + k * (row + GAP) + row / 2
        page.text(0.08, middle, text, rotation="vertical")
    top = TITLE + 2 * (row + GAP) + _ABOVE
    axes = page.axes(_LEFT, top, lefts[-1] + cell - _LEFT, _CURVE)
    draw_curve(axes, curve, 1 / sources)
    axes.set_xlabel(f"severity ({corruption.replace('_', ' ')})")
    page.text(0.08, top + _CURVE / 2, f"mean RD of {name}", rotation="vertical")
    if against:
        page.text(PAGE_WIDTH / 2, page.height - TITLE / 2, AGAINST.format(curve.claim))
    return page.figure


def draw_curve(axes: Axes, curve: Curve, uniform: float) -> None:
    """Mean over the images, its 95 % interval as a band, and 1/M for comparison."""
    mean, low, high = curve.band()
    images = len(curve.per_image)
    counted = "1 image" if images == 1 else f"mean of {images} images"
    axes.axhline(uniform, color="0.6", linewidth=0.7, linestyle=":", label="equal RD")
    if images > 1:
        axes.fill_between(
            curve.severities, low, high, color=COLOURS[0], alpha=0.2, linewidth=0, label="95 %"
        )
    axes.plot(curve.severities, mean, "o-", color=COLOURS[0], ms=3, lw=1.2, label=counted)
    axes.set_xticks(curve.severities)
    axes.ticklabel_format(axis="y", useOffset=False)
    legend_above(axes)


@styled
def timeline(
    means: np.ndarray,
    source_names: Sequence[str],
    shown: Sequence[tuple[int, FusedSample]],
    fixed_scale: bool = False,
) -> Figure:
    """Mean RD of each source as a curve; below it frames and their RD, one scale for all.

    Args:
        means: Mean RD, (T, M).
        source_names: Of the M sources.
        shown: Index and content of some frames.
        fixed_scale: Whether the colours of RD run from 0 to 1.

    Source: TTD, Figure 8.
    """
    top = _ABOVE + _CURVE + _BELOW
    frames = [frame for _, frame in shown]
    page = Page(top + height_of(frames, PAGE_HEIGHT - top))
    axes = page.axes(_LEFT, _ABOVE, PAGE_WIDTH - BAR_SPACE - _LEFT, _CURVE)
    draw_curves(axes, means, source_names, [index for index, _ in shown])
    page.text(0.08, _ABOVE + _CURVE / 2, "mean RD", rotation="vertical")
    titles = [f"{index + 1}: {frame.id}" for index, frame in shown]
    draw_columns(page, frames, titles, top, fixed_scale)
    return page.figure


def draw_curves(
    axes: Axes, means: np.ndarray, source_names: Sequence[str], marked: Sequence[int]
) -> None:
    """A curve per source over the frames, counted from 1, with the shown frames marked."""
    frames = np.arange(1, len(means) + 1)
    axes.axhline(1 / means.shape[1], color="0.6", lw=0.7, ls=":", label="equal RD")
    for k, name in enumerate(source_names):
        colour, line = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)]
        axes.plot(frames, means[:, k], line, color=colour, lw=1.2, label=name)
        axes.plot(frames[marked], means[marked, k], "o", color=colour, ms=3.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("frame")
    legend_above(axes)
