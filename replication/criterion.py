"""The criterion by which a setting of TTD is recommended.

1. Ground truth: on data with a reference, no image loses more than 0.05 dB of PSNR against the
   static network, and the mean over the images of every data set rises.
2. Among those that pass: the largest share of the paper's metrics, over all data sets without a
   reference, that improve with the whole 95 % interval beyond 0.
3. Of equal shares: the larger mean of PSNR gained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.statistics import Comparison

LARGEST_LOSS = 0.05  # dB
TRUTH = "PSNR_truth"


class Effect(NamedTuple):
    """What a setting does to PSNR against the truth, in dB."""

    mean: Comparison
    worst: float
    """The smallest difference of an image."""

    @property
    def passes(self) -> bool:
        """Whether the first part of the criterion holds."""
        return self.worst >= -LARGEST_LOSS and self.mean.mean > 0


def effect_on_truth(outcome: Outcome, setting: str) -> Effect:
    """A setting against the static network on data with a reference."""
    column = [one.name for one in outcome.measures].index(TRUTH)
    differences = outcome.values[setting][:, column] - outcome.values[STATIC][:, column]
    return Effect(outcome.against_static[setting][column], float(np.min(differences)))


def improved(one: Comparison, measure: Measure) -> bool:
    """Whether a metric is better with its whole interval; no metric here is best at 0."""
    return one.low > 0 if measure.higher_is_better else one.high < 0


def worsened(one: Comparison, measure: Measure) -> bool:
    """Whether a metric is worse with its whole interval."""
    return one.high < 0 if measure.higher_is_better else one.low > 0


def share_improved(outcomes: Sequence[Outcome], setting: str) -> tuple[int, int]:
    """How many metrics, over all data sets, improve; and of how many."""
    found = [
        improved(outcome.against_static[setting][k], outcome.measures[k])
        for outcome in outcomes
        for k in outcome.measured
        if not outcome.measures[k].of_truth
    ]
    return sum(found), len(found)


def passes(truths: Sequence[Outcome], setting: str) -> bool:
    """Whether a setting passes the first part on every data set with a reference."""
    return all(effect_on_truth(outcome, setting).passes for outcome in truths)


def recommended(truths: Sequence[Outcome], others: Sequence[Outcome]) -> str | None:
    """The setting that the criterion recommends; None if none passes.

    Args:
        truths: Of one or several checkpoints on data with a reference, at least one.
        others: On data without one.
    """

    def merit(setting: str) -> tuple[int, float]:
        gains = [effect_on_truth(truth, setting).mean.mean for truth in truths]
        return share_improved(others, setting)[0], sum(gains)

    candidates = [one for one in truths[0].settings if passes(truths, one)]
    return max(candidates, key=merit, default=None)
