"""All that test-time dynamic fusion computes of one sample."""

from __future__ import annotations

from matplotlib.figure import Figure
from torch import Tensor

from fusionlab.data.colour import to_luma
from fusionlab.figures.drawing import GAP, PAGE_HEIGHT, TITLE, Page, columns, limit, shorten, styled
from fusionlab.figures.samples import FusedSample

_NAME = 0.18  # the column with the names of the sources
_COMPARED = {"components": "component", "fused": "static"}  # title of the column


@styled
def panel(sample: FusedSample) -> Figure:
    """A row per source (image, what it is compared with, loss, RD), then static, TTD, difference.

    The colours of RD run from 0 to 1. Those of the losses have one scale for all sources, that of
    the difference is symmetric, in grey levels of the luma; each ends where the largest 0.1 % of
    the values begin.
    """
    height, width = sample.static.shape[-2:]
    rows, aspect = len(sample.sources), height / width
    cell, wide = columns(4, {2, 3}, _NAME)[1], columns(3, {2}, _NAME)[1]
    room = PAGE_HEIGHT - 2 * TITLE - (rows + 1) * GAP
    shrunk = min(1.0, room / (aspect * (rows * cell + wide)))
    lefts, cell = columns(4, {2, 3}, _NAME, shrunk * cell)
    wide_lefts, wide = columns(3, {2}, _NAME, shrunk * wide)
    row, last = cell * aspect, wide * aspect
    results = TITLE + rows * (row + GAP)
    page = Page(results + TITLE + last + GAP)
    titles = ("source", _COMPARED[sample.compare], "loss ℓ", "RD ω")
    for left, title in zip(lefts, titles, strict=True):
        page.text(left + cell / 2, TITLE / 2, title)
    _draw_sources(page, sample, lefts, (cell, row))
    images = {"static": sample.static, "TTD": sample.ttd}
    top = results + TITLE
    for left, (title, image) in zip(wide_lefts, images.items(), strict=False):
        page.image(image, left, top, wide, last)
        page.text(left + wide / 2, top - TITLE / 2, title)
    _draw_difference(page, sample, (wide_lefts[2], top, wide, last))
    return page.figure


def _draw_sources(
    page: Page, sample: FusedSample, lefts: list[float], size: tuple[float, float]
) -> None:
    scale = (0.0, limit(sample.losses))
    losses, weights = [], []
    for k, name in enumerate(sample.source_names):
        top = TITLE + k * (size[1] + GAP)
        name = shorten(name, size[1])
        page.text(lefts[0] - _NAME / 2, top + size[1] / 2, name, rotation="vertical")
        page.image(sample.sources[k], lefts[0], top, *size)
        page.image(sample.components[k], lefts[1], top, *size)
        losses.append(page.map(sample.losses[k], (lefts[2], top, *size), "magma", scale))
        weights.append(page.map(sample.weights[k], (lefts[3], top, *size)))
    whole = len(losses) * (size[1] + GAP) - GAP
    page.bar(losses[0], sample.losses, lefts[2] + size[0], TITLE, whole)
    page.bar(weights[0], sample.weights, lefts[3] + size[0], TITLE, whole)


def _draw_difference(
    page: Page, sample: FusedSample, place: tuple[float, float, float, float]
) -> None:
    difference = signed_difference(sample)
    end = limit(difference)
    mapped = page.map(difference, place, "RdBu_r", (-end, end))
    page.bar(mapped, difference, place[0] + place[2], place[1], place[3])
    page.text(place[0] + place[2] / 2, place[1] - TITLE / 2, "TTD − static, grey levels")


def signed_difference(sample: FusedSample) -> Tensor:
    """TTD minus static, (H, W): luma, in grey levels of 255, not rounded."""
    return 255 * (to_luma(sample.ttd) - to_luma(sample.static))[0]
