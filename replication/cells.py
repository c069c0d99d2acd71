"""Findings as tables, sentences and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple

from fusionlab.report.table import number
from replication.claims import SHOWN, Finding, signed
from replication.published import (
    HOLDS,
    NOT_REPLICATED,
    REPLICATED,
    REVERSED,
    SIGN_ONLY,
    UNDECIDED,
    verdict_of_all,
)

NUMBERS = (
    *("weights", "data", "images", "what", "published_static", "measured_static"),
    *("published", "measured", "low", "high", "improved", "verdict"),
)


def table(findings: Sequence[Finding]) -> str:
    """A row for each row of the findings, a column for each checkpoint."""
    columns = list(dict.fromkeys(one.weights for one in findings))
    rows = [[*findings[0].row, *columns]]
    for row in dict.fromkeys(tuple(one.row.values()) for one in findings):
        own = [one for one in findings if tuple(one.row.values()) == row]
        parts = [[one for one in own if one.weights == column] for column in columns]
        rows.append([*row, *(cell(part) if part else "" for part in parts)])
    return markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the heading first."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def cell(findings: Sequence[Finding]) -> str:
    """One difference with its verdict; of several, how many have which."""
    verdicts = [one.verdict for one in findings]
    if len(findings) == 1:
        (one,) = findings
        there = "" if one.published is None else f"{signed(one.published)} published; "
        return f"{there}{interval(one)} **{one.verdict}**"
    if findings[0].published is None:
        counts = (f"{one} {verdicts.count(one)}" for one in (HOLDS, REVERSED, UNDECIDED))
        return f"{', '.join(counts)} of {len(verdicts)}"
    sign, size = tally(verdicts)
    text = f"{sign}, {size} of {len(verdicts)}"
    shown = [one for one in findings if one.what == SHOWN]
    if len(shown) == 1:
        text = f"{number(shown[0].measured.mean, signed=True)}; {text}"
    worst = verdict_of_all(verdicts)
    return text if worst == NOT_REPLICATED else f"{text} **{worst}**"


def interval(one: Finding) -> str:
    """A measured difference with its 95 % interval; of RD, which is small, with four decimals."""
    values = (one.measured.mean, one.measured.low, one.measured.high)
    texts = [number(value, signed=True) for value in values]
    if one.what.startswith("RD"):
        texts = [f"{value:+.4f}".replace("-", "−") for value in values]
    return "{} [{}, {}]".format(*texts)


def tally(verdicts: Sequence[str]) -> tuple[int, int]:
    """How many have the published sign, and how many of these the size too."""
    return sum(one != NOT_REPLICATED for one in verdicts), verdicts.count(REPLICATED)


def verdict_line(title: str, findings: Sequence[Finding]) -> str:
    """What was found of a claim, in a sentence."""
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        groups.setdefault(one.group, []).append(one)
    told = [f"{group} {_counts(own)}".strip() for group, own in groups.items()]
    return f"{title}: {'; '.join(told) or 'not measured'}."


def _counts(findings: Sequence[Finding]) -> str:
    """How many findings, and how many rows of a table, have which verdict."""
    verdicts = [one.verdict for one in findings]
    if findings[0].published is None:
        held = ", ".join(f"{one} in {verdicts.count(one)}" for one in (HOLDS, REVERSED, UNDECIDED))
        return f"{held} of {len(verdicts)}"
    rows: dict[tuple[str, ...], list[str]] = {}
    for one in findings:
        rows.setdefault((*one.row.values(), one.weights), []).append(one.verdict)
    whole = Counter(map(verdict_of_all, rows.values()))
    counts = ", ".join(f"{whole[one]} {one}" for one in (REPLICATED, SIGN_ONLY, NOT_REPLICATED))
    sign, size = tally(verdicts)
    return (
        f"of {len(rows)} comparisons {counts}, with the published sign in {sign} of "
        f"{len(findings)} differences and the size too in {size}"
    )


def csv_text(findings: Sequence[Finding]) -> str:
    """Every number of a claim; numbers have six digits that count."""
    text = io.StringIO()
    names = [name.replace("Δ", "difference_in_").replace(" ", "_") for name in findings[0].row]
    lines = ([*one.row.values(), *_numbers(one)] for one in findings)
    csv.writer(text, lineterminator="\n").writerows(
        [[*(name.casefold() for name in names), *NUMBERS], *lines]
    )
    return text.getvalue()


def _numbers(one: Finding) -> list[object]:
    mean, low, high, improved, images = astuple(one.measured)
    values = [*one.static, one.published, mean, low, high, improved]
    cells = ["" if value is None or math.isnan(value) else f"{value:.6g}" for value in values]
    return [one.weights, one.data, images, one.what, *cells, one.verdict]
