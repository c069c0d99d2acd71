"""The tables of a run in a terminal: methods in rows, metrics in columns, as papers have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from fusionlab.runs.run import ALONE
from fusionlab.runs.statistics import LEVEL

ARROWS = {"higher": "↑", "lower": "↓", "zero": "→0"}  # which values of a metric are better
NAMES, NUMBER = 36, 6  # most characters of a method's name, least of a value
WIDTH = 80  # of a terminal
TRUTH = "_truth"  # ending of names, not repeated in a table whose title says it
RANKED = 3  # methods that fuse, from which on ranks are printed: two have their difference
TASKS = {  # the column by class, and what it is
    "detect": ("mAP50", "detection: AP50 of each class (objects)"),
    "segment": ("mIoU", "segmentation: IoU of each class"),
}
NO_BREAK = "\xa0"  # textwrap does not break a line at this space

Column = tuple[str, list[str]]


def tables(about: dict[str, Any], result: dict[str, Any]) -> list[Text | Table]:
    """Title, tables of at most 80 columns and footnotes of one data set under one condition.

    Args:
        about: ``summary.json``.
        result: One of its results.
    """
    truth = [name for name, one in about["metrics"].items() if one["truth"]]
    truth = [name for name in truth if measured(result, name)]
    fusion = [name for name, one in about["metrics"].items() if not one["truth"]]
    found: list[Text | Table] = [Text(title(result), style="bold")]
    found += _part(about, result, fusion, timed=True)
    if truth:
        found += [Text("against the ground truth"), *_part(about, result, truth, timed=False)]
    found += [Text(line) for line in _footnotes(result, [*fusion, *truth])]
    return [*found, *task_tables(result)]


def task_tables(result: dict[str, Any]) -> list[Text | Table]:
    """Per class what was found in the pictures, and the intervals of the mean over the classes."""
    found: list[Text | Table] = []
    for task, own in result.get("tasks", {}).items():
        column, said = TASKS[task]
        methods = list(own["values"])
        kinds = dict.fromkeys(kind for by_kind in own["values"].values() for kind in by_kind)
        columns: list[Column] = []
        for kind in (one for one in kinds if one):
            count = f" ({own['counts'][kind]})" if kind in own["counts"] else ""
            cells = [own["values"][name].get(kind, {}).get(column) for name in methods]
            columns.append((f"{kind}{count}", [number(value) for value in cells]))
        ends = [own["intervals"].get(name, {}).get("", {}).get(column) for name in methods]
        means = [number(own["values"][name][""][column]) for name in methods]
        columns.append((column, means))
        columns += _ends(ends)
        against = [own["from_first"].get(name, {}).get(column) for name in methods]
        if any(against):
            cells = ["" if one is None else number(one["mean"], signed=True) for one in against]
            columns.append((f"− {methods[0].removesuffix(ALONE)}", cells))
            columns += _ends([one and (one["low"], one["high"]) for one in against], signed=True)
        images = "1 image" if own["images"] == 1 else f"{own['images']} images"
        found.append(Text(f"{said}, {images}"))
        found += [_table(methods, [len(methods)], part) for part in _side_by_side(columns, methods)]
    if found:
        found.append(Text("from, to: 95 % of 1,000 resamples of the images, paired"))
    return found


def _ends(pairs: Sequence[Any], signed: bool = False) -> list[Column]:
    """Columns with both ends of intervals."""
    return [
        (name, ["" if one is None else number(one[k], signed) for one in pairs])
        for k, name in enumerate(("from", "to"))
    ]


def title(result: dict[str, Any]) -> str:
    """Task, data, condition and number of images of a result."""
    images = "1 image" if result["images"] == 1 else f"{result['images']} images"
    condition = f", {result['condition']}" if result["condition"] else ""
    draws = f", mean of {result['draws']} draws" if result["draws"] > 1 else ""
    return f"{result['task'].upper()}: {result['data']}{condition}{draws}, {images}"


def method_label(result: dict[str, Any], method: str) -> str:
    """The name of a row: says of how few images it is, where not every one has that source."""
    count = result["images_of"][method]
    return method if count == result["images"] else f"{method.removesuffix(ALONE)}, n = {count}"


def measured(result: dict[str, Any], metric: str) -> bool:
    """Whether a metric is defined for any image."""
    return any(counts[metric] for counts in result["counts"].values())


def ttd_line(ttd: dict[str, Any]) -> str:
    """The settings of test-time dynamic fusion in a line, and what the network says of it."""
    temperature, gradient = ttd["temperature"], ttd["basis"] == "gradient"
    number = temperature if isinstance(temperature, str) else f"{temperature:g}"
    note = f"; {ttd['note']}" if "note" in ttd else ""
    by = f"gradient (channel {ttd['channel']}) of the " if gradient else ""
    return (
        f"{by}{ttd['loss']} loss of {ttd['compare']}, temperature {number}, {ttd['form']}, "
        f"{ttd['normalization']}, {ttd['correlation']} correlation, gain {ttd['gain']}{note}"
    )


def number(value: float | str | None, signed: bool = False) -> str:
    """Two or (a difference) three decimals; at most six characters in an ordinary table."""
    value = math.nan if value is None else float(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits = 3 if abs(value) < 9.9995 and signed else 2 if abs(value) < 999 else 0
    sign = "+" if signed else ""
    return f"{value:{sign}.{digits}f}".replace("-", "−")


def share(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.0f} %"


def is_ranked(result: dict[str, Any]) -> bool:
    """Whether so many methods fuse that ranks are shown."""
    return len(result["overall_rank"]) >= RANKED


def mark(result: dict[str, Any], method: str, metric: str) -> str:
    """``*`` for the best method by mean rank, ``=`` for one that is not significantly behind it."""
    if not is_ranked(result):
        return ""
    if result["best"][metric] == method:
        return "*"
    p = result["p_against_best"].get(method, {}).get(metric)
    return "=" if p is not None and p >= LEVEL else ""


def theorem_lines(result: dict[str, Any]) -> list[str]:
    """On how many images with a GEB Eq. 5 holds, and the covariances, in 80 columns."""
    lines = []
    for method, found in result["theorem"].items():
        images = "1 image" if found["images"] == 1 else f"{found['images']} images"
        holds = round(found.get("dynamic_is_lower", 0) * found["images"])
        pairs = (
            f"{_small(one.get('covariance', math.nan))} ({name})".replace(" ", NO_BREAK)
            for name, one in found["sources"].items()
        )
        text = f"theorem, {method}: Eq. 5 holds on {holds} of {images}"
        text += f"; Cov(ω,{NO_BREAK}ℓ){NO_BREAK}{', '.join(pairs)}"
        filled = fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        lines.append(filled.replace(NO_BREAK, " "))
    return lines


def _part(
    about: dict[str, Any], result: dict[str, Any], metrics: Sequence[str], timed: bool
) -> list[Table]:
    """Tables of some metrics, side by side as they fit into 80 columns."""
    labels, groups = _labels(result)
    columns: list[Column] = [
        (
            name.removesuffix(TRUTH) + ARROWS[about["metrics"][name]["direction"]],
            _cells(result, name),
        )
        for name in metrics
    ]
    if timed:
        times = result["median_ms_per_image"]
        cells = [number(times[name]) if name in times else "" for name in result["methods"]]
        columns.append(("ms", cells))
        if peaks := result["peak_megabytes"]:
            cells = [number(peaks[name]) if name in peaks else "" for name in result["methods"]]
            columns.append(("MB", cells))
    if timed and is_ranked(result):
        ranks = result["overall_rank"]
        cells = [number(ranks[name]) if name in ranks else "" for name in result["methods"]]
        columns.append(("rank↓", cells))
    return [_table(labels, groups, part) for part in _side_by_side(columns, labels)]


def _labels(result: dict[str, Any]) -> tuple[list[str], list[int]]:
    """The names of the rows, and where a section ends."""
    labels = [method_label(result, name) for name in result["methods"]]
    groups = [len(labels)]
    several = len(result["differences"]) > 1
    for method in result["differences"]:
        head = f"Δ {method}" if several else "difference"
        labels += [head, "  95 % from", "  95 % to", "  improved"]
        groups.append(len(labels))
    return labels, groups


def _cells(result: dict[str, Any], metric: str) -> list[str]:
    cells = [
        number(result["means"][method][metric]) + mark(result, method, metric)
        for method in result["methods"]
    ]
    for found in result["differences"].values():
        one = found[metric]
        cells += [number(one[key], signed=True) for key in ("mean", "low", "high")]
        cells.append(share(one["improved"]))
    return cells


def _side_by_side(columns: list[Column], labels: Sequence[str]) -> list[list[Column]]:
    """The columns in groups that fit beside the names of the rows."""
    names = min(NAMES, max(map(len, labels)))
    parts: list[list[Column]] = [[]]
    used = names
    for column in columns:
        width = 1 + max(NUMBER, len(column[0]), *map(len, column[1]))
        if parts[-1] and used + width > WIDTH - 2:
            parts.append([])
            used = names
        parts[-1].append(column)
        used += width
    return parts


def _table(labels: Sequence[str], groups: Sequence[int], columns: list[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 0, 0, 0)  # the box sets a space between columns: 80 are enough
    table.add_column("", no_wrap=True, max_width=NAMES, overflow="ellipsis")
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    longest = max(len(column) for _, column in columns)  # of times there are no differences
    for row, label in enumerate(labels[:longest]):
        cells = (column[row] if row < len(column) else "" for _, column in columns)
        table.add_row(Text(label), *cells, end_section=row + 1 in groups[:-1])
    return table


def _footnotes(result: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    partial = []
    for metric in metrics:
        counts = {
            method: (result["counts"][method][metric], result["images_of"][method])
            for method in result["overall_rank"] or result["methods"]
        }
        fewer = {method: pair for method, pair in counts.items() if 0 < pair[0] < pair[1]}
        if fewer and len(set(counts.values())) == 1:
            partial.append("{} {} of {}".format(metric, *next(iter(fewer.values()))))
        else:
            partial += [f"{metric} of {name} {n} of {of}" for name, (n, of) in fewer.items()]
    lines = [f"mean over fewer images: {', '.join(partial)}"] if partial else []
    lines += infinite_lines(result, metrics)
    lines += result.get("registration", [])
    if is_ranked(result):
        lines.append(
            "* best by mean rank over the images; = not significantly behind it (Wilcoxon, "
            "Holm, 5 %); rank: mean over images and metrics"
        )
    return lines


def _small(value: float) -> str:
    """Two digits that count."""
    return f"{value:.2g}".replace("-", "−")


def infinite_lines(result: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    """Which values of the methods are infinite and left out of a mean, a line each metric."""
    lines = []
    for metric in metrics:
        own = {
            name: found[metric]
            for name, found in result.get("infinite", {}).items()
            if metric in found and not math.isinf(result["means"][name][metric])
        }
        images = list(dict.fromkeys(id_ for ids in own.values() for id_ in ids))
        if images:
            more = f" and {len(images) - 3} more" if len(images) > 3 else ""
            lines.append(
                f"{metric} is infinite, and not in the mean, for {', '.join(images[:3])}{more} "
                f"({', '.join(own)})"
            )
    return lines
