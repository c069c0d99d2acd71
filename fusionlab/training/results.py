"""What a training ends with: the scores of the weights that are kept, written, printed, logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.data import Dataset

from fusionlab.console import ProgressBar, note
from fusionlab.data.crops import ENDLESS
from fusionlab.data.dataset import FusionDataset
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.program import cite_run, describe, finish, show
from fusionlab.evaluation.scoring import Scorer
from fusionlab.runs.files import write_json
from fusionlab.runs.provenance import provenance
from fusionlab.runs.run import PER_IMAGE, RD, SUMMARY, Method, of_all_processes, read_about, reading
from fusionlab.settings import Conditions
from fusionlab.tracking.evaluation import summary_values
from fusionlab.tracking.identity import data_name
from fusionlab.training.datamodule import FusionData
from fusionlab.training.fitting import Fitting
from fusionlab.training.module import FusionModule


def finished_training(settings: Namespace) -> Path | None:
    """The folder of a training to go on with, if it has ended and is not to last longer.

    It is left as it is; its results are shown again.
    """
    folder, trainer = Path(settings.resume), settings.trainer
    if not (folder / SUMMARY).is_file():
        return None
    about = read_about(folder)
    with reading(folder):
        before = about.get("settings", {}).get("trainer", {})
        lasted = (before.get("max_epochs"), before.get("max_steps"))
    if lasted != (trainer.max_epochs, trainer.max_steps) or not (
        about.get("results") or about.get("values")
    ):
        return None
    note(f"{folder} has finished; raise trainer.max_epochs or trainer.max_steps to train longer")
    if not getattr(rank_zero_only, "rank", 0):
        with reading(folder):
            _show(about, settings)
        if not settings.json:
            print(f"Weights, log, config and scores: {folder}")
    return folder


def _show(about: dict[str, Any], settings: Namespace) -> None:
    """Print what a training ended with, and its papers where they are asked for."""
    if settings.json or "values" not in about:
        show(about, settings.json)
    else:
        for name, value in about["values"].items():
            print(f"{name} on {about['counts']['validation']} held-out items: {value:.4f}")
    cite_run(about, settings)


class BenchResults:
    """The network on the bench, with the data to validate on.

    Args:
        module: What learns.
        dataset: The data to validate on.
        settings: The instantiated config.
        config: The same as YAML.

    Raises:
        InputError: If the network or a metric does not take a sample.
    """

    def __init__(
        self, module: FusionModule, dataset: FusionDataset, settings: Namespace, config: str
    ) -> None:
        self.module, self.dataset = module, dataset
        self.settings, self.config = settings, config
        self._bench().check()

    @property
    def monitor(self) -> str | None:
        """What the log calls the value by which the best epoch is kept."""
        return "val/PSNR_truth" if self.dataset.has_reference else None

    def about(self) -> dict[str, Any]:
        """What the summary says before there are results."""
        return describe(self._bench(), yaml.safe_load(self.config), "train")

    def write(self, fitting: Fitting, files: list[Path]) -> None:
        """Measure on all processes; write, print and log on the first.

        Args:
            fitting: The training, which has ended.
            files: What it saved, the network first.
        """
        folder, trainer = fitting.folder, fitting.trainer
        if trainer.is_global_zero:
            for name in (PER_IMAGE, RD):  # of the same training before it was resumed
                for path in folder.glob(of_all_processes(name)):
                    path.unlink()
        trainer.strategy.barrier()
        about = self.about()
        about["calibrated"] = self._measure(folder, trainer)
        trainer.strategy.barrier()
        if not trainer.is_global_zero:
            return
        content = finish(folder, about)
        _show(content, self.settings)
        if not self.settings.json:
            print(f"Weights, log, config and scores: {folder}")
        name = f"{self.module.network.name}-{data_name(content['data'])}"
        fitting.track(summary_values(content), files[0], name)

    def _measure(self, folder: Path, trainer: Trainer) -> list[dict[str, Any]]:
        """As an evaluation does, where the training ran; returns what was calibrated."""
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        found = measure(
            self._bench(),
            folder,
            {},
            device=trainer.strategy.root_device,
            rank=trainer.global_rank if together else 0,
            world_size=trainer.world_size if together else 1,
            precision=trainer.precision_plugin.forward_context,
        )
        calibrated = []
        with ProgressBar("Evaluating", len(self.dataset), "images") as bar:
            for count, lines in found:
                calibrated += lines
                bar.advance(count * (trainer.world_size if together else 1))
        return calibrated

    def _bench(self) -> Bench:
        """Made anew when it is asked for: it states the weights that the network has by then."""
        settings, dataset = self.settings, self.dataset
        return Bench(
            [self.module.methods],
            [],
            [dataset],
            conditions(Conditions(), dataset),
            Scorer(self.module.scorer.fusion.metrics, dataset.has_reference),
            settings.data.batch_size,
            settings.data.workers,
            pictures=False,
            limit=1 if settings.trainer.fast_dev_run else settings.trainer.limit_test_batches,
        )


class ObjectiveResults:
    """The values by which an objective judges what it has trained.

    Args:
        module: What learns.
        data: What it learns from and is validated on.
        settings: The instantiated config.
        config: The same as YAML.
    """

    def __init__(
        self, module: FusionModule, data: FusionData, settings: Namespace, config: str
    ) -> None:
        assert module.objective is not None
        self.module, self.objective, self.data = module, module.objective, data
        self.settings, self.config = settings, config
        self.name = f"{module.network.name}_{self.objective.name}"

    @property
    def monitor(self) -> str | None:
        """What the log calls the value by which the best epoch is kept."""
        return f"val/{self.objective.validates[0]}"

    def about(self) -> dict[str, Any]:
        """What the summary says before there are results."""
        made = {"name": self.name, "options": self.settings.training.options, "checkpoint": {}}
        return {
            "job": "train",
            "methods": [vars(Method(self.objective.name, "network", facts={"network": made}))],
            "settings": yaml.safe_load(self.config),
            "data": [self.data.datasets[0].describe()],  # type: ignore[attr-defined]
            **provenance(),
        }

    def write(self, fitting: Fitting, files: list[Path]) -> None:
        """Validate once more on all processes; write, print and log on the first.

        Args:
            fitting: The training, which has ended.
            files: What it saved.
        """
        (found,) = fitting.trainer.validate(self.module, self.data, verbose=False)
        if not fitting.trainer.is_global_zero:
            return
        values = {name: found[f"val/{name}"] for name in self.objective.validates}
        content = {**self.about(), "values": values, "counts": self._counts()}
        write_json(fitting.folder / SUMMARY, content)
        _show(content, self.settings)
        if not self.settings.json:
            print(f"Weights, log, config and scores: {fitting.folder}")
            if files and self.objective.next_command:
                print(f"Next: {self.objective.next_command.format(path=files[0])}")
        if files:
            fitting.track(dict(found), files[0], self.name)

    def _counts(self) -> dict[str, int]:
        learns_from: Dataset | None = self.data.learns_from
        named = {"training": learns_from, "validation": self.data.datasets[0]}
        counts = {name: len(one) for name, one in named.items()}  # type: ignore[arg-type]
        return {name: count for name, count in counts.items() if count < ENDLESS}
