"""The program behind evaluate.py."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import yaml
from jsonargparse import Namespace
from rich.console import Console

import fusionlab
from fusionlab.data.batches import SameShapeBatches
from fusionlab.data.datamodule import FusionData
from fusionlab.data.dataset import (
    FolderDataset,
    FusionDataset,
    SceneDataset,
    open_folder,
    settle_colour,
)
from fusionlab.data.scenes import TASKS
from fusionlab.errors import InputError
from fusionlab.metrics import FusionMetrics, open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.programs.notes import note
from fusionlab.programs.provenance import provenance
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.programs.trainer import build_trainer
from fusionlab.report.images import write_whole
from fusionlab.report.results import summary, write_json, write_per_image
from fusionlab.report.table import tables
from fusionlab.settings import Data
from fusionlab.training.module import FusionModule
from fusionlab.training.scoreboard import Scores
from fusionlab.training.writer import ImageWriter

LONGEST_NAME = 255  # bytes, of a file on the file systems in use


def evaluate(settings: Namespace, config: str) -> Path:
    """Evaluate, print the tables and write the run folder.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    if settings.get("fused") is not None:
        from fusionlab.programs.score import score

        return score(settings, config)
    if settings.get("allow_unmatched"):
        raise InputError("allow_unmatched is for scoring; set fused too, or leave it out")
    if settings.get("resume"):
        raise InputError("only scoring (fused) can be resumed; run the evaluation again")
    L.seed_everything(settings.seed, verbose=False)
    checkpoint = settings.network.checkpoint or BUNDLED
    network = create_network(settings.network.name, checkpoint, **settings.network.options)
    datasets = open_datasets(settings.data, network)
    metrics = open_metrics(settings.metrics.preset, settings.metrics.names)
    check_datasets(datasets, FusionMetrics(metrics))
    check_source_counts(datasets, network)
    module = FusionModule(network, ttd=settings.ttd, stretch=settings.network.stretch)
    module.score_on(datasets, metrics)
    writer = ImageWriter(run_folder(settings.output, "evaluate"), datasets)
    trainer = build_trainer(settings.trainer, [writer], Path(settings.output))
    check_share(datasets, settings.data.batch_size, trainer.world_size)
    make(writer.folder)
    trainer.test(module, FusionData(datasets, settings.data), verbose=False)
    evaluated = list(zip(datasets, module.tested, strict=True))
    if trainer.is_global_zero:
        write_whole(writer.folder / "config.yaml", config.encode())
        write_results(writer.folder, module, evaluated, config)
        show(module, evaluated)
        print(f"Images, RD maps, per_image.csv and summary.json: {writer.folder}")
    return writer.folder


def open_datasets(settings: Data, network: FusionNetwork) -> list[FusionDataset]:
    """The data of the config, in the colours that the network takes."""
    return open_data(settings, network.rgb_tasks, network.channels)


def open_data(
    settings: Data, rgb_tasks: frozenset[str], channels: tuple[int, ...]
) -> list[FusionDataset]:
    """The folder of the config, or the built-in scenes of its task, or of all tasks."""
    if settings.root is not None:
        return [open_folder(settings, rgb_tasks, channels)]
    tasks = [settings.task] if settings.task else TASKS
    return [
        SceneDataset(task, settle_colour(settings.colour, task, rgb_tasks, channels))
        for task in tasks
    ]


def check_datasets(datasets: list[FusionDataset], metrics: FusionMetrics) -> None:
    """Find unusable images before anything is computed; say what was found and what ignored.

    Args:
        datasets: What is to be evaluated.
        metrics: What will be measured.

    Raises:
        InputError: Naming the first file that is broken or too small for a metric.
    """
    for dataset in datasets:
        for name, sources in zip(dataset.ids, dataset.source_names, strict=True):
            if len(f".{name}-{max(sources, key=len)}.png.partial".encode()) > LONGEST_NAME:
                raise InputError(f"{name} in {dataset.name} is too long a name; shorten it")
        for name, (height, width) in zip(dataset.ids, dataset.sizes, strict=True):
            metrics.check_image(f"{name} in {dataset.name}", height, width)
        if isinstance(dataset, FolderDataset):
            dataset.check_files()
            note(dataset.found())


def check_source_counts(datasets: list[FusionDataset], network: FusionNetwork) -> None:
    """Some networks take two sources and no other number.

    Raises:
        InputError: Naming the first sample with another number.
    """
    for dataset in datasets:
        for name, sources in zip(dataset.ids, dataset.source_names, strict=True):
            if network.source_count not in (None, len(sources)):
                raise InputError(
                    f"{network.name} takes exactly {network.source_count} sources, {name} in "
                    f"{dataset.name} has {len(sources)}; choose other data or another network"
                )


def check_share(datasets: list[FusionDataset], batch_size: int, processes: int) -> None:
    """Lightning cannot give a process no batch at all.

    Raises:
        InputError: If a data set has fewer batches than there are processes.
    """
    for dataset in datasets:
        batches = len(SameShapeBatches(dataset, batch_size))
        if batches < processes:
            raise InputError(
                f"{dataset.name} has {batches} batches for {processes} processes; "
                "lower trainer.devices"
            )


def write_results(
    folder: Path, module: FusionModule, evaluated: list[tuple[FusionDataset, Scores]], config: str
) -> None:
    """Write ``per_image.csv`` and ``summary.json``, which says what made the numbers."""
    write_per_image(folder / "per_image.csv", evaluated)
    conventions = {
        **module.conventions(),
        "fused images": "8 bit, luma; colour put back first"
        + ("; before, each stretched from its minimum to its maximum" if module.stretch else ""),
        "mean": "of the values of single images",
        "ms": "median over the images; without reading, colour and scoring",
    }
    content = {
        **module.describe(),
        "settings": yaml.safe_load(config),
        "conventions": conventions,
        **provenance(),
        "results": summary(evaluated),
    }
    write_json(folder / "summary.json", content)


def show(module: FusionModule, evaluated: list[tuple[FusionDataset, Scores]]) -> None:
    """Print which program and weights made the numbers, and the tables."""
    console, network, ttd = Console(), module.network, module.dynamic_options
    name, commit = network.name.upper(), provenance()["commit"]
    options = ", ".join(f"{option} {value}" for option, value in network.options.items())
    checkpoint = network.checkpoint
    weights = f"{checkpoint['path']} ({checkpoint['sha256'][:8]})" if checkpoint else "untrained"
    range_ = ", each image stretched to the full range" if module.stretch else ""
    print(f"{name}{f' ({options})' if options else ''}, weights {weights}{range_}")
    if ttd is not None:
        print(
            f"TTD: {ttd['loss']} loss, temperature {ttd['temperature']:g}, {ttd['form']}, "
            f"{ttd['normalization']}, {ttd['correlation']} correlation"
        )
    print(f"metrics: {module.boards[0].forms}")
    print(f"fusionlab {fusionlab.__version__}, commit {commit or 'unknown'}\n")
    for dataset, scores in evaluated:
        count = len(scores.indices["static"])
        images = "1 image" if count == 1 else f"{count} images"
        title = f"{dataset.task.upper()}: {dataset.name}, {images}"
        for table in tables(title, name, scores):
            console.print(table)
