"""The TTD paper's printed figures, and what measured ones say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from fusionlab.report.statistics import Comparison
from fusionlab.settings import Task

REPLICATED, SIGN_ONLY, NOT_REPLICATED = "replicated", "sign only", "not replicated"
ROUNDING = 0.01  # of a difference of two figures with two decimals


@dataclass(frozen=True)
class Table:
    """One of the paper's tables, of IFCNN.

    Args:
        title: What it compares.
        data: On which data.
        images: How many; None if the paper does not say.
        metrics: Its K columns.
        static: The K means without TTD.
        rows: The K means by setting.
        no_weights: Printed rows of networks whose weights are not at hand.
        without_ttd: Printed rows of static networks that the paper gives no TTD.
    """

    title: str
    data: str
    images: int | None
    metrics: list[str]
    static: list[float]
    rows: dict[str, list[float]]
    no_weights: list[str] = field(default_factory=list)
    without_ttd: list[str] = field(default_factory=list)

    def differences(self, row: str) -> list[float]:
        """A row minus the static one, to two decimals."""
        pairs = zip(self.rows[row], self.static, strict=True)
        return [round(ttd - static, 2) for ttd, static in pairs]


@dataclass(frozen=True)
class DataSet:
    """A data set that the page knows.

    Args:
        task: Its task.
        tables: The published tables that it is set against.
    """

    task: Task
    tables: list[str]


@dataclass(frozen=True)
class Published:
    """All of it.

    Args:
        source: The paper.
        tables: By number.
        data: By name.
        noise: Table 8, by level of the noise on the parameters.
        times: Seconds static and with TTD, by network.
        times_in_words: What the text says of their ratio where it contradicts them.
        figures: What the paper reads from figures without printed numbers, by number.
    """

    source: str
    tables: dict[str, Table]
    data: dict[str, DataSet]
    noise: dict[float, Table]
    times: dict[str, list[float]]
    times_in_words: dict[str, float]
    figures: dict[str, str]


@cache
def load_published() -> Published:
    """Read the figures that the package carries."""
    text = (files("fusionlab.laboratory.replication") / "published.yaml").read_text(
        encoding="utf-8"
    )
    content: dict[str, Any] = yaml.safe_load(text)
    levels = content["noise"].pop("levels")
    return Published(
        content["source"],
        {str(number): Table(**table) for number, table in content["tables"].items()},
        {name: DataSet(**one) for name, one in content["data"].items()},
        {float(level): Table(**content["noise"], **one) for level, one in levels.items()},
        content["times"],
        content["times_in_words"],
        {str(number): claim for number, claim in content["figures"].items()},
    )


def verdict(published: float, measured: Comparison) -> str:
    """Whether a published difference is found again.

    Convention: the sign is found if the 95 % interval lies wholly on the published side of 0; the
    size if the published difference, give or take its rounding, lies inside the interval. Of a
    published 0.00 the sign is found with the size. One image has no interval and finds nothing.

    Args:
        published: Difference from static, to two decimals.
        measured: The same, measured.
    """
    low, high = measured.low, measured.high
    size = low - ROUNDING <= published <= high + ROUNDING
    if published == 0:
        return REPLICATED if size else NOT_REPLICATED
    sign = low > 0 if published > 0 else high < 0
    if not sign:
        return NOT_REPLICATED
    return REPLICATED if size else SIGN_ONLY


def verdict_of_all(verdicts: Sequence[str]) -> str:
    """Of a table: as good as the worst of its metrics.

    Args:
        verdicts: Of its metrics, at least one.
    """
    worst_first = (NOT_REPLICATED, SIGN_ONLY, REPLICATED)
    return worst_first[min(worst_first.index(one) for one in verdicts)]
