"""The programs of masking, contrast and time: probe, draw, tabulate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jsonargparse import Namespace
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.figures.masking import masking
from fusionlab.figures.probes import (
    Box,
    corrupted_dominability,
    dominability_over_time,
    dominability_under,
    masked_dominability,
)
from fusionlab.figures.samples import find_sample, find_source, fuse_sample
from fusionlab.figures.severity import severity
from fusionlab.figures.timeline import timeline
from fusionlab.notes import note
from fusionlab.training.module import FusionModule
from fusionlab.ttd import TestTimeDynamicFusion

Table = list[Sequence[object]]  # of a CSV file, its heading first
Drawn = tuple[Figure, Table]


def draw_masking(module: FusionModule, datasets: list[FusionDataset], settings: Namespace) -> Drawn:
    """One source with a masked region."""
    if not 0 <= settings.value <= 1:
        raise InputError(f"value must be from 0 to 1, got {settings.value}")
    dataset, index = find_sample(datasets, settings.id)
    source = find_source(dataset, index, settings.source)
    sources = dataset[index]["sources"]
    box = Box.within(settings.box, *sources.shape[-2:])
    masked = masked_dominability(dynamic(module), sources, source, box, settings.value)
    name = dataset.source_names[index][source]
    edges = (box.left, box.top, box.right, box.bottom)
    heading = ("id", "source", "left", "top", "right", "bottom", "RD before", "RD after")
    row = (dataset.ids[index], name, *edges, *masked.inside)
    return masking(sources[source], masked, name), [heading, row]


def draw_contrast(
    module: FusionModule, datasets: list[FusionDataset], settings: Namespace
) -> Drawn:
    """One source of every sample, corrupted more and more."""
    dataset, shown = find_sample(datasets, settings.id)
    source = find_source(dataset, shown, settings.source)
    name = dataset.source_names[shown][source]
    count = len(dataset.source_names[shown])  # equal weights are 1/M: another M is another curve
    alike = [k for k, names in enumerate(dataset.source_names) if len(names) == count]
    if len(alike) < len(dataset):
        note(f"left out for not having {count} sources: {len(dataset) - len(alike)} samples")
    every = [(k, find_source(dataset, k, name)) for k in alike]
    network = dynamic(module)
    samples = ((dataset[k]["sources"], one) for k, one in tracked(every))
    curve = dominability_under(network, samples, settings.corruption)
    sources = dataset[shown]["sources"]
    steps = [
        corrupted_dominability(network, sources, source, settings.corruption, step)
        for step in curve.severities
    ]
    table: Table = [
        ("severity", "mean RD", "95 % from", "95 % to", *(dataset.ids[k] for k in alike))
    ]
    table += zip(curve.severities, *curve.band(), *curve.per_image, strict=True)
    images, maps = zip(*steps, strict=True)
    figure = severity(images, maps, curve, name, settings.corruption, 1 / len(sources))
    return figure, table


def draw_time(module: FusionModule, datasets: list[FusionDataset], settings: Namespace) -> Drawn:
    """The samples of a data set as frames of a sequence."""
    dataset = datasets[0]
    names = dataset.source_names[0]
    for id_, others in zip(dataset.ids, dataset.source_names, strict=True):
        if others != names:
            raise InputError(
                f"{id_} has the sources {', '.join(others)}, {dataset.ids[0]} has "
                f"{', '.join(names)}; frames need the same, set data.sources"
            )
    if settings.frames < 1:
        raise InputError(f"frames must be at least 1, got {settings.frames}")
    frames = (dataset[k]["sources"] for k in tracked(range(len(dataset))))
    means = dominability_over_time(dynamic(module), frames)
    indices = np.linspace(0, len(dataset) - 1, min(settings.frames, len(dataset)))
    shown = [(int(k), fuse_sample(module, dataset, int(k))) for k in indices.round()]
    table: Table = [("frame", "id", *(f"mean RD of {name}" for name in names))]
    table += [(k + 1, dataset.ids[k], *map(float, row)) for k, row in enumerate(means)]
    return timeline(means, names, shown), table


def dynamic(module: FusionModule) -> TestTimeDynamicFusion:
    """Test-time dynamic fusion with the module's settings."""
    assert module.dynamic_options is not None
    return TestTimeDynamicFusion(module.network, **module.dynamic_options)


def tracked(samples: Sequence[Any]) -> Iterable[Any]:
    """The same with a progress bar where somebody watches."""
    console = Console(stderr=True)
    hidden = not console.is_terminal
    return track(samples, "fusing", console=console, transient=True, disable=hidden)
