"""Relative Dominability (RD) of a source that is corrupted more and more."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from fusionlab.figures.drawing import COLOURS, GAP, TITLE, Page, columns, legend_above, styled
from fusionlab.figures.probes import Curve

_LEFT, _ABOVE, _CURVE, _BELOW = 0.7, 0.27, 1.5, 0.38  # around the curve, and its height


@styled
def severity(
    images: Sequence[Tensor],
    maps: Sequence[Tensor],
    curve: Curve,
    name: str,
    corruption: str,
    uniform: float,
) -> Figure:
    """One sample at every severity above its RD, and mean RD of all images as a curve.

    Args:
        images: The corrupted source by severity, (C, H, W) each.
        maps: RD of that source by severity, (H, W) each.
        curve: Mean RD of that source, of every image.
        name: Of the source.
        corruption: Its name.
        uniform: 1/M, where every source has the same weight.

    Source: TTD, Figure 7.
    """
    height, width = maps[0].shape
    lefts, cell = columns(len(maps), bars={len(maps) - 1}, left=0.18)
    row = cell * height / width
    page = Page(TITLE + 2 * (row + GAP) + _ABOVE + _CURVE + _BELOW)
    for left, image, weights, step in zip(lefts, images, maps, curve.severities, strict=True):
        page.text(left + cell / 2, TITLE / 2, f"severity {step:g}" if step else "as it is")
        page.image(image, left, TITLE, cell, row)
        mapped = page.map(weights, (left, TITLE + row + GAP, cell, row))
    page.bar(mapped, torch.stack(list(maps)), lefts[-1] + cell, TITLE + row + GAP, row)
    for k, text in enumerate((name, f"RD of {name}")):
        middle = TITLE + k * (row + GAP) + row / 2
        page.text(0.08, middle, text, rotation="vertical")
    top = TITLE + 2 * (row + GAP) + _ABOVE
    axes = page.axes(_LEFT, top, lefts[-1] + cell - _LEFT, _CURVE)
    draw_curve(axes, curve, uniform)
    axes.set_xlabel(f"severity ({corruption})")
    page.text(0.08, top + _CURVE / 2, f"mean RD of {name}", rotation="vertical")
    return page.figure


def draw_curve(axes: Axes, curve: Curve, uniform: float) -> None:
    """Mean over the images, its 95 % interval as a band, and 1/M for comparison."""
    mean, low, high = curve.band()
    images = len(curve.per_image)
    counted = "1 image" if images == 1 else f"mean of {images} images"
    axes.axhline(uniform, color="0.6", linewidth=0.7, linestyle=":", label="equal weights")
    if images > 1:
        axes.fill_between(
            curve.severities, low, high, color=COLOURS[0], alpha=0.2, linewidth=0, label="95 %"
        )
    axes.plot(curve.severities, mean, "o-", color=COLOURS[0], ms=3, lw=1.2, label=counted)
    axes.set_xticks(curve.severities)
    axes.ticklabel_format(axis="y", useOffset=False)
    legend_above(axes)
