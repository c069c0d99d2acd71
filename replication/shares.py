"""In how many images RD answers to a probe as the paper reads from its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import binomtest, bootstrap

from fusionlab.figures.corruptions import SEVERITIES
from fusionlab.laboratory.replication.dominability import Probed, faded
from fusionlab.report.statistics import Comparison

HOLDS, REVERSED, UNDECIDED = "holds", "the reverse", "undecided"


class Share:
    """In how many of N independent images something holds.

    Args:
        count: In so many.
        of: N, at least 1.

    Source: Clopper and Pearson, Biometrika 26, 1934, for the exact 95 % interval.
    """

    def __init__(self, count: int, of: int) -> None:
        self.count, self.of = count, of
        ends = binomtest(count, of).proportion_ci(0.95, "exact")
        self.low, self.high = float(ends.low), float(ends.high)

    def __str__(self) -> str:
        """Share of the images with its interval, in per cent."""
        share = 100 * self.count / self.of
        return f"{share:.0f} % [{100 * self.low:.0f}, {100 * self.high:.0f}]"

    @property
    def verdict(self) -> str:
        """Whether the whole interval lies above one half, or below."""
        if self.low > 0.5:
            return HOLDS
        return REVERSED if self.high < 0.5 else UNDECIDED


def falls(values: np.ndarray) -> Share:
    """In how many images RD is lower after a probe than before, of (N, 2)."""
    return Share(int((values[:, 1] < values[:, 0]).sum()), len(values))


def falls_at_every_step(probes: Mapping[str, np.ndarray]) -> Share:
    """In how many images RD is lower at each severity of lost contrast than at the one before.

    Args:
        probes: By name, (N, 2), before and after.
    """
    steps = [probes[faded(severity)][:, 1] for severity in SEVERITIES[1:]]
    curve = np.column_stack([probes[faded(SEVERITIES[-1])][:, 0], *steps])
    return Share(int((np.diff(curve) < 0).all(1).sum()), len(curve))


def pooled(probed: Sequence[Probed]) -> dict[str, dict[str, np.ndarray]]:
    """Probes by setting, with the images of all data sets of one checkpoint in one array."""
    settings = probed[0].values
    return {
        label: {
            name: np.concatenate([one.values[label][name] for one in probed])
            for name in settings[label]
        }
        for label in settings
    }


def day_minus_night(day: np.ndarray, night: np.ndarray) -> Comparison:
    """Difference of the means of different images with its 95 % bootstrap interval.

    Args:
        day: One value per image, at least two.
        night: Of other images, at least two.
    """
    low, high = bootstrap(
        (day, night),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=10_000,
        batch=1_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    difference = float(day.mean() - night.mean())
    return Comparison(difference, float(low), float(high), float("nan"), len(day) + len(night))
