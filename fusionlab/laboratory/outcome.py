"""The values of an experiment, and each setting against the static network."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fusionlab.laboratory.conditions import Condition
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.statistics import Comparison, compare

Key = tuple[str, ...]
"""Data set, condition, draw, sample, setting."""


@dataclass(frozen=True)
class Measure:
    """A column of values.

    Args:
        name: Short name.
        higher_is_better: Its direction; None if it is best at 0.
        of_truth: Whether it compares with the ground truth.
    """

    name: str
    higher_is_better: bool | None
    of_truth: bool = False


@dataclass(frozen=True)
class Outcome:
    """One condition on one data set.

    Args:
        data: Name of the data set.
        task: Its task.
        condition: Name of the condition; empty if there is only one.
        kind: What its level is a level of; empty if it has none.
        level: The level.
        draws: Number of draws that the values of an image are the mean over.
        ids: The N samples.
        measures: The K columns.
        values: By setting, ``static`` first, (N, K); NaN where not defined.
    """

    data: str
    task: str
    condition: str
    kind: str
    level: float
    draws: int
    ids: list[str]
    measures: Sequence[Measure]
    values: dict[str, np.ndarray]

    @property
    def settings(self) -> list[str]:
        """The settings but ``static``."""
        return [label for label in self.values if label != STATIC]

    @property
    def measured(self) -> list[int]:
        """Columns that have a value."""
        return [
            k for k in range(len(self.measures)) if not np.isnan(self.values[STATIC][:, k]).all()
        ]

    def mean(self, label: str, column: int) -> float:
        """Mean over the images for which it is defined; NaN if for none."""
        values = self.values[label][:, column]
        defined = values[~np.isnan(values)]
        return float(defined.mean()) if defined.size else float("nan")

    @cached_property
    def against_static(self) -> dict[str, list[Comparison]]:
        """Each setting minus the static network, image by image: K comparisons by setting."""
        static = self.values[STATIC]
        return {
            label: [
                compare(static[:, k], self.values[label][:, k], measure.higher_is_better)
                for k, measure in enumerate(self.measures)
            ]
            for label in self.settings
        }


def gather(
    rows: Mapping[Key, list[float]],
    plan: Sequence[Condition],
    settings: Sequence[str],
    measures: Sequence[Measure],
) -> list[Outcome]:
    """Outcomes of all conditions, draws of one group together, from the rows of a finished run.

    Args:
        rows: K values by data set, condition, draw, sample and setting.
        plan: The conditions, in order.
        settings: Labels of the settings.
        measures: The K columns.
    """
    groups: dict[tuple[str, str], list[Condition]] = {}
    for one in plan:
        groups.setdefault((one.dataset.name, one.group), []).append(one)
    found = []
    for (data, name), draws in groups.items():
        first = draws[0]
        ids = first.dataset.ids
        values = {
            label: np.array(
                [[rows[data, name, str(one.draw), id_, label] for id_ in ids] for one in draws]
            ).mean(0)  # an image counts once, however often it was drawn
            for label in (STATIC, *settings)
        }
        place = (data, first.dataset.task, name, first.kind, first.level)
        found.append(Outcome(*place, len(draws), ids, measures, values))
    return found


def summary(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Means and differences as plain values."""
    return [
        {
            "data": one.data,
            "task": one.task,
            "condition": one.condition,
            "level": one.level if one.kind else None,
            "draws": one.draws,
            "ids": one.ids,
            "static": {one.measures[k].name: one.mean(STATIC, k) for k in one.measured},
            "settings": {
                label: {
                    one.measures[k].name: {
                        "mean": one.mean(label, k),
                        "minus_static": asdict(one.against_static[label][k]),
                    }
                    for k in one.measured
                }
                for label in one.settings
            },
        }
        for one in outcomes
    ]


def as_csv(outcomes: Sequence[Outcome]) -> str:
    """A line per data set, condition, setting and metric."""
    text = io.StringIO()
    lines = csv.writer(text)
    differences = ["difference", "low", "high", "improved", "images"]
    lines.writerow(["data", "condition", "setting", "metric", "static", "mean", *differences])
    for one in outcomes:
        for label in one.settings:
            for k in one.measured:
                means = one.mean(STATIC, k), one.mean(label, k)
                place = (one.data, one.condition, label, one.measures[k].name)
                lines.writerow([*place, *means, *asdict(one.against_static[label][k]).values()])
    return text.getvalue()
