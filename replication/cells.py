"""Rows and cells of the page's Markdown tables."""

from __future__ import annotations

from fusionlab.laboratory.outcome import Outcome
from fusionlab.report.statistics import Comparison
from fusionlab.report.table import number


def head(*cells: str) -> list[str]:
    """The first two lines of a table."""
    return [line(*cells), "|" + "---|" * len(cells)]


def line(*cells: str) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def details(summary: str, text: str) -> str:
    """A part of the page that is folded up where the page is shown as HTML."""
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>\n"


def interval(one: Comparison) -> str:
    """A difference with its 95 % interval."""
    mean, low, high = (number(value, signed=True) for value in (one.mean, one.low, one.high))
    return f"{mean} [{low}, {high}]"


def printed(difference: float) -> str:
    """A published difference, as the paper prints it."""
    return f"{difference:+.2f}".replace("-", "−")


def images(count: int | None) -> str:
    """How many, in words."""
    if count is None:
        return "number not stated"
    return "1 image" if count == 1 else f"{count} images"


def column(outcome: Outcome, name: str) -> int:
    """Where a measure stands."""
    return [one.name for one in outcome.measures].index(name)


def small_interval(one: Comparison) -> str:
    """A small difference, to four decimals, with its 95 % interval."""
    mean, low, high = (f"{value:+.4f}".replace("-", "−") for value in (one.mean, one.low, one.high))
    return f"{mean} [{low}, {high}]"
