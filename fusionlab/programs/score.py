"""The program behind ``evaluate.py --fused``: score anybody's fused images."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
import yaml
from jsonargparse import Namespace
from rich.console import Console

import fusionlab
from fusionlab.data.colour import grey_levels
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.fused import FusedFolder, open_fused
from fusionlab.data.images import read_image
from fusionlab.errors import InputError
from fusionlab.metrics import FusionMetrics, open_metrics
from fusionlab.metrics.base import ImageMean
from fusionlab.notes import note
from fusionlab.programs.inputs import check_datasets, open_data
from fusionlab.programs.outcome import print_json
from fusionlab.programs.progress import ProgressBar
from fusionlab.programs.provenance import provenance
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.report.comparison import MethodScores, comparison_tables, summary
from fusionlab.report.images import write_whole
from fusionlab.report.results import write_json
from fusionlab.report.rows import RowFile
from fusionlab.settings import Network

ROWS = "per_image.csv"


@dataclass(frozen=True)
class Task:
    """One image to score."""

    method: str
    index: int
    path: Path


def score(settings: Namespace, config: str) -> Path:
    """Score folders of fused images, print one table and write the run folder.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    check_settings(settings)
    metrics = open_metrics(settings.metrics.preset, settings.metrics.names)
    (dataset,) = open_data(settings.data, frozenset(), (1, 3))
    check_datasets([dataset], FusionMetrics(metrics))
    folders = open_fused(settings.fused, dataset, settings.allow_unmatched)
    for line in (line for folder in folders for line in folder.notes()):
        note(line)
    folder = Path(settings.resume) if settings.resume else run_folder(settings.output, "score")
    make(folder)
    if not settings.resume:
        write_whole(folder / "config.yaml", config.encode())
    columns = [f"{metric.name}:{metric.convention_name}" for metric in metrics]
    rows = RowFile(folder / ROWS, ("method", "id"), columns)
    try:
        _score_all(dataset, folders, metrics, rows, settings.data.workers, settings.quiet)
    except KeyboardInterrupt:
        print(f"interrupted; python evaluate.py --resume {folder} goes on", file=sys.stderr)
        raise
    _report(folder, dataset, folders, metrics, rows, config, settings.json)
    return folder


def _score_all(
    dataset: FusionDataset,
    folders: list[FusedFolder],
    metrics: list[ImageMean],
    rows: RowFile,
    workers: int,
    quiet: bool,
) -> None:
    done = rows.keys()
    tasks = [
        Task(folder.name, index, path)
        for folder in folders
        for index, path in folder.paths.items()
        if (folder.name, dataset.ids[index]) not in done
    ]
    with ProgressBar("Scoring", len(tasks), "images", hidden=quiet) as bar:
        for task, values in _results(dataset, tasks, metrics, workers):
            rows.append((task.method, dataset.ids[task.index]), values)
            bar.advance()


def _results(
    dataset: FusionDataset, tasks: list[Task], metrics: list[ImageMean], workers: int
) -> Iterator[tuple[Task, list[float]]]:
    """Tasks in their order, with the values of their images."""
    if workers == 0:
        for task in tasks:
            yield task, _values(dataset, task, metrics)
        return
    choice = [(type(metric), metric.convention_name) for metric in metrics]
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_prepare, initargs=(dataset, choice)
    ) as pool:
        # Ctrl-C is for this process; others inherit what is ignored while they start
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        values = pool.map(_values_of_prepared, tasks)
        signal.signal(signal.SIGINT, interrupted)
        try:
            yield from zip(tasks, values, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


_prepared: list[tuple[FusionDataset, list[ImageMean]]] = []  # in a worker, what it works on


def _prepare(dataset: FusionDataset, choice: list[tuple[type[ImageMean], str]]) -> None:
    torch.set_num_threads(1)
    _prepared.append((dataset, [metric(convention) for metric, convention in choice]))


def _values_of_prepared(task: Task) -> list[float]:
    dataset, metrics = _prepared[0]
    return _values(dataset, task, metrics)


def _values(dataset: FusionDataset, task: Task, metrics: list[ImageMean]) -> list[float]:
    """One image through every metric."""
    fused = grey_levels(read_image(task.path)[None]).float()
    sources = dataset[task.index]["grey"][None].float()
    scores = FusionMetrics(metrics)
    scores.update(fused, sources)
    return scores.per_image()[1][0].tolist()


def _report(
    folder: Path,
    dataset: FusionDataset,
    folders: list[FusedFolder],
    metrics: list[ImageMean],
    rows: RowFile,
    config: str,
    as_json: bool,
) -> None:
    """Print the tables and write ``summary.json``."""
    table = FusionMetrics(metrics)
    scores = MethodScores.of(
        rows.values(), [one.name for one in folders], dataset.ids, table.metrics_by_name()
    )
    content = {
        "fused": {one.name: one.describe() for one in folders},
        "data": dataset.describe(),
        "settings": yaml.safe_load(config),
        "conventions": table.conventions,
        **provenance(),
        "results": summary(scores),
    }
    write_json(folder / "summary.json", content)
    if as_json:
        print_json(content)
        return
    print(f"fusionlab {fusionlab.__version__}, commit {provenance()['commit'] or 'unknown'}")
    console = Console()
    print(f"metrics: {table.forms}")
    for part in comparison_tables(f"{dataset.task.upper()}: {dataset.name}", scores):
        console.print(part)
    print(f"{ROWS} and summary.json: {folder}")


def check_settings(settings: Namespace) -> None:
    """Refuse settings that scoring would not read.

    Raises:
        InputError: Naming the first.
    """
    if not settings.fused:
        raise InputError("fused names no folder; give some, or leave it out")
    if settings.data.root is None and settings.data.task is None:
        raise InputError("--fused needs data.root, the folder of what was fused")
    unread = {
        "ttd": settings.ttd is not None,
        "wandb": settings.wandb not in (None, "disabled"),
        "network": settings.network != Network(),
        "trainer.limit_test_batches": repr(settings.trainer.limit_test_batches) != "1.0",
        "trainer.fast_dev_run": settings.trainer.fast_dev_run,
        "data.colour": settings.data.colour != "auto",
        "data.batch_size": settings.data.batch_size != 1,
    }
    for name, given in unread.items():
        if given:
            raise InputError(f"--fused scores images that are there and ignores {name}; unset it")
