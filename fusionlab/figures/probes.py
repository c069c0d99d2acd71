"""How Relative Dominability (RD) answers to a mask, to a corruption, and over time.

Nothing is drawn here. Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024, Figures 6 to 8.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.corruptions import corrupt
from fusionlab.errors import InputError
from fusionlab.figures.samples import Fuse
from fusionlab.runs.rd_colours import RDScale
from fusionlab.runs.statistics import mean_interval
from fusionlab.settings.bench import SEVERITIES

Images = dict[str, Tensor]
"""Sources of one sample by their names, each (1, H, W) or (3, H, W) in [0, 1]."""
WITH_NONE = (0, *SEVERITIES)
AGAINST = "contradicts the paper's claim that {}: here it rises"


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
        sources: Number of sources M.
    """

    claim: ClassVar[str] = "RD of a masked region falls (Figure 6)"

    box: Box
    source: Tensor
    before: Tensor
    after: Tensor
    sources: int = 2

    @property
    def is_against_the_paper(self) -> bool:
        """Whether RD rises where the paper has it fall."""
        before, after = self.inside
        return after > before

    def scale(self, fixed: bool = False) -> RDScale:
        """The colours of both maps."""
        return RDScale.of(self.sources, [self.before, self.after], fixed)

    @property
    def inside(self) -> tuple[float, float]:
        """Mean RD in the box before and after."""
        return self.box.of(self.before).mean().item(), self.box.of(self.after).mean().item()


def rd_of(fuse: Fuse, images: Images, source: str) -> Tensor:
    """RD of one source, (H, W)."""
    picture = fuse(images)
    assert picture.rd is not None
    return picture.rd[picture.source_names.index(source)].cpu()


def masked_rd(fuse: Fuse, images: Images, source: str, box: Box, value: float = 0.0) -> Masked:
    """RD of a source before and after a region of it is masked (the paper's Figure 6).

    Args:
        fuse: How samples are fused.
        images: One sample.
        source: Name of the source.
        box: The region.
        value: What the region is filled with, in [0, 1].
    """
    masked = images[source].clone()
    box.of(masked).fill_(value)
    before = rd_of(fuse, images, source)
    after = rd_of(fuse, {**images, source: masked}, source)
    return Masked(box, masked, before, after, len(images))


@dataclass(frozen=True)
class Curve:
    """Mean RD of one source by severity.

    Args:
        severities: S severities.
        per_image: Mean RD of the source over the pixels, (N, S).
    """

    claim: ClassVar[str] = "mean RD of a source falls as it gets worse (Figure 7)"

    severities: tuple[int, ...]
    per_image: np.ndarray

    @property
    def is_against_the_paper(self) -> bool:
        """Whether mean RD is higher at the last severity than at the first."""
        mean = self.per_image.mean(0)
        return bool(mean[-1] > mean[0])

    def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean over the images, and the ends of its 95 % bootstrap interval; each (S,).

        The ends are NaN for fewer than two images.
        """
        several = len(self.per_image) > 1
        ends = [mean_interval(one) if several else (np.nan, np.nan) for one in self.per_image.T]
        low, high = np.array(ends).T
        return self.per_image.mean(0), low, high


def rd_under(
    fuse: Fuse,
    samples: Iterable[tuple[Images, str, int]],
    corruption: str = "contrast",
    severities: Sequence[int] = WITH_NONE,
) -> Curve:
    """Mean RD of a source that is corrupted more and more (the paper's Figure 7).

    Args:
        fuse: How samples are fused.
        samples: Samples with the name of the source that is corrupted and the seed of its noise.
        corruption: See :func:`~fusionlab.data.corruptions.corrupt`.
        severities: From 0 to 5.
    """
    per_image = [
        [
            corrupted_rd(fuse, images, source, corruption, severity, seed)[1].mean().item()
            for severity in severities
        ]
        for images, source, seed in samples
    ]
    return Curve(tuple(severities), np.array(per_image).reshape(-1, len(severities)))


def corrupted_rd(
    fuse: Fuse, images: Images, source: str, corruption: str, severity: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The corrupted source (C, H, W) and its RD (H, W)."""
    corrupted = corrupt(images[source], corruption, severity, seed)
    return corrupted, rd_of(fuse, {**images, source: corrupted}, source)


def rd_over_time(fuse: Fuse, frames: Iterable[Images]) -> np.ndarray:
    """Mean RD of each source in each frame (the paper's Figure 8).

    Args:
        fuse: How samples are fused.
        frames: T samples with the same M sources.

    Returns:
        (T, M); sums to 1 over M.
    """
    means = []
    for frame in frames:
        picture = fuse(frame)
        assert picture.rd is not None
        means.append(picture.rd.double().mean((-2, -1)))
    return torch.stack(means).cpu().numpy()
