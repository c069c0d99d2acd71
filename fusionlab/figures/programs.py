"""The programs behind ``python -m fusionlab.figures``: compute, draw, write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from jsonargparse import Namespace
from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.figures.panel import panel
from fusionlab.figures.probe_programs import (
    Drawn,
    Table,
    draw_contrast,
    draw_masking,
    draw_time,
)
from fusionlab.figures.samples import find_sample, fuse_sample, open_samples
from fusionlab.figures.side_by_side import side_by_side
from fusionlab.figures.writing import save, write
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.programs.inputs import check_source_counts
from fusionlab.programs.provenance import provenance
from fusionlab.training.module import FusionModule

SIDE_BY_SIDE = 4  # samples of a folder that fit beside each other


def draw(command: str, settings: Namespace) -> list[Path]:
    """Draw a figure; returns the files that it wrote.

    Args:
        command: ``panel``, ``rd``, ``masking``, ``contrast`` or ``time``.
        settings: Its instantiated options.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    network = settings.network
    built = create_network(network.name, network.checkpoint or BUNDLED, **network.options)
    datasets = open_samples(settings.data, built, settings.get("files") or ())
    check_source_counts(datasets, built)
    module = FusionModule(built, ttd=settings.ttd, stretch=network.stretch).eval()
    figure, table = PROGRAMS[command](module, datasets, settings)
    stem = Path(settings.output)
    stem = stem.with_suffix("") if stem.suffix in (".pdf", ".png") else stem
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    groups = ("network", "data", "ttd", "output")
    about = {
        "figure": command,
        "options": {key: value for key, value in vars(settings).items() if key not in groups},
        **module.describe(),
        "data": [dataset.describe() for dataset in datasets],
        **provenance(),
    }
    return [
        *save(figure, stem),
        write(stem, "csv", text.getvalue().encode()),
        write(stem, "json", json.dumps(about, indent=2, ensure_ascii=False).encode()),
    ]


def draw_panel(module: FusionModule, datasets: list[FusionDataset], settings: Namespace) -> Drawn:
    """One sample in full."""
    sample = fuse_sample(module, *find_sample(datasets, settings.id))
    rows = zip(sample.source_names, sample.losses, sample.weights, strict=True)
    table: Table = [("id", "source", "mean loss", "mean RD")]
    table += [(sample.id, name, mean(loss), mean(weight)) for name, loss, weight in rows]
    return panel(sample), table


def draw_rd(module: FusionModule, datasets: list[FusionDataset], settings: Namespace) -> Drawn:
    """Several samples side by side."""
    if settings.ids:
        found = [find_sample(datasets, id_) for id_ in settings.ids]
    elif len(datasets) > 1:
        found = [(dataset, 0) for dataset in datasets]
    else:
        found = [(datasets[0], k) for k in range(min(SIDE_BY_SIDE, len(datasets[0])))]
    samples = [fuse_sample(module, dataset, index) for dataset, index in found]
    table: Table = [("task", "id", "source", "mean RD", "least RD", "largest RD")]
    table += [
        (sample.task, sample.id, name, mean(rd), rd.min().item(), rd.max().item())
        for sample in samples
        for name, rd in zip(sample.source_names, sample.weights, strict=True)
    ]
    return side_by_side(samples), table


PROGRAMS: dict[str, Callable[[FusionModule, list[FusionDataset], Namespace], Drawn]] = {
    "panel": draw_panel,
    "rd": draw_rd,
    "masking": draw_masking,
    "contrast": draw_contrast,
    "time": draw_time,
}


def mean(values: Tensor) -> float:
    """Mean of a map."""
    return values.double().mean().item()
