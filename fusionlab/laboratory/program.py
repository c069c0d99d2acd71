"""The program behind ``python -m fusionlab.laboratory``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
from fusionlab.laboratory.settings import Experiment, choices
from fusionlab.laboratory.sweep import STATIC, Row, Scorer, sweep
from fusionlab.laboratory.table import markdown, tables
from fusionlab.laboratory.times import TIMES, times
from fusionlab.metrics import FusionMetrics, open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.programs.evaluate import check_datasets, check_source_counts, open_datasets
from fusionlab.programs.provenance import provenance
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.report.images import write_whole
from fusionlab.report.results import write_json
from fusionlab.report.rows import RowFile
from fusionlab.settings import TTD

ROWS = "per_image.csv"
KEY = ("data", "condition", "draw", "id", "setting")


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
        for label, dynamic in self.labels.items():
            _check_setting(self.network, label, dynamic)

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
            return times(
                network, one.dataset, self.labels, repeats, done=done, device=self.device
            )
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
