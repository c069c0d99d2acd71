"""Relative Dominability (RD) of each source over the frames of a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fusionlab.figures.drawing import (
    BAR_SPACE,
    COLOURS,
    LINES,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    Page,
    legend_above,
    styled,
)
from fusionlab.figures.samples import FusedSample
from fusionlab.figures.side_by_side import draw_columns, height_of

_LEFT, _ABOVE, _CURVE, _BELOW = 0.7, 0.27, 1.5, 0.42  # around the curves, and their height


@styled
def timeline(
    means: np.ndarray, source_names: Sequence[str], shown: Sequence[tuple[int, FusedSample]]
) -> Figure:
    """Mean RD of each source as a curve; below it frames and their RD in colours from 0 to 1.

    Args:
        means: Mean RD, (T, M).
        source_names: Of the M sources.
        shown: Index and content of some frames.

    Source: TTD, Figure 8.
    """
    top = _ABOVE + _CURVE + _BELOW
    frames = [frame for _, frame in shown]
    page = Page(top + height_of(frames, PAGE_HEIGHT - top))
    axes = page.axes(_LEFT, _ABOVE, PAGE_WIDTH - BAR_SPACE - _LEFT, _CURVE)
    draw_curves(axes, means, source_names, [index for index, _ in shown])
    page.text(0.08, _ABOVE + _CURVE / 2, "mean RD", rotation="vertical")
    draw_columns(page, frames, [f"{index + 1}: {frame.id}" for index, frame in shown], top)
    return page.figure


def draw_curves(
    axes: Axes, means: np.ndarray, source_names: Sequence[str], marked: Sequence[int]
) -> None:
    """A curve per source over the frames, counted from 1, with the shown frames marked."""
    frames = np.arange(1, len(means) + 1)
    axes.axhline(1 / means.shape[1], color="0.6", lw=0.7, ls=":", label="equal weights")
    for k, name in enumerate(source_names):
        colour, line = COLOURS[k % len(COLOURS)], LINES[k % len(LINES)]
        axes.plot(frames, means[:, k], line, color=colour, lw=1.2, label=name)
        axes.plot(frames[marked], means[marked, k], "o", color=colour, ms=3.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("frame")
    legend_above(axes)
