"""Whether sources lie on each other: gradients of two images, compared by phase correlation.

Edges are where they are in any modality, however bright their sides. The correlation of their
strengths tells how well two images fit, with and without an offset; only an offset that fits much
better than none is told.

Source: Kuglin and Hines, The phase correlation image alignment method, Proc. ICCS, 1975.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.colour import to_luma

SIDE = 256  # pixels of the longer side, at which images are compared
LEAST = 1.5  # pixels there, below which an offset is none
FITS, BETTER = 0.3, 0.15  # correlation at an offset, and how much it is above that without one
NEAR = 8  # pixels there: a mirrored image lies where it was
SHOWN = 3  # samples that a line names
MIRRORED = {"left and right": 1, "top and bottom": 0}  # the axis that is turned round


@dataclass(frozen=True)
class Offset:
    """How one image lies against another.

    Args:
        right: Pixels that its content must be moved to the right to fit.
        down: The same, down.
        mirrored: Which sides are exchanged; empty if none.
        fit: Correlation of the edges when moved, at most 1.
        before: The same without.
    """

    right: int
    down: int
    mirrored: str
    fit: float
    before: float

    @property
    def is_sure(self) -> bool:
        """Whether the images fit much better with it."""
        return self.fit >= FITS and self.fit >= self.before + BETTER

    def __str__(self) -> str:
        """What a user reads."""
        if self.mirrored:
            return f"{self.mirrored} exchanged"
        return f"({-self.right}, {-self.down}) pixels"


def offset_between(first: Tensor, other: Tensor) -> Offset | None:
    """How an image lies against the first one, where that is sure; None if they fit.

    Args:
        first: (1, H, W) or (3, H, W) in [0, 1].
        other: The same size.
    """
    scale = max(1.0, max(first.shape[-2:]) / SIDE)
    one, two = edges(first, scale), edges(other, scale)
    if min(one.shape) < 16 or not one.any() or not two.any():
        return None
    before = correlation(one, two, 0, 0)
    best = _moved(one, two, before, "", scale)
    for name, axis in MIRRORED.items():
        turned = _moved(one, np.flip(two, axis), before, name, scale)
        near = max(abs(turned.right), abs(turned.down)) <= NEAR * scale
        best = turned if near and turned.fit > best.fit + BETTER else best
    far = best.mirrored or max(abs(best.right), abs(best.down)) >= LEAST * scale
    return best if far and best.is_sure else None


def displaced(samples: Iterable[tuple[str, Mapping[str, Tensor]]]) -> list[str]:
    """A line on each source that does not lie on the first one of its sample.

    Args:
        samples: The id of each, and its sources by their names, all of a size.
    """
    found: dict[tuple[str, str], list[str]] = {}
    count = 0
    for id_, images in samples:
        count += 1
        (first, own), *others = images.items()
        for name, other in others:
            offset = offset_between(own, other)
            if offset is not None:
                found.setdefault((name, first), []).append(f"{id_}: {offset}")
    return [
        f"{name} seems displaced against {first} in {len(lines)} of {count} samples looked "
        f"at ({'; '.join(lines[:SHOWN])}); register them first"
        for (name, first), lines in found.items()
    ]


def _moved(one: np.ndarray, two: np.ndarray, before: float, name: str, scale: float) -> Offset:
    down, right = shift_between(one, two)
    fit = correlation(one, two, down, right)
    return Offset(round(right * scale), round(down * scale), name, fit, before)


def edges(image: Tensor, scale: float) -> np.ndarray:
    """Strength of the edges of a small copy, (h, w), without its mean."""
    luma = to_luma(image)[None].float()
    size = [max(1, round(side / scale)) for side in luma.shape[-2:]]
    small = F.avg_pool2d(F.interpolate(luma, size, mode="area"), 3, 1, 1, count_include_pad=False)
    down, across = torch.gradient(small[0, 0]) if min(size) > 1 else (small[0, 0] * 0,) * 2
    strength = (down.square() + across.square()).sqrt()
    strength = strength / (strength + strength.mean().clamp(min=1e-6))  # a few do not outweigh all
    return (strength - strength.mean()).numpy()


def shift_between(one: np.ndarray, two: np.ndarray) -> tuple[int, int]:
    """Rows and columns by which the second must be moved."""
    window = np.outer(np.hanning(one.shape[0]), np.hanning(one.shape[1]))
    cross = np.fft.rfft2(one * window) * np.conj(np.fft.rfft2(two * window))
    found = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9) ** 0.7, one.shape)
    place = np.unravel_index(found.argmax(), found.shape)
    row, column = (
        int(at) - side if at > side // 2 else int(at)
        for at, side in zip(place, found.shape, strict=True)
    )
    return row, column


def correlation(one: np.ndarray, two: np.ndarray, down: int, right: int) -> float:
    """Pearson's, over the part that both show; 0 where that is less than a quarter."""
    height, width = one.shape
    rows, columns = height - abs(down), width - abs(right)
    if rows * columns * 4 < height * width:
        return 0.0
    a = one[max(down, 0) : max(down, 0) + rows, max(right, 0) : max(right, 0) + columns]
    b = two[max(-down, 0) : max(-down, 0) + rows, max(-right, 0) : max(-right, 0) + columns]
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0
