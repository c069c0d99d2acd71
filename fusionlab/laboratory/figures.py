"""Figures of an experiment: effects of settings with their intervals, and curves over levels."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.laboratory.outcome import Outcome
from fusionlab.laboratory.settings import label, varied
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.images import write_whole
from fusionlab.report.table import ARROWS, TRUTH
from fusionlab.settings import TTD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4  # panels side by side, one for each metric
FEWEST_TEMPERATURES = 3  # that make a curve
FORMATS = ("png", "pdf")


def write_figures(
    folder: Path, title: str, outcomes: Sequence[Outcome], settings: Mapping[str, TTD]
) -> list[Path]:
    """Draw every data set of an experiment.

    Levels (of noise, of a corruption) become curves; many temperatures too; anything else one
    point with its interval for each setting.

    Args:
        folder: Where they are written, as PNG and PDF.
        title: Above each figure.
        outcomes: All conditions on all data sets.
        settings: TTD settings by label.

    Returns:
        The files.
    """
    written = []
    for data in dict.fromkeys(one.data for one in outcomes):
        here = [one for one in outcomes if one.data == data]
        kinds = list(dict.fromkeys(one.kind for one in here if one.kind))
        for kind in kinds or [""]:
            head = " · ".join(part for part in (title, data, kind) if part)
            if kind:
                figure = _levels(head, [one for one in here if one.kind in ("", kind)])
            elif len(here) == 1 and _temperatures(settings):
                figure = _curves_of_temperature(head, here[0], settings)
            else:
                figure = _effects(head, here)
            name = "-".join(("figure", *data.split(), *kind.split()))
            written += [_write(folder / f"{name}.{kind_}", figure) for kind_ in FORMATS]
    return written


def _levels(title: str, outcomes: Sequence[Outcome]) -> Figure:
    """Mean of every metric over the level, static and with each setting."""
    levels = [one.level for one in outcomes]

    def draw(axes: Axes, column: int) -> None:
        for row in outcomes[0].values:
            means = [one.mean(row, column) for one in outcomes]
            style: dict[str, Any] = {"color": "black", "ls": "--"} if row == STATIC else {}
            axes.plot(levels, means, marker="o", markersize=3, label=row, **style)
        axes.set_xlabel(outcomes[-1].kind.replace("_", " "))

    return _panels(title, outcomes[0], draw)


def _curves_of_temperature(title: str, outcome: Outcome, settings: Mapping[str, TTD]) -> Figure:
    """Difference from static over γ, a curve for each combination of the other options."""
    curves: dict[str, list[str]] = {}
    others = [name for name in varied(list(settings.values())) if name != "temperature"]
    for one, setting in settings.items():
        curves.setdefault(label(setting, others), []).append(one)
    ticks = sorted({float(one.temperature or 0) for one in settings.values()})

    def draw(axes: Axes, column: int) -> None:
        for name, labels in curves.items():
            temperatures = [float(settings[one].temperature or 0) for one in labels]
            found = [outcome.against_static[one][column].mean for one in labels]
            axes.plot(temperatures, found, marker="o", markersize=3, label=name)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("γ")

    return _panels(title, outcome, draw)


def _effects(title: str, outcomes: Sequence[Outcome]) -> Figure:
    """Difference from static with its 95 % interval, a line for each setting."""
    labels = outcomes[0].settings
    rows = np.arange(len(labels))

    def draw(axes: Axes, column: int) -> None:
        for k, outcome in enumerate(outcomes):
            found = [outcome.against_static[one][column] for one in labels]
            means = np.array([one.mean for one in found])
            ends = np.array([[one.mean - one.low, one.high - one.mean] for one in found]).T
            places = rows + 0.6 * ((k + 0.5) / len(outcomes) - 0.5)
            name = outcome.condition or None
            axes.errorbar(means, places, xerr=np.nan_to_num(ends), fmt="o", ms=4, label=name)
        axes.axvline(0, color="black", linewidth=0.8)
        leftmost = outcomes[0].measured.index(column) % COLUMNS == 0
        axes.set_yticks(rows, labels if leftmost else [""] * len(labels))
        axes.locator_params(axis="x", nbins=4)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlabel("minus static")

    return _panels(title, outcomes[0], draw, height=0.8 + 0.3 * len(labels) * len(outcomes))


def _panels(
    title: str, outcome: Outcome, draw: Callable[[Axes, int], None], height: float = 2.2
) -> Figure:
    """A panel for each metric that has values; the names of what is drawn once, below."""
    from matplotlib.figure import Figure

    columns = outcome.measured
    across = min(COLUMNS, len(columns))
    down = math.ceil(len(columns) / across)
    figure = Figure(figsize=(2.6 * across + 1, height * down + 1), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(columns) :]:
        axes.set_axis_off()
    for axes, column in zip(grid.flat, columns, strict=False):
        measure = outcome.measures[column]
        truth = " to the truth" if measure.of_truth else ""
        name = measure.name.removesuffix(TRUTH) + truth
        axes.set_title(f"{name} {ARROWS[measure.higher_is_better]}", fontsize=9)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_size(8)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, column)
    handles, names = grid.flat[0].get_legend_handles_labels()
    if names:
        figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def _temperatures(settings: Mapping[str, TTD]) -> bool:
    """Whether the settings make curves over γ."""
    values = {one.temperature for one in settings.values()}
    numbers = all(isinstance(value, (int, float)) and value > 0 for value in values)
    return numbers and len(values) >= FEWEST_TEMPERATURES


def _write(path: Path, figure: Figure) -> Path:
    content = io.BytesIO()
    # no date, so that the same numbers give the same file
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
    figure.savefig(content, format=path.suffix[1:], dpi=150, metadata=metadata)
    write_whole(path, content.getvalue())
    return path
