"""The table of an evaluation, like the paper's: methods in rows, metrics in columns."""

from __future__ import annotations

import math

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from fusionlab.report.run import ALONE
from fusionlab.report.statistics import Comparison, compare
from fusionlab.training.scoreboard import Scores

ARROWS = {True: "↑", False: "↓", None: "→0"}  # direction of a metric; None is best at 0
ROW_NAMES, NUMBER, TIME = 13, 6, 6  # widths of columns: names of rows, a value, milliseconds
WIDTH = 80  # of a terminal
TRUTH = "_truth"  # ending of names, not repeated in a table whose title says it


def comparisons(scores: Scores) -> dict[str, Comparison]:
    """TTD against static, by metric; empty without TTD."""
    if "ttd" not in scores.fused_rows:
        return {}
    static, ttd = scores.values["static"], scores.values["ttd"]
    return {
        name: compare(static[:, k], ttd[:, k], scores.higher_is_better[name])
        for k, name in enumerate(scores.metrics)
    }


def tables(title: str, network: str, scores: Scores) -> list[Text | Table]:
    """Title and table of the fusion metrics and, where there is one, of the ground truth."""
    truth = scores.truth_metrics
    fusion = [name for name in scores.metrics if name not in truth]
    parts = _side_by_side(fusion)
    found: list[Text | Table] = [Text(title, style="bold")]
    found += [_table(network, scores, part, timed=part is parts[-1]) for part in parts]
    partial = [_defined(name, scores) for name in fusion if _defined(name, scores)]
    if partial:
        found.append(Text(f"mean over fewer images: {', '.join(partial)}"))
    if truth:
        found += [Text("against the ground truth"), _table(network, scores, truth, timed=False)]
    return found


def _side_by_side(metrics: list[str]) -> list[list[str]]:
    """The metrics in groups that fit into 80 columns beside the rows' names and the time."""
    parts: list[list[str]] = [[]]
    used = ROW_NAMES + TIME
    for name in metrics:
        width = 1 + max(NUMBER, len(name) + 1)  # with its arrow
        if parts[-1] and used + width > WIDTH - 2:
            parts.append([])
            used = ROW_NAMES + TIME
        parts[-1].append(name)
        used += width
    return parts


def _table(network: str, scores: Scores, metrics: list[str], timed: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 0, 0, 0)  # the box sets a space between columns: 80 are enough
    table.add_column("", no_wrap=True, max_width=ROW_NAMES, overflow="ellipsis")
    for name in metrics:
        arrow = ARROWS[scores.higher_is_better[name]]
        table.add_column(name.removesuffix(TRUTH) + arrow, justify="right", no_wrap=True)
    if timed:
        table.add_column("ms", justify="right", no_wrap=True)
    names = {"static": network, "ttd": f"{network}+TTD"}
    for row in (*scores.source_rows, *scores.fused_rows):
        means = scores.means(row)
        cells = [number(means[name]) for name in metrics]
        if timed and row in scores.milliseconds:
            cells.append(number(float(np.median(scores.milliseconds[row]))))
        table.add_row(Text(names.get(row) or _source_label(row, scores)), *cells)
    found = comparisons(scores)
    if found:
        table.add_section()
        chosen = [found[name] for name in metrics]
        table.add_row("difference", *(number(one.mean, signed=True) for one in chosen))
        table.add_row("  95 % from", *(number(one.low, signed=True) for one in chosen))
        table.add_row("  95 % to", *(number(one.high, signed=True) for one in chosen))
        table.add_row("improved", *(_share(one.improved) for one in chosen))
    return table


def _defined(name: str, scores: Scores) -> str:
    """Says of how few images a metric is the mean; empty if of all."""
    values = scores.values["static"][:, scores.metrics.index(name)]
    count = int((~np.isnan(values)).sum())
    return "" if count == len(values) else f"{name} {count} of {len(values)}"


def _source_label(row: str, scores: Scores) -> str:
    """Says of how few images a row is the mean, where not every sample has that source."""
    count = len(scores.indices[row])
    if count == len(scores.indices["static"]):
        return row
    return f"{row.removesuffix(ALONE)}, n = {count}"


def number(value: float, signed: bool = False) -> str:
    """Two or (a difference) three decimals; at most six characters in an ordinary table."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = 3 if abs(value) < 9.9995 and signed else 2 if abs(value) < 999 else 0
    sign = "+" if signed else ""
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"
