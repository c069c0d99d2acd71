"""Relative Dominability (RD) of a source before and after a region of it is masked."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from fusionlab.figures.drawing import GAP, TITLE, Page, columns, styled
from fusionlab.figures.probes import Box, Masked


@styled
def masking(image: Tensor, masked: Masked, name: str) -> Figure:
    """Source, masked source, RD before and after, the region outlined; below, mean RD in it.

    Args:
        image: The source before, (C, H, W) in [0, 1].
        masked: What became of its RD.
        name: Of the source.

    Source: TTD, Figure 6.
    """
    height, width = image.shape[-2:]
    lefts, cell = columns(4, bars={3})
    row = cell * height / width
    page = Page(2 * TITLE + row)
    titles = (name, f"{name}, masked", f"RD of {name}", f"RD of {name}, masked")
    for left, title in zip(lefts, titles, strict=True):
        page.text(left + cell / 2, TITLE / 2, title)
    for left, source in zip(lefts[:2], (image, masked.source), strict=True):
        outline(page.image(source, left, TITLE, cell, row), masked.box)
    for left, weights in zip(lefts[2:], (masked.before, masked.after), strict=True):
        mapped = page.map(weights, (left, TITLE, cell, row))
        outline(mapped.axes, masked.box)
    page.bar(mapped, torch.stack([masked.before, masked.after]), lefts[3] + cell, TITLE, row)
    before, after = masked.inside
    change = after - before
    change_text = f"{change:+.4f}" if abs(change) >= 0.001 else f"{change:+.1g}"
    text = f"mean RD in the box: {before:.4f} → {after:.4f} ({change_text})".replace("-", "−")
    middle = lefts[3] - GAP / 2
    page.text(middle, TITLE + row + TITLE / 2, text)
    return page.figure


def outline(axes: Axes, box: Box) -> None:
    """Draw a box around its pixels."""
    corner = (box.left - 0.5, box.top - 0.5)  # pixel centres have whole coordinates
    size = (box.right - box.left, box.bottom - box.top)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="#E69F00", linewidth=1))
