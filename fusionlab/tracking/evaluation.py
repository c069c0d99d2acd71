"""A finished evaluation as Weights & Biases shows it: summary, table, panels, RD."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from fusionlab.runs.folder import file_stem
from fusionlab.runs.run import Run, Sample
from fusionlab.tracking.dominability import log_dominability
from fusionlab.tracking.identity import identify, place, short, table_key
from fusionlab.tracking.image_table import image_table
from fusionlab.tracking.logger import Tracker
from fusionlab.tracking.opening import open_tracker
from fusionlab.tracking.panels import sample_tiles, write_panel

PANELS = 8  # the first samples of each result, the same in every run
RD_VALUES = ("mean", "correlation")  # of a source, in the summary

Value = float | str | None  # as JSON has it


def track_evaluation(mode: str | None, folder: Path) -> None:
    """Open a W&B run for an evaluation's folder, log it all and close it; on the first process.

    Args:
        mode: As for :func:`open_tracker`.
        folder: The run folder of a finished evaluation.
    """
    run = Run.open(folder)
    tracker = open_tracker(mode, folder, "evaluate", identify(run.about))
    if tracker is not None:
        log_evaluation(tracker, run)
        tracker.finish()


def log_evaluation(tracker: Tracker, run: Run) -> None:
    """Log a finished evaluation.

    The summary gets :func:`summary_values`. For each data set and condition there are a table of
    all images, ``test/<place>/per_image``; panels of the first ones, ``panels/<place>/<id>``, also
    as files below ``panels/`` in the run folder; histograms and scatter plots of RD,
    ``rd/<place>/<method>/…``. A place is ``<task>[/<data set>][/<condition>]``.

    Args:
        tracker: An open one.
        run: The evaluation.
    """
    tracker.attempt(lambda wb: wb.summary.update(summary_values(run.about)))
    for result in run.about["results"]:
        _log_result(tracker, run, result)


def summary_values(about: dict[str, Any]) -> dict[str, Any]:
    """The results of a ``summary.json`` as the W&B run's summary has them.

    By place and method ``test/<place>/<method>/…``: the mean of each ``<metric>``, the median
    ``ms``, the overall ``rank``; with TTD the mean ``difference/<metric>`` from the network
    without, the share of images ``improved/<metric>`` and, where it was measured, the
    ``theorem/…``. ``rd/<place>/<method>/…`` has of RD the ``mean/<source>`` and its
    ``correlation/<source>`` with the loss. Besides, each metric's ``direction`` and
    ``convention``.

    Args:
        about: ``summary.json``.
    """
    values: dict[str, Any] = {}
    for metric, one in about["metrics"].items():
        values[f"direction/{metric}"] = one["direction"]
        values[f"convention/{metric}"] = one["convention"]
    for result in about["results"]:
        where = _place(about, result)
        values[f"test/{where}/images"] = result["images"]
        tested = [*_scores(result), *_differences(result), *_theorem(result)]
        values |= {f"test/{where}/{name}": _number(value) for name, value in tested}
        values |= {f"rd/{where}/{name}": _number(value) for name, value in _rd(result)}
    return values


def _scores(result: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    for method, means in result["means"].items():
        yield from ((f"{method}/{metric}", mean) for metric, mean in means.items())
    columns = {"ms": "median_ms_per_image", "MB": "peak_megabytes", "rank": "overall_rank"}
    for name, values in columns.items():
        yield from ((f"{method}/{name}", value) for method, value in result[values].items())


def _differences(result: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    for method, found in result["differences"].items():
        for metric, one in found.items():
            yield f"{method}/difference/{metric}", one["mean"]
            yield f"{method}/improved/{metric}", one["improved"]


def _theorem(result: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    """``covariance/ir``, … of each source, then ``static_bound``, … of the images."""
    for method, found in result["theorem"].items():
        for source, means in found["sources"].items():
            yield from ((f"{method}/theorem/{one}/{source}", mean) for one, mean in means.items())
        of_images = {name: mean for name, mean in found.items() if name != "sources"}
        yield from ((f"{method}/theorem/{name}", mean) for name, mean in of_images.items())


def _rd(result: dict[str, Any]) -> Iterator[tuple[str, Value]]:
    for method, sources in result["rd"].items():
        for source, found in sources.items():
            known = [name for name in RD_VALUES if name in found]
            yield from ((f"{method}/{name}/{source}", found[name]) for name in known)


def _place(about: dict[str, Any], result: dict[str, Any]) -> str:
    return place(about["data"], result["task"], result["data"], result["condition"])


def _number(value: Value) -> float:
    """What the summary's JSON wrote as null or text."""
    return float("nan") if value is None else float(value)


def _log_result(tracker: Tracker, run: Run, result: dict[str, Any]) -> None:
    where, samples = _place(run.about, result), _samples(run, result)
    key = table_key(tracker.experiment.id, f"test/{where}/per_image")
    tracker.attempt(lambda wb: wb.log({key: image_table(run, result, samples)}))
    tracker.attempt(lambda wb: wb.log(_panels(run, where, samples)))
    for method, found in result["rd"].items():
        arrays = [run.folder / sample.rd_arrays(method) for sample in samples]
        paths = [path for path in arrays if path.exists()]
        prefix = f"rd/{where}/{method}"
        tracker.attempt(partial(log_dominability, prefix=prefix, sources=found, paths=paths))


def _samples(run: Run, result: dict[str, Any]) -> list[Sample]:
    """Those that a result is about, all draws of its condition."""
    conditions = run.about["conditions"]
    names = [one["name"] for one in conditions if one["group"] == result["condition"]]
    return [one for one in run.samples if one.data == result["data"] and one.condition in names]


def _panels(run: Run, where: str, samples: list[Sample]) -> dict[str, Any]:
    """Write the panel of the first samples that have pictures; what W&B is to show."""
    import wandb

    panels: dict[str, Any] = {}
    first = {sample.id: sample for sample in reversed(samples)}  # of several draws the first
    for sample in [one for one in samples if first[one.id] is one][:PANELS]:
        tiles = sample_tiles(run, sample)
        if not tiles:
            continue
        folder = run.folder.joinpath("panels", *map(file_stem, where.split("/")))
        write_panel(folder / f"{sample.id}.png", tiles, with_bar=bool(sample.rd))
        caption = _caption(run, sample, tiles[0][1].size)
        image = wandb.Image(str(folder / f"{sample.id}.png"), caption=caption)
        panels["/".join(map(short, ("panels", *where.split("/"), sample.id)))] = image
    return panels


def _caption(run: Run, sample: Sample, size: tuple[int, int]) -> str:
    """Id, size, and the first metric of each method that fuses."""
    metric = run.metrics[0]
    values = ((one.name, sample.values.get(one.name, {})) for one in run.methods if one.is_fused)
    shown = [f"{name} {own[metric]:.2f}" for name, own in values if metric in own]
    return f"{sample.id}, {size[0]}×{size[1]}; {metric}: {', '.join(shown)}"
