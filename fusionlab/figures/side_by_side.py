"""Several samples beside each other: each source above its Relative Dominability (RD)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from fusionlab.figures.drawing import (
    BAR_SPACE,
    GAP,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    TITLE,
    Page,
    label,
    shorten,
    styled,
)
from fusionlab.figures.samples import FusedSample


@styled
def side_by_side(samples: Sequence[FusedSample]) -> Figure:
    """A column per sample: its sources, and under each its RD in colours from 0 to 1.

    Source: TTD, Figure 1.
    """
    titles = [f"{sample.task.upper()}: {sample.id}" for sample in samples]
    page = Page(height_of(samples, PAGE_HEIGHT))
    draw_columns(page, samples, titles, 0.0)
    return page.figure


def height_of(samples: Sequence[FusedSample], room: float) -> float:
    """Height of :func:`draw_columns`, at most ``room``."""
    rows = _rows(samples)
    return TITLE + rows * (_row_height(samples, room) + GAP)


def draw_columns(
    page: Page, samples: Sequence[FusedSample], titles: Sequence[str], top: float
) -> None:
    """Samples from ``top`` to the end of the page, all images of the same height."""
    row = _row_height(samples, page.height - top)
    widths = [row * sample.weights.shape[-1] / sample.weights.shape[-2] for sample in samples]
    used = sum(widths) + GAP * (len(samples) - 1) + BAR_SPACE
    left, first = (PAGE_WIDTH - used) / 2, top + TITLE
    for sample, width, title in zip(samples, widths, titles, strict=True):
        page.text(left + width / 2, top + TITLE / 2, shorten(title, width))
        for k, name in enumerate(sample.source_names):
            above = first + 2 * k * (row + GAP)
            label(page.image(sample.sources[k], left, above, width, row), name)
            mapped = page.map(sample.weights[k], (left, above + row + GAP, width, row))
            label(mapped.axes, f"RD of {name}")
        left += width + GAP
    values = torch.cat([sample.weights.flatten() for sample in samples])
    page.bar(mapped, values, left - GAP, first, _rows(samples) * (row + GAP) - GAP)


def _rows(samples: Sequence[FusedSample]) -> int:
    return 2 * max(len(sample.source_names) for sample in samples)


def _row_height(samples: Sequence[FusedSample], room: float) -> float:
    aspects = [sample.weights.shape[-1] / sample.weights.shape[-2] for sample in samples]
    width = PAGE_WIDTH - BAR_SPACE - GAP * (len(samples) - 1)
    return min(width / sum(aspects), (room - TITLE) / _rows(samples) - GAP)
