"""The figures that the TTD paper prints, and what measured ones say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fusionlab.runs.statistics import Comparison
from fusionlab.settings import Task

REPLICATED, SIGN_ONLY, NOT_REPLICATED = "replicated", "sign only", "not replicated"
HOLDS, REVERSED, UNDECIDED = "holds", "the reverse", "undecided"
ROUNDING = 0.01  # of a difference of two figures with two decimals


@dataclass(frozen=True)
class Table:
    """One of the paper's tables, of IFCNN.

    Args:
        data: On which data.
        images: How many; None if the paper does not say.
        metrics: Its K columns.
        static: The K means without TTD.
        rows: The K means by setting of TTD.
        no_weights: Printed rows of networks whose weights are not available.
        without_ttd: Printed rows of static networks that the paper gives no TTD.
    """

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
    """A data set that the page knows, and the paper's for which it stands."""

    task: Task
    stands_for: str = ""


@dataclass(frozen=True)
class Published:
    """All of it."""

    source: str
    tables: dict[str, Table]
    """By number, but for Table 8."""
    data: dict[str, DataSet]
    lacking: dict[str, str]
    """Why a data set of the paper is not measured."""
    noise: dict[float, Table]
    """Table 8, by level."""
    times: dict[str, list[float]]
    """Table 9, seconds static and with TTD, by network."""
    times_in_words: dict[str, float]
    """What the text says of their ratio where it contradicts them."""
    figures: dict[str, str]
    """What the paper reads from figures without printed numbers."""

    def is_beside(self, name: str, table: Table) -> bool:
        """Whether a data set is set beside a table: the paper's own, or one that stands for it."""
        return table.data in (name, self.data[name].stands_for)


@cache
def load_published() -> Published:
    """Read the figures from the file beside this one."""
    path = Path(__file__).with_name("published.yaml")
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    levels = content["noise"].pop("levels")
    return Published(
        content["source"],
        {str(number): Table(**table) for number, table in content["tables"].items()},
        {name: DataSet(**one) for name, one in content["data"].items()},
        content["lacking"],
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
    """Of a table: as good as the worst of its metrics, at least one."""
    worst_first = (NOT_REPLICATED, SIGN_ONLY, REPLICATED)
    return worst_first[min(worst_first.index(one) for one in verdicts)]


def verdict_of_sign(low: float, high: float, claimed: int) -> str:
    """Whether a whole interval lies on the claimed side of 0, 1 or −1, on the other, or neither."""
    sign = 1 if low > 0 else -1 if high < 0 else 0
    return {claimed: HOLDS, -claimed: REVERSED}.get(sign, UNDECIDED)
