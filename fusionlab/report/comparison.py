"""One table for several methods: means, mean ranks, and which differences are significant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text
from scipy.stats import rankdata, wilcoxon

from fusionlab.metrics.base import ImageMean
from fusionlab.report.statistics import cost
from fusionlab.report.table import ARROWS, WIDTH, number

LONGEST_METHOD = 36  # characters of a method's name that are shown
LEVEL = 0.05  # of significance, after Holm's correction


@dataclass(frozen=True)
class MethodScores:
    """Values of every method on the same images.

    Args:
        methods: Their names, L.
        ids: Names of the N images that every method has.
        metrics: The K metrics by the name of their column.
        values: (L, N, K); NaN where a metric is not defined.
    """

    methods: list[str]
    ids: list[str]
    metrics: Mapping[str, ImageMean]
    values: np.ndarray

    @classmethod
    def of(
        cls,
        rows: Mapping[tuple[str, ...], list[float]],
        methods: list[str],
        ids: list[str],
        metrics: Mapping[str, ImageMean],
    ) -> MethodScores:
        """From rows by method and image; images that some method lacks are left out."""
        common = [name for name in ids if all((method, name) in rows for method in methods)]
        values = [[rows[method, name] for name in common] for method in methods]
        shape = (len(methods), len(common), len(metrics))
        return cls(methods, common, metrics, np.array(values, dtype=float).reshape(shape))

    def means(self) -> np.ndarray:
        """(L, K), over the images for which the metric is defined; NaN if for none."""
        return np.array([[_mean(column) for column in method.T] for method in self.values])

    def mean_ranks(self) -> np.ndarray:
        """(L, K): rank among the methods, 1 is best, ties share, mean over the images."""
        costs = [
            cost(self.values[:, :, k], metric.higher_is_better)
            for k, metric in enumerate(self.metrics.values())
        ]
        ranks = rankdata(np.stack(costs, 2), axis=0, nan_policy="omit")
        return np.array([[_mean(column) for column in method.T] for method in ranks])

    def best(self) -> np.ndarray:
        """(K,): the method with the best mean rank; the first of equals; −1 if none has one."""
        ranks = self.mean_ranks()
        return np.where(np.isnan(ranks).all(0), -1, np.nan_to_num(ranks, nan=np.inf).argmin(0))

    def counts(self) -> np.ndarray:
        """(L, K): images for which the metric is defined."""
        return (~np.isnan(self.values)).sum(1)

    def p_values(self) -> np.ndarray:
        """(L, K): of each method against the best, paired, with Holm's correction; NaN for it.

        Convention: Wilcoxon's signed-rank test, two-sided; equal values on all images give 1.
        """
        found = np.full((len(self.methods), len(self.metrics)), np.nan)
        for k, (best, metric) in enumerate(zip(self.best(), self.metrics.values(), strict=True)):
            if best < 0:
                continue
            others = [row for row in range(len(self.methods)) if row != best]
            costs = cost(self.values[:, :, k], metric.higher_is_better)
            raw = [_wilcoxon(costs[best], costs[row]) for row in others]
            found[others, k] = _holm(np.array(raw))
        return found


def comparison_tables(title: str, scores: MethodScores) -> list[Text | Table]:
    """Title and tables of at most 80 columns; several when the metrics do not fit side by side."""
    means, p, best = scores.means(), scores.p_values(), scores.best()
    several = len(scores.methods) > 1
    cells = [
        [
            number(means[row, k])
            + ("*" if several and row == best[k] else "")
            + ("=" if several and p[row, k] >= LEVEL else "")
            for k in range(len(scores.metrics))
        ]
        for row in range(len(scores.methods))
    ]
    columns = [
        (name + ARROWS[metric.higher_is_better], [row[k] for row in cells])
        for k, (name, metric) in enumerate(scores.metrics.items())
    ]
    if several:
        overall = np.array([_mean(row) for row in scores.mean_ranks()])
        columns.append(("rank↓", [number(rank) for rank in overall]))
    count = "1 image" if len(scores.ids) == 1 else f"{len(scores.ids)} images"
    found: list[Text | Table] = [Text(f"{title}, {count}", style="bold")]
    found += [_table(scores.methods, part) for part in _parts(columns, scores.methods)]
    partial = [
        f"{name} of {method} {defined} of {len(scores.ids)}"
        for method, row in zip(scores.methods, scores.counts(), strict=True)
        for name, defined in zip(scores.metrics, row, strict=True)
        if 0 < defined < len(scores.ids)
    ]
    if partial:
        found.append(Text(f"mean over fewer images: {', '.join(partial)}"))
    if several:
        found.append(
            Text(
                "* best by mean rank over the images; = not significantly behind it (Wilcoxon, "
                "Holm, 5 %); rank: mean over images and metrics"
            )
        )
    return found


def summary(scores: MethodScores) -> dict[str, Any]:
    """Means, mean ranks and p-values by method and metric, as plain values."""

    def by_name(table: np.ndarray) -> dict[str, dict[str, float]]:
        return {
            method: dict(zip(scores.metrics, map(float, row), strict=True))
            for method, row in zip(scores.methods, table, strict=True)
        }

    return {
        "images": len(scores.ids),
        "ids": scores.ids,
        "images_defined": by_name(scores.counts()),
        "means": by_name(scores.means()),
        "mean_ranks": by_name(scores.mean_ranks()),
        "p_against_best": by_name(scores.p_values()),
    }


def _parts(
    columns: list[tuple[str, list[str]]], methods: list[str]
) -> list[list[tuple[str, list[str]]]]:
    """The columns in groups that fit beside the names of the methods."""
    names = min(LONGEST_METHOD, max(map(len, methods)))
    parts: list[list[tuple[str, list[str]]]] = [[]]
    used = names
    for column in columns:
        width = 1 + max(len(column[0]), *map(len, column[1]))
        if parts[-1] and used + width > WIDTH - 2:
            parts.append([])
            used = names
        parts[-1].append(column)
        used += width
    return parts


def _table(methods: list[str], columns: list[tuple[str, list[str]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 0, 0, 0)
    table.add_column("", no_wrap=True, max_width=LONGEST_METHOD, overflow="ellipsis")
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for row, method in enumerate(methods):
        table.add_row(Text(method), *(cells[row] for _, cells in columns))
    return table


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


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
