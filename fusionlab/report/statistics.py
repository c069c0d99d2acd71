"""Paired comparison of two ways of fusing the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap


@dataclass(frozen=True)
class Comparison:
    """Difference of one metric over the images where both values are defined.

    Args:
        mean: Mean of the differences, new minus old.
        low: Lower end of its 95 % interval; NaN for fewer than two images.
        high: Upper end.
        improved: Share of images that became better, 0 to 1; equal is not better.
        images: Number of images.
    """

    mean: float
    low: float
    high: float
    improved: float
    images: int


def cost(values: np.ndarray, higher_is_better: bool | None) -> np.ndarray:
    """What is smaller for what is better; None stands for a metric that is best at 0."""
    if higher_is_better is None:
        return np.abs(values)
    return -values if higher_is_better else values


def compare(
    old: np.ndarray, new: np.ndarray, higher_is_better: bool | None, seed: int = 0
) -> Comparison:
    """Paired comparison with a percentile bootstrap interval (10,000 resamples of the images).

    Args:
        old: One value per image, (N,).
        new: One value per image, in the same order, (N,).
        higher_is_better: Direction of the metric; None if it is best at 0.
        seed: Seed of the resampling.
    """
    defined = np.isfinite(old) & np.isfinite(new)
    differences = new[defined] - old[defined]
    if differences.size == 0:
        return Comparison(np.nan, np.nan, np.nan, np.nan, 0)
    better = cost(new[defined], higher_is_better) < cost(old[defined], higher_is_better)
    low = high = np.nan
    if differences.size > 1:
        low, high = bootstrap(
            (differences,),
            np.mean,
            n_resamples=10_000,
            batch=1_000,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return Comparison(
        float(differences.mean()), float(low), float(high), float(better.mean()), differences.size
    )
