"""Statistics over images: means, paired comparisons, ranks, and RD in a few numbers.

A value that is not defined is NaN, and left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap, rankdata, wilcoxon

LEVEL = 0.05  # of significance, after Holm's correction
RESAMPLES = 10_000


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


def defined_mean(values: np.ndarray) -> float:
    """Mean of what is not NaN, the same whatever the order; NaN if nothing is."""
    defined = np.sort(values[~np.isnan(values)])
    return float(defined.mean()) if defined.size else float("nan")


def finite_mean(values: np.ndarray) -> float:
    """Mean of what is finite: one infinite PSNR, of two black images, is no mean of many.

    Infinite if nothing is finite and something is infinite; NaN if nothing is defined.
    """
    finite = values[np.isfinite(values)]
    return defined_mean(finite if finite.size else values)


def cost(values: np.ndarray, higher_is_better: bool | None) -> np.ndarray:
    """What is smaller for what is better; None stands for a metric that is best at 0."""
    if higher_is_better is None:
        return np.abs(values)
    return -values if higher_is_better else values


def compare(
    old: np.ndarray, new: np.ndarray, higher_is_better: bool | None, interval: bool = True
) -> Comparison:
    """Paired comparison with a percentile bootstrap interval (10,000 resamples of the images).

    Args:
        old: One value per image, (N,).
        new: One value per image, in the same order, (N,).
        higher_is_better: Direction of the metric; None if it is best at 0.
        interval: Whether the interval is computed; it takes some milliseconds.
    """
    defined = np.isfinite(old) & np.isfinite(new)
    differences = new[defined] - old[defined]
    if differences.size == 0:
        return Comparison(np.nan, np.nan, np.nan, np.nan, 0)
    better = cost(new[defined], higher_is_better) < cost(old[defined], higher_is_better)
    low = high = np.nan
    if interval and differences.size > 1:
        low, high = mean_interval(differences)
    return Comparison(
        float(differences.mean()), low, high, float(better.mean()), int(differences.size)
    )


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean; at least two values."""
    return _interval((values,), np.mean, seed)


def difference_interval(one: np.ndarray, other: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a difference of means, one minus other.

    The values are of different images, at least two each; for the same images see :func:`compare`.
    """
    return _interval((one, other), lambda a, b, axis: a.mean(axis) - b.mean(axis), seed)


def _interval(
    samples: tuple[np.ndarray, ...], statistic: Callable[..., np.ndarray], seed: int
) -> tuple[float, float]:
    low, high = bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        batch=1_000,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(low), float(high)


def mean_ranks(costs: np.ndarray) -> np.ndarray:
    """Rank of each method among all, 1 is best, ties share; mean over the images.

    Args:
        costs: Of L methods on N images, (L, N), lower is better.

    Returns:
        (L,); NaN where no image has a value.
    """
    ranks = rankdata(costs, axis=0, nan_policy="omit")
    return np.array([defined_mean(row) for row in ranks])


def p_against(best: int, costs: np.ndarray) -> np.ndarray:
    """P-values of each method against one of them, paired, with Holm's correction.

    Convention: Wilcoxon's signed-rank test, two-sided; equal values on all images give 1.

    Args:
        best: Index of the method that the others are compared with.
        costs: (L, N).

    Returns:
        (L,); NaN for the method itself and where nothing can be compared.
    """
    found = np.full(len(costs), np.nan)
    others = [row for row in range(len(costs)) if row != best]
    found[others] = _holm(np.array([_wilcoxon(costs[best], costs[row]) for row in others]))
    return found


@dataclass(frozen=True)
class SourceRD:
    """Relative Dominability of one source in one image.

    Args:
        mean: Over the pixels.
        low: Its smallest value.
        high: Its largest.
        above_equal: Share of pixels where it is above 1/M, its value where all sources count
            alike, 0 to 1.
        correlation: Pearson's, with the source's loss over the pixels; the paper's claim is that
            it is negative. NaN if either is constant.
    """

    mean: float
    low: float
    high: float
    above_equal: float
    correlation: float


def source_rd(rd: np.ndarray, losses: np.ndarray) -> list[SourceRD]:
    """RD and losses of one image, both (M, H, W), in numbers for each of the M sources."""
    return [
        SourceRD(
            float(one.mean(dtype=float)),
            float(one.min()),
            float(one.max()),
            float((one > 1 / len(rd)).mean()),
            _correlation(one, loss),
        )
        for one, loss in zip(rd, losses, strict=True)
    ]


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one.ravel(), other.ravel(), dtype=float)[0, 1])


def _wilcoxon(one: np.ndarray, other: np.ndarray) -> float:
    defined = np.isfinite(one) & np.isfinite(other)
    differences = one[defined] - other[defined]
    if differences.size == 0:
        return float("nan")
    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0


def _holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction; NaN stays."""
    corrected = np.full(len(p), np.nan)
    defined = np.flatnonzero(~np.isnan(p))
    order = defined[p[defined].argsort()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return corrected
