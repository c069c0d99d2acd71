"""How Relative Dominability (RD) answers to a mask, to a corruption, and over time.

Nothing is drawn here. Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024, Figures 6 to 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.figures.corruptions import SEVERITIES, corrupt
from fusionlab.report.statistics import compare
from fusionlab.ttd import TestTimeDynamicFusion


@torch.no_grad()
def dominability(dynamic: TestTimeDynamicFusion, sources: Tensor) -> Tensor:
    """RD of one sample, as an evaluation computes it: (M, C, H, W) in [0, 1] to (M, H, W)."""
    if dynamic.network.luma_thrice:
        sources = sources.expand(-1, 3, -1, -1)
    return dynamic(sources[None]).weights[0, :, 0]


@dataclass(frozen=True)
class Box:
    """A region of an image in pixels; right and bottom lie just outside it."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def within(cls, values: Sequence[float], height: int, width: int) -> Box:
        """A box from left, top, right and bottom.

        Args:
            values: In pixels; fractions of the image's size if none is above 1.
            height: Of the image, pixels.
            width: Of the image, pixels.

        Raises:
            InputError: If it is no box, or not inside the image.
        """
        scales = (width, height, width, height) if max(values, default=0) <= 1 else (1, 1, 1, 1)
        if len(values) == 4 and all(map(math.isfinite, values)):
            box = cls(*(round(v * scale) for v, scale in zip(values, scales, strict=True)))
            if 0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height:
                return box
        raise InputError(
            f"box must be left, top, right, bottom inside {width}x{height} pixels, or as "
            f"fractions from 0 to 1, got {list(values)}"
        )

    def of(self, image: Tensor) -> Tensor:
        """The region of (..., H, W), a view."""
        return image[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Masked:
    """RD of one source before and after a region of it was masked.

    Args:
        box: The region.
        source: The source with the mask, (C, H, W).
        before: RD of that source, (H, W).
        after: The same with the mask, (H, W).
    """

    box: Box
    source: Tensor
    before: Tensor
    after: Tensor

    @property
    def inside(self) -> tuple[float, float]:
        """Mean RD in the box before and after."""
        return self.box.of(self.before).mean().item(), self.box.of(self.after).mean().item()


def masked_dominability(
    dynamic: TestTimeDynamicFusion, sources: Tensor, source: int, box: Box, value: float = 0.0
) -> Masked:
    """RD of a source before and after a region of it is masked (the paper's Figure 6).

    Args:
        dynamic: A network with test-time dynamic fusion.
        sources: One sample, (M, C, H, W) in [0, 1].
        source: Index of the source.
        box: The region.
        value: What the region is filled with, in [0, 1].
    """
    masked = sources.clone()
    box.of(masked[source]).fill_(value)
    before, after = (dominability(dynamic, images)[source] for images in (sources, masked))
    return Masked(box, masked[source], before, after)


@dataclass(frozen=True)
class Curve:
    """Mean RD of one source by severity.

    Args:
        severities: S severities.
        per_image: Mean RD of the source over the pixels, (N, S).
    """

    severities: tuple[float, ...]
    per_image: np.ndarray

    def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean over the images, and the ends of its 95 % bootstrap interval; each (S,).

        The ends are NaN for fewer than two images.
        """
        columns = [compare(np.zeros_like(values), values, True) for values in self.per_image.T]
        mean, low, high = np.array([(one.mean, one.low, one.high) for one in columns]).T
        return mean, low, high


def dominability_under(
    dynamic: TestTimeDynamicFusion,
    samples: Iterable[tuple[Tensor, int]],
    corruption: str = "contrast",
    severities: Sequence[float] = SEVERITIES,
) -> Curve:
    """Mean RD of a source that is corrupted more and more (the paper's Figure 7).

    Args:
        dynamic: A network with test-time dynamic fusion.
        samples: Sources, (M, C, H, W) in [0, 1], and the index of the one that is corrupted.
        corruption: See :func:`~fusionlab.figures.corruptions.corrupt`.
        severities: From 0 to 5.
    """
    per_image = [
        [
            corrupted_dominability(dynamic, sources, source, corruption, severity)[1].mean().item()
            for severity in severities
        ]
        for sources, source in samples
    ]
    return Curve(tuple(severities), np.array(per_image).reshape(-1, len(severities)))


def corrupted_dominability(
    dynamic: TestTimeDynamicFusion, sources: Tensor, source: int, corruption: str, severity: float
) -> tuple[Tensor, Tensor]:
    """The corrupted source (C, H, W) and its RD (H, W)."""
    corrupted = sources.clone()
    corrupted[source] = corrupt(sources[source], corruption, severity)
    return corrupted[source], dominability(dynamic, corrupted)[source]


def dominability_over_time(dynamic: TestTimeDynamicFusion, frames: Iterable[Tensor]) -> np.ndarray:
    """Mean RD of each source in each frame (the paper's Figure 8).

    Args:
        dynamic: A network with test-time dynamic fusion.
        frames: T times (M, C, H, W) in [0, 1], with the same M.

    Returns:
        (T, M); sums to 1 over M unless the normalization is none or peak.
    """
    means = [dominability(dynamic, frame).double().mean((-2, -1)) for frame in frames]
    return torch.stack(means).cpu().numpy()
