"""A finished evaluation as Weights & Biases shows it: summary, table, panels, RD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from fusionlab.report.run import EvaluationRun, Sample
from fusionlab.tracking.dominability import log_dominability
from fusionlab.tracking.identity import identify, short
from fusionlab.tracking.image_table import image_table
from fusionlab.tracking.logger import Tracker
from fusionlab.tracking.opening import open_tracker
from fusionlab.tracking.panels import Tile, difference_tile, write_panel

PANELS = 8  # the first samples of each data set, the same in every run


def track_evaluation(mode: str | None, folder: Path) -> None:
    """Open a W&B run for an evaluation's folder, log it all and close it; on the first process.

    Args:
        mode: As for :func:`open_tracker`.
        folder: The run folder of a finished evaluation.
    """
    run = EvaluationRun.open(folder)
    tracker = open_tracker(mode, folder, "evaluate", identify(run.about))
    if tracker is not None:
        log_evaluation(tracker, run)
        tracker.finish()


def log_evaluation(tracker: Tracker, run: EvaluationRun) -> None:
    """Log a finished evaluation.

    The summary gets :func:`summary_values`. There are a table of all images,
    ``test/<task>/per_image``; panels of the first ones, ``panels/<task>/<id>``, also as files below
    ``panels/`` in the run folder; histograms and scatter plots of RD, ``rd/<task>/…``.

    Args:
        tracker: An open one.
        run: The evaluation.
    """
    tracker.attempt(lambda wb: wb.summary.update(summary_values(run.about)))
    for data in run.about["results"]:
        samples = [one for one in run.samples if one.data == data["data"]["name"]]
        _log_samples(tracker, run, data["data"]["task"], samples)


def summary_values(about: dict[str, Any]) -> dict[str, Any]:
    """The results of a ``summary.json`` as the W&B run's summary has them.

    By task the means of ``static`` and ``ttd``, their ``difference``, the share of images
    ``improved``, the median ``ms`` and, if it was measured, the ``theorem`` of TTD; besides, each
    metric's ``direction`` and ``convention``.
    """
    values: dict[str, Any] = {}
    for metric, direction in about["directions"].items():
        values[f"direction/{metric}"] = direction
        values[f"convention/{metric}"] = about["conventions"][metric]
    for result in about["results"]:
        prefix = f"test/{result['data']['task']}"
        values[f"{prefix}/images"] = result["images"]
        for row, milliseconds in result["median_ms_per_image"].items():
            values[f"{prefix}/{row}/ms"] = milliseconds
            for metric, mean in result["means"][row].items():
                values[f"{prefix}/{row}/{metric}"] = _number(mean)
        for metric, found in result["ttd_minus_static"].items():
            values[f"{prefix}/difference/{metric}"] = _number(found["mean"])
            values[f"{prefix}/improved/{metric}"] = _number(found["improved"])
        for name, mean in _theorem_values(result.get("theorem") or {"sources": {}}):
            values[f"{prefix}/theorem/{name}"] = _number(mean)
    return values


def _theorem_values(found: dict[str, Any]) -> Iterator[tuple[str, float | str | None]]:
    """``covariance/ir``, … of each source, then ``static_bound``, … of the images."""
    for source, means in found["sources"].items():
        yield from ((f"{value}/{source}", mean) for value, mean in means.items())
    yield from ((value, mean) for value, mean in found.items() if value != "sources")


def _log_samples(tracker: Tracker, run: EvaluationRun, task: str, samples: list[Sample]) -> None:
    tracker.attempt(lambda wb: wb.log({f"test/{task}/per_image": image_table(run, samples)}))
    tracker.attempt(lambda wb: wb.log(_panels(run, samples[:PANELS])))
    arrays = [run.folder / one.arrays for one in samples if "ttd" in one.values]
    if arrays:
        tracker.attempt(lambda wb: log_dominability(wb, task, arrays))


def _panels(run: EvaluationRun, samples: list[Sample]) -> dict[str, Any]:
    """Write the panel of each sample; what W&B is to show."""
    import wandb

    panels: dict[str, Any] = {}
    for sample in samples:
        tiles = _tiles(run.folder, sample)
        path = run.folder / "panels" / sample.task / f"{sample.id}.png"
        write_panel(path, tiles, with_bar="ttd" in sample.values)
        width, height = tiles[0][1].size
        entropy = [sample.values[row].get("EN") for row in sample.fused_rows]
        shown = " → ".join(f"{value:.2f}" for value in entropy if value is not None)
        caption = f"{sample.id}, {width}×{height}" + (f", EN {shown}" if shown else "")
        panels[f"panels/{sample.task}/{short(sample.id)}"] = wandb.Image(str(path), caption=caption)
    return panels


def _tiles(folder: Path, sample: Sample) -> list[Tile]:
    """Sources | static | ttd | difference | RD of each source; what has not been written lacks."""
    files = [(name, sample.source(name)) for name in sample.source_names]
    files += [(row, sample.image(row)) for row in sample.fused_rows]
    tiles: list[Tile] = [
        (name, Image.open(folder / path)) for name, path in files if (folder / path).exists()
    ]
    if "ttd" in sample.values:
        tiles.append(difference_tile(*(picture for _, picture in tiles[-2:])))
        maps = [(name, folder / sample.weight_map(name)) for name in sample.source_names]
        tiles += [(f"RD {name}", Image.open(path)) for name, path in maps]
    return tiles


def _number(value: float | str | None) -> float:
    """What the summary's JSON wrote as null or text."""
    return float("nan") if value is None else float(value)
