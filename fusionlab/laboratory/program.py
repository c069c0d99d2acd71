"""The program behind ``python -m fusionlab.laboratory``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch
import yaml
from jsonargparse import Namespace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import fusionlab
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.laboratory.conditions import Condition, conditions
from fusionlab.laboratory.figures import write_figures
from fusionlab.laboratory.outcome import Measure, Outcome, as_csv, gather, summary
from fusionlab.laboratory.settings import choices
from fusionlab.laboratory.sweep import Row, Scorer, sweep
from fusionlab.laboratory.table import markdown, tables
from fusionlab.laboratory.times import TIMES, times
from fusionlab.metrics import FusionMetrics, open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.programs.inputs import check_datasets, check_source_counts, open_datasets
from fusionlab.programs.provenance import provenance
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.report.images import write_whole
from fusionlab.report.results import write_json
from fusionlab.report.rows import RowFile
from fusionlab.settings import TTD
from fusionlab.training.dynamic import dynamic_fusion

ROWS = "per_image.csv"
KEY = ("data", "condition", "draw", "id", "setting")
NOTE = (
    "Static means; below, each setting minus static, image by image, with 95 % bootstrap interval."
)


class Run:
    """An experiment, opened and checked; nothing is written yet.

    Args:
        settings: The instantiated config.

    Raises:
        InputError: If something cannot be used.
    """

    def __init__(self, settings: Namespace) -> None:
        if find_spec("matplotlib") is None:
            raise InputError("the figures need matplotlib; pip install matplotlib")
        self.settings, self.experiment = settings, settings.experiment
        self.labels: dict[str, TTD] = self.experiment.labelled()
        self.device = _device(settings.device)
        network = settings.network
        self.network: FusionNetwork = create_network(
            network.name, network.checkpoint or BUNDLED, **network.options
        )
        self.network.eval()
        stretch = self.network.stretched if network.stretch is None else network.stretch
        self.scorer = Scorer(open_metrics(settings.metrics.preset, settings.metrics.names), stretch)
        self.datasets: list[FusionDataset] = open_datasets(settings.data, self.network)
        check_datasets(self.datasets, FusionMetrics(self.scorer.metrics))
        check_source_counts(self.datasets, self.network)
        self.plan: list[Condition] = [
            one
            for dataset in self.datasets
            for one in conditions(self.experiment, dataset, self.network)
        ]
        for ttd in self.labels.values():
            dynamic_fusion(self.network, asdict(ttd))  # refuses what does not fit the network

    @property
    def measures(self) -> list[Measure]:
        """The columns of the values."""
        if self.experiment.repeats:
            return list(TIMES)
        truth = {one.name for one in self.scorer.truth}
        return [
            Measure(name, one.higher_is_better, name in truth)
            for name, one in self.scorer.by_name.items()
        ]

    def rows(self, one: Condition, done: set[tuple[str, str]]) -> Iterator[Row]:
        """What is missing of a condition."""
        network = one.network().to(self.device)
        if self.experiment.repeats:
            repeats = self.experiment.repeats
            return times(network, one.dataset, self.labels, repeats, done=done, device=self.device)
        data = self.settings.data
        return sweep(
            network,
            one.dataset,
            self.labels,
            self.scorer,
            done=done,
            batch_size=data.batch_size,
            workers=data.workers,
            device=self.device,
        )


def run(settings: Namespace, config: str) -> Path:
    """Run an experiment, or go on with one; print the tables and write the run folder.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    opened = Run(settings)
    folder = Path(settings.resume or run_folder(settings.output, "laboratory"))
    make(folder)
    if not settings.resume:
        write_whole(folder / "config.yaml", config.encode())
    rows = RowFile(folder / ROWS, KEY, [one.name for one in opened.measures])
    try:
        _fill(opened, rows)
    except KeyboardInterrupt:
        command = f"python -m fusionlab.laboratory --resume {folder}"
        print(f"interrupted; {command} goes on", file=sys.stderr)
        raise
    outcomes = gather(rows.values(), opened.plan, list(opened.labels), opened.measures)
    _report(folder, opened, outcomes, config)
    return folder


def _fill(opened: Run, rows: RowFile) -> None:
    """Compute the rows that the file lacks."""
    done = rows.keys()
    per_image = 1 + len(opened.labels)
    bars = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*bars, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        total = per_image * sum(len(one.dataset) for one in opened.plan)
        bar = progress.add_task("Fusing and scoring", total=total, completed=len(done))
        for one in opened.plan:
            place = (one.dataset.name, one.group, str(one.draw))
            have = {(key[3], key[4]) for key in done if key[:3] == place}
            if len(have) == per_image * len(one.dataset):
                continue
            for row in opened.rows(one, have):
                rows.append((*place, row.id, row.setting), row.values)
                progress.advance(bar)


def _report(folder: Path, opened: Run, outcomes: list[Outcome], config: str) -> None:
    experiment = opened.experiment
    write_whole(folder / "table.csv", as_csv(outcomes).encode())
    text = "\n".join([f"# {experiment.title}", "", NOTE, "", *map(markdown, outcomes)])
    write_whole(folder / "table.md", text.encode())
    content = {
        "title": experiment.title,
        "network": {**opened.network.describe(), "stretch": opened.scorer.stretch},
        "ttd": {
            label: choices(one.resolved(opened.network.takes_largest))
            for label, one in opened.labels.items()
        },
        "data": [dataset.describe() for dataset in opened.datasets],
        "settings": yaml.safe_load(config),
        "conventions": {name: one.convention for name, one in opened.scorer.by_name.items()},
        **provenance(),
        "results": summary(outcomes),
    }
    write_json(folder / "summary.json", content)
    write_figures(folder, experiment.title, outcomes, opened.labels)
    _show(opened, outcomes)
    print(f"table.md, table.csv, summary.json, figures, {ROWS}: {folder}")


def _show(opened: Run, outcomes: list[Outcome]) -> None:
    checkpoint = opened.network.checkpoint
    weights = f"{checkpoint['path']} ({checkpoint['sha256'][:8]})" if checkpoint else "untrained"
    commit = provenance()["commit"] or "unknown"
    print(f"{opened.experiment.title}\n{opened.network.name.upper()}, weights {weights}")
    print(f"fusionlab {fusionlab.__version__}, commit {commit}\n{NOTE}\n")
    console = Console()
    for outcome in outcomes:
        for part in tables(outcome):
            console.print(part)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as reason:  # an AssertionError where CUDA is not built in
        raise InputError(f"device {name} cannot be used ({reason}); try cpu") from None
