"""The table of a result as Markdown, for a supplement or a page of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fusionlab.report.table import (
    ARROWS,
    TRUTH,
    is_ranked,
    mark,
    measured,
    method_label,
    number,
    share,
    title,
)


def markdown(about: dict[str, Any], result: dict[str, Any]) -> str:
    """Title, means by method and, for each network with TTD, what TTD changes.

    Convention: a difference is TTD minus the same network without, image by image: mean [95 %
    interval], share of the images improved. Metrics against a ground truth come first, and stand
    alone.

    Args:
        about: ``summary.json``.
        result: One of its results.
    """
    shown = [name for name in about["metrics"] if measured(result, name)]
    truth = [name for name in shown if about["metrics"][name]["truth"]]
    lines = [f"## {title(result)}", ""]
    if truth:
        lines += ["Against the ground truth:", "", *_table(about, result, truth), ""]
        lines += ["Without reference:", ""]
    others = [name for name in shown if name not in truth]
    return "\n".join([*lines, *_table(about, result, others, timed=True), ""])


def _table(
    about: dict[str, Any], result: dict[str, Any], metrics: Sequence[str], timed: bool = False
) -> list[str]:
    heads = [
        name.removesuffix(TRUTH) + ARROWS[about["metrics"][name]["direction"]] for name in metrics
    ]
    extra = _extra(result) if timed else {}
    heads += extra
    lines = [_row("", heads), f"|---|{'---:|' * len(heads)}"]
    for name in result["methods"]:
        means = result["means"][name]
        cells = [number(means[one]) + mark(result, name, one) for one in metrics]
        cells += [
            number(of_method[name]) if name in of_method else "" for of_method in extra.values()
        ]
        lines.append(_row(method_label(result, name), cells))
    for name, found in result["differences"].items():
        cells = [_difference(found[one]) for one in metrics]
        lines.append(_row(f"Δ {name}", [*cells, *("" for _ in extra)]))
    return lines


def _extra(result: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Columns beside the metrics: time, memory and mean rank by method, as far as there are any."""
    columns = {"ms": result["median_ms_per_image"], "MB": result["peak_megabytes"]}
    if is_ranked(result):
        columns["rank↓"] = result["overall_rank"]
    return {name: column for name, column in columns.items() if column}


def _difference(found: dict[str, Any]) -> str:
    if not found["images"]:
        return "–"
    mean, low, high = (number(found[key], signed=True) for key in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}], {share(found['improved'])}"


def _row(name: str, cells: Sequence[str]) -> str:
    """A line of a table; characters that Markdown reads are escaped."""
    escaped = [one.replace("|", r"\|").replace("*", r"\*") for one in (name, *cells)]
    return f"| {' | '.join(escaped)} |"
