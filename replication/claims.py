"""Published rows set against measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fusionlab.laboratory.replication.cells import column
from fusionlab.laboratory.replication.measure import Measured
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    Published,
    Table,
    verdict,
)
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.statistics import Comparison

NOISE = "8"  # the table of noise on the parameters


class Claim(NamedTuple):
    """A row of a published table, set against one measurement."""

    number: str
    table: Table
    row: str
    measured: Measured

    @property
    def on_other_data(self) -> bool:
        """Whether the paper's figures are of another data set."""
        return self.table.data != self.measured.outcome.data

    def against(self, setting: str) -> list[tuple[float, Comparison]]:
        """Published and measured differences of the K metrics; the latter of any setting."""
        outcome = self.measured.outcome
        found = outcome.against_static[setting]
        measured = [found[column(outcome, metric)] for metric in self.table.metrics]
        return list(zip(self.table.differences(self.row), measured, strict=True))

    @property
    def static_off(self) -> float:
        """Mean over the metrics of |measured − published| / published of the static means."""
        outcome = self.measured.outcome
        found = [outcome.mean(STATIC, column(outcome, name)) for name in self.table.metrics]
        pairs = list(zip(found, self.table.static, strict=True))
        return sum(abs(here - there) / there for here, there in pairs) / len(pairs)

    def verdicts(self, setting: str | None = None) -> list[str]:
        """Of the K metrics, for its own setting or another one."""
        return [verdict(*pair) for pair in self.against(setting or self.row)]


def claims(published: Published, data: Sequence[Measured]) -> list[Claim]:
    """Every published row for which there is a measurement, in the order of the tables."""
    return [
        Claim(number, table, row, one)
        for number, table in published.tables.items()
        for one in data
        if number in published.data[one.outcome.data].tables
        for row in table.rows
    ]


def noise_claims(
    published: Published, data: Sequence[Measured], noise: Sequence[Measured]
) -> dict[tuple[str, str], list[Claim]]:
    """Those of Table 8 by checkpoint and data set, a claim for each level, from 0.

    Args:
        published: The paper.
        data: Without noise.
        noise: With it.
    """
    found: dict[tuple[str, str], list[Claim]] = {}
    for one in (*data, *noise):
        outcome = one.outcome
        if NOISE in published.data[outcome.data].tables:
            claim = Claim(NOISE, published.noise[outcome.level], "paper", one)
            found.setdefault((one.weights, outcome.data), []).append(claim)
    return found


def tally(verdicts: Sequence[str]) -> tuple[int, int, int]:
    """How many have the published sign, how many of these the size too, and of how many."""
    sign = sum(one != NOT_REPLICATED for one in verdicts)
    return sign, verdicts.count(REPLICATED), len(verdicts)
