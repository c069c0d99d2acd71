"""What an evaluation tells: its files of values, and its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

import fusionlab
from fusionlab.data.dataset import FusionDataset
from fusionlab.programs.provenance import provenance
from fusionlab.report.results import plain, summary, ttd_line, write_json, write_per_image
from fusionlab.report.run import PER_IMAGE, SUMMARY, THEOREM
from fusionlab.report.table import tables
from fusionlab.report.theorem import theorem_convention, theorem_line, write_theorem
from fusionlab.training.module import FusionModule
from fusionlab.training.scoreboard import Scores

Evaluated = list[tuple[FusionDataset, Scores]]


def write_results(
    folder: Path,
    module: FusionModule,
    datasets: list[FusionDataset],
    evaluated: Evaluated,
    config: str,
) -> dict[str, Any]:
    """Write ``per_image.csv``, ``theorem.csv`` if that was measured, and ``summary.json``.

    The last says what made the numbers. Before the evaluation, ``evaluated`` is empty and only it
    is written.

    Returns:
        The summary.
    """
    with_theorem = module.boards[0].theorem is not None
    if evaluated:
        write_per_image(folder / PER_IMAGE, evaluated, module.headings())
    if evaluated and with_theorem:
        write_theorem(folder / THEOREM, evaluated)
    conventions: dict[str, str] = {
        **module.conventions(),
        "fused images": "8 bit, luma; colour put back first"
        + ("; before, each stretched from its minimum to its maximum" if module.stretch else ""),
        "mean": "of the values of single images",
        "ms": "median over the images; without reading, colour and scoring",
    }
    if with_theorem and module.dynamic_options is not None:
        with_truth = any(dataset.has_reference for dataset in datasets)
        conventions["theorem"] = theorem_convention(module.dynamic_options, with_truth)
    content = {
        "job": "evaluate" if module.objective is None else "train",
        **module.describe(),
        "settings": yaml.safe_load(config),
        "data": [dataset.describe() for dataset in datasets],
        "directions": module.directions(),
        "conventions": conventions,
        **provenance(),
        "results": summary(evaluated),
    }
    write_json(folder / SUMMARY, content)
    return content


def print_json(content: dict[str, Any]) -> None:
    """Print a summary in place of tables."""
    print(json.dumps(plain(content), indent=2))


def show(module: FusionModule, evaluated: Evaluated) -> None:
    """Print which program and weights made the numbers, and the tables.

    Args:
        module: What fused.
        evaluated: Data sets and what was found on them.
    """
    console, network, ttd = Console(), module.network, module.dynamic_options
    name, commit = network.name.upper(), provenance()["commit"]
    options = ", ".join(f"{option} {value}" for option, value in network.options.items())
    checkpoint = network.checkpoint
    weights = f"{checkpoint['path']} ({checkpoint['sha256'][:8]})" if checkpoint else "untrained"
    range_ = ", each image stretched to the full range" if module.stretch else ""
    print(f"{name}{f' ({options})' if options else ''}, weights {weights}{range_}")
    if ttd is not None:
        print(f"TTD: {ttd_line(ttd)}")
    print(f"metrics: {module.boards[0].forms}")
    print(f"fusionlab {fusionlab.__version__}, commit {commit or 'unknown'}\n")
    for dataset, scores in evaluated:
        count = len(scores.indices["static"])
        images = "1 image" if count == 1 else f"{count} images"
        title = f"{dataset.task.upper()}: {dataset.name}, {images}"
        for table in tables(title, name, scores):
            console.print(table)
        if scores.theorem is not None:
            print(theorem_line(scores.theorem))
