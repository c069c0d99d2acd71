"""Plots of a run: effects of TTD with their intervals, and curves over levels or temperatures."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.report.table import ARROWS, TRUTH, measured
from fusionlab.runs.files import write_atomic
from fusionlab.runs.folder import file_stem
from fusionlab.runs.run import Method, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4  # panels side by side, one for each metric
FEWEST_TEMPERATURES = 3  # that make a curve
FORMATS = ("png", "pdf")

Result = dict[str, Any]


def write_plots(run: Run) -> list[Path]:
    """Draw every data set of a finished run.

    Levels (of noise, of a corruption) become curves of the means; three or more temperatures
    become curves of the differences; anything else a point with its interval for each network with
    TTD. A data set with none of these is not drawn.

    Args:
        run: The run; files are written into its folder, as PNG and PDF.

    Returns:
        The files.
    """
    written = []
    for data in run.about["data"]:
        here = [one for one in run.about["results"] if one["data"] == data["name"]]
        for kind, figure in _figures(run, data["name"], here):
            name = file_stem("-".join(["figure", data["name"], *([kind] if kind else [])]))
            written += [_write(run.folder / f"{name}.{ending}", figure) for ending in FORMATS]
    return written


def _figures(run: Run, data: str, results: list[Result]) -> list[tuple[str, Figure]]:
    """Figures of one data set, each with the kind of condition that it is about."""
    head = " · ".join(part for part in (run.about["settings"].get("title"), data) if part)
    kinds = list(dict.fromkeys(one["kind"] for one in results if one["kind"]))
    if kinds:
        chosen = {kind: [one for one in results if one["kind"] in ("", kind)] for kind in kinds}
        return [
            (kind, _levels(run, f"{head} · {kind.replace('_', ' ')}", kind, own))
            for kind, own in chosen.items()
        ]
    compared = [one for one in results if one["differences"]]
    if not compared:
        return []
    curves = _temperature_curves(run.methods) if len(compared) == 1 else {}
    if curves:
        return [("", _over_temperature(run, head, compared[0], curves))]
    return [("", _effects(run, head, compared))]


def _levels(run: Run, head: str, kind: str, results: list[Result]) -> Figure:
    """Mean of every metric over the level, a curve for each method that fuses; 0 is undamaged."""
    levels = [one["level"] or 0 for one in results]
    fused = [name for name in results[-1]["methods"] if run.method(name).is_fused]

    def draw(axes: Axes, metric: str) -> None:
        for name in fused:
            means = [_number(one["means"][name][metric]) for one in results]
            style = "-" if run.method(name).kind == "ttd" else "--"
            axes.plot(levels, means, style, marker="o", markersize=3, label=name)
        axes.set_xticks(levels, [f"{level:g}" for level in levels])
        axes.set_xlabel(kind.replace("_", " "))

    return _panels(run, head, results[0], draw)


def _temperature_curves(methods: Sequence[Method]) -> dict[str, dict[float, str]]:
    """Methods with TTD by temperature, for each combination of network and other options.

    Nothing if temperatures are too few, or chosen on the data.
    """
    dynamic = [one for one in methods if one.kind == "ttd"]
    settings = [{**one.facts["ttd"], "network": one.base} for one in dynamic]
    values = {one["temperature"] for one in settings}
    if len(values) < FEWEST_TEMPERATURES or not all(_is_positive(one) for one in values):
        return {}
    others = [
        name
        for name in settings[0]
        if name not in ("preset", "temperature", "note")
        and len({one[name] for one in settings}) > 1
    ]
    curves: dict[str, dict[float, str]] = {}
    for method, one in zip(dynamic, settings, strict=True):
        label = ", ".join(str(one[name]) for name in others)
        curves.setdefault(label, {})[float(one["temperature"])] = method.name
    return curves


def _over_temperature(
    run: Run, head: str, result: Result, curves: dict[str, dict[float, str]]
) -> Figure:
    """Difference from the network without TTD over γ."""
    ticks = sorted({temperature for curve in curves.values() for temperature in curve})

    def draw(axes: Axes, metric: str) -> None:
        for label, curve in curves.items():
            temperatures = sorted(curve)
            found = [result["differences"][curve[one]][metric]["mean"] for one in temperatures]
            means = [_number(mean) for mean in found]
            axes.plot(temperatures, means, marker="o", markersize=3, label=label or None)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("γ")

    return _panels(run, head, result, draw)


def _effects(run: Run, head: str, results: list[Result]) -> Figure:
    """Difference from the network without TTD with its 95 % interval, a line for each method."""
    methods = list(dict.fromkeys(name for one in results for name in one["differences"]))
    shown = [name for name in run.metrics if measured(results[0], name)]

    def draw(axes: Axes, metric: str) -> None:
        for k, result in enumerate(results):
            found = [result["differences"][name][metric] for name in methods]
            mean, low, high = (
                np.array([_number(one[key]) for one in found]) for key in ("mean", "low", "high")
            )
            places = np.arange(len(methods)) + 0.6 * ((k + 0.5) / len(results) - 0.5)
            ends = np.nan_to_num(np.array([mean - low, high - mean]))
            name = result["condition"] or None
            axes.errorbar(mean, places, xerr=ends, fmt="o", ms=4, label=name)
        axes.axvline(0, color="black", linewidth=0.8)
        leftmost = shown.index(metric) % COLUMNS == 0
        axes.set_yticks(range(len(methods)), methods if leftmost else [""] * len(methods))
        axes.locator_params(axis="x", nbins=4)
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_xlabel("with TTD minus without")

    return _panels(run, head, results[0], draw, 0.8 + 0.3 * len(methods) * len(results))


def _panels(
    run: Run, head: str, result: Result, draw: Callable[[Axes, str], None], height: float = 2.2
) -> Figure:
    """A panel for each metric that has values; the names of what is drawn once, below."""
    from matplotlib.figure import Figure

    shown = [name for name in run.metrics if measured(result, name)]
    across = min(COLUMNS, len(shown))
    down = math.ceil(len(shown) / across)
    figure = Figure(figsize=(2.6 * across + 1, height * down + 1), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, metric in zip(grid.flat, shown, strict=False):
        about = run.about["metrics"][metric]
        truth = " to the truth" if about["truth"] else ""
        name = metric.removesuffix(TRUTH) if about["truth"] else metric
        axes.set_title(f"{name}{truth} {ARROWS[about['direction']]}", fontsize=9)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_size(8)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, metric)
    handles, names = grid.flat[0].get_legend_handles_labels()
    if names:
        figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(head, fontsize=10)
    return figure


def _is_positive(temperature: Any) -> bool:
    return isinstance(temperature, (int, float)) and temperature > 0


def _number(value: float | str | None) -> float:
    """As JSON has it, where nothing stands for NaN."""
    return math.nan if value is None else float(value)


def _write(path: Path, figure: Figure) -> Path:
    content = io.BytesIO()
    # no date, so that the same numbers give the same file
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
    figure.savefig(content, format=path.suffix[1:], dpi=150, metadata=metadata)
    write_atomic(path, content.getvalue())
    return path
