"""Tables of an experiment, for the terminal and as Markdown: the ground truth comes first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from fusionlab.laboratory.outcome import Outcome
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.table import ARROWS, NUMBER, TRUTH, WIDTH, number

LONGEST_LABEL = 30  # characters of a setting's name in a terminal


def tables(outcome: Outcome) -> list[Text | Table]:
    """Title and tables of at most 80 columns for one condition."""
    found: list[Text | Table] = [Text(title(outcome), style="bold")]
    for heading, columns in _parts(outcome):
        found += [Text(heading)] if heading else []
        found += [_table(outcome, part) for part in _side_by_side(outcome, columns)]
    partial = [_defined(outcome, k) for k in outcome.measured if _defined(outcome, k)]
    if partial:
        found.append(Text(f"mean over fewer images: {', '.join(partial)}"))
    return found


def markdown(outcome: Outcome) -> str:
    """The same, a line per setting: difference [95 % interval], share of images improved."""
    lines = [f"## {title(outcome)}", ""]
    for heading, columns in _parts(outcome):
        lines += [f"{heading[0].upper()}{heading[1:]}:", ""] if heading else []
        names = [_heading(outcome, k) for k in columns]
        lines += [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(columns)}"]
        means = [number(outcome.mean(STATIC, k)) for k in columns]
        lines.append(f"| static | {' | '.join(means)} |")
        for label in outcome.settings:
            cells = [_cell(outcome, label, k) for k in columns]
            lines.append(f"| {label} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def title(outcome: Outcome) -> str:
    """Task, data, condition, number of images."""
    count = len(outcome.ids)
    draws = f", mean of {outcome.draws} draws" if outcome.draws > 1 else ""
    condition = f", {outcome.condition}{draws}" if outcome.condition else ""
    images = "1 image" if count == 1 else f"{count} images"
    return f"{outcome.task.upper()}: {outcome.data}{condition}, {images}"


def _parts(outcome: Outcome) -> Iterator[tuple[str, list[int]]]:
    """Columns of the ground truth, then the others, with what stands above them."""
    truth = [k for k in outcome.measured if outcome.measures[k].of_truth]
    others = [k for k in outcome.measured if k not in truth]
    if truth:
        yield "against the ground truth", truth
    if others:
        yield "without reference" if truth else "", others


def _side_by_side(outcome: Outcome, columns: Sequence[int]) -> list[list[int]]:
    """The columns in groups that fit beside the names."""
    names = min(LONGEST_LABEL, max(9, *map(len, outcome.settings)))
    parts: list[list[int]] = [[]]
    used = names
    for k in columns:
        width = 1 + max(NUMBER, len(_heading(outcome, k)))
        if parts[-1] and used + width > WIDTH - 2:
            parts.append([])
            used = names
        parts[-1].append(k)
        used += width
    return parts


def _table(outcome: Outcome, columns: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 0, 0, 0)
    table.add_column("", no_wrap=True, max_width=LONGEST_LABEL, overflow="ellipsis")
    for k in columns:
        table.add_column(_heading(outcome, k), justify="right", no_wrap=True)
    table.add_row("static", *(number(outcome.mean(STATIC, k)) for k in columns))
    for label in outcome.settings:
        found = [outcome.against_static[label][k] for k in columns]
        table.add_section()
        table.add_row(Text(label), *(number(one.mean, signed=True) for one in found))
        table.add_row(" 95 % from", *(number(one.low, signed=True) for one in found))
        table.add_row(" 95 % to", *(number(one.high, signed=True) for one in found))
        table.add_row(" improved", *(_share(one.improved) for one in found))
    return table


def _heading(outcome: Outcome, column: int) -> str:
    measure = outcome.measures[column]
    return measure.name.removesuffix(TRUTH) + ARROWS[measure.higher_is_better]


def _cell(outcome: Outcome, label: str, column: int) -> str:
    one = outcome.against_static[label][column]
    mean, low, high = (number(value, signed=True) for value in (one.mean, one.low, one.high))
    return f"{mean} [{low}, {high}], {_share(one.improved)}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _defined(outcome: Outcome, column: int) -> str:
    values = outcome.values[STATIC][:, column]
    count = int((values == values).sum())
    return (
        "" if count == len(values) else f"{outcome.measures[column].name} {count} of {len(values)}"
    )
