"""Qncie: how strongly the sources and the fused image depend on each other as a whole."""

import math
from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_range,
    check_sources,
    working_dtype,
)
from fusionlab.metrics.correlation import pearson
from fusionlab.metrics.joint_histogram import (
    entropies,
    grey_levels,
    pair_entropies,
    pair_histogram,
    shannon_entropy,
)


def nonlinear_correlation(
    fused: Tensor, sources: Tensor, *, correlation: str = "nonlinear", stretch: bool = True
) -> Tensor:
    """Nonlinear correlation information entropy, 1 + Σ λ/K log_256(λ/K).

    Convention: λ are the eigenvalues of the K x K matrix of the correlations
    H(X) + H(Y) - H(X, Y) of all pairs of the K - 1 sources and the fused image, with ones in
    its diagonal; entropies to base 256 of 256 and 256 x 256 bins after stretching every image
    to 0..255, rounding half up; 0 log 0 = 0. A flat image stretches to black and correlates
    with nothing.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255].
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        correlation: "nonlinear", or "linear" for Pearson's, with which identical images score 1.
        stretch: Without it values are only rounded, half to even.

    Returns:
        One value per image, (B,), without unit, from 1 - log_256 K, which is 0.8019 for two
        sources, to at most 1. Higher is better.

    Raises:
        ValueError: If a shape does not fit, a value leaves [0, 255], or an option is unknown.

    Source: Wang, Shen and Jin, in Image Fusion: Algorithms and Applications, 2008, chapter 19.
    """
    if correlation not in CORRELATIONS:
        raise ValueError(f"correlation must be nonlinear or linear, got {correlation!r}")
    with_fused, between = CORRELATIONS[correlation](fused, sources, stretch)
    batch, count = with_fused.shape
    matrix = torch.eye(count + 1, dtype=with_fused.dtype, device=fused.device).repeat(batch, 1, 1)
    matrix[:, :count, count] = matrix[:, count, :count] = with_fused
    for (i, j), value in zip(combinations(range(count), 2), between, strict=True):
        matrix[:, i, j] = matrix[:, j, i] = value
    share = torch.linalg.eigvalsh(matrix).clamp(min=0) / (count + 1)
    return 1 - shannon_entropy(share) / math.log(256)


def _nonlinear(fused: Tensor, sources: Tensor, stretch: bool) -> tuple[Tensor, list[Tensor]]:
    """Mutual information to base 256 with the fused image, (B, M), and of pairs of sources."""
    source, own, joint = entropies(fused, sources, stretch=stretch)
    pairs = combinations(grey_levels(sources, stretch=stretch).squeeze(2).unbind(dim=1), 2)
    between = [_shared_information(pair_histogram(*pair)) / math.log(256) for pair in pairs]
    return (source + own - joint) / math.log(256), between


def _shared_information(histogram: Tensor) -> Tensor:
    """H(X) + H(Y) - H(X, Y) in nats, (N,)."""
    x, y, joint = pair_entropies(histogram)
    return x + y - joint


def _linear(fused: Tensor, sources: Tensor, stretch: bool) -> tuple[Tensor, list[Tensor]]:
    """Pearson's correlation of levels with the fused image, (B, M), and of pairs of sources."""
    check_sources(fused, sources)
    check_range(fused=fused, sources=sources)
    x, f = (
        grey_levels(images, stretch=stretch).view_as(images).to(working_dtype(images.device))
        for images in (sources.squeeze(2), fused)
    )
    return pearson(x, f), [pearson(*pair) for pair in combinations(x.unbind(dim=1), 2)]


CORRELATIONS = {"nonlinear": _nonlinear, "linear": _linear}


_PAPER = Convention("256 bins after stretching every image to 0..255")


class NonlinearCorrelation(ImageMean):
    """Mean :func:`nonlinear_correlation` of the fused images."""

    name = "Qncie"
    long_name = "Nonlinear correlation information entropy"
    conventions: ClassVar = {
        "paper": _PAPER,
        "mefb": _PAPER,
        "zhengliu": _PAPER,
        "thfylsty": _PAPER,
        "ivif_zoo": Convention(
            "with linear in place of nonlinear correlation (bug)",
            {"correlation": "linear", "stretch": False},
        ),
    }
    higher_is_better = True
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return nonlinear_correlation(fused, sources, **self.options)
