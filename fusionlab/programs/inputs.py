"""The data of a program, opened and checked before anything is computed."""

from __future__ import annotations

from fusionlab.data.batches import SameShapeBatches
from fusionlab.data.dataset import (
    FolderDataset,
    FusionDataset,
    SceneDataset,
    open_folder,
    settle_colour,
)
from fusionlab.data.scenes import TASKS
from fusionlab.errors import InputError
from fusionlab.metrics import FusionMetrics
from fusionlab.networks import FusionNetwork
from fusionlab.notes import note
from fusionlab.settings import Data

LONGEST_NAME = 255  # bytes, of a file on the file systems in use


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
