"""What every training does: a folder, checkpoints, a log, and going on after an interruption."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from fusionlab.errors import InputError
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.programs.trainer import build_trainer
from fusionlab.report.images import write_whole
from fusionlab.tracking.checkpoints import log_checkpoint
from fusionlab.tracking.identity import identify
from fusionlab.tracking.logger import Tracker
from fusionlab.tracking.opening import open_tracker
from fusionlab.training.gradient_norm import GradientNorm
from fusionlab.training.throughput import Throughput

LAST = "last.ckpt"


class Fitting:
    """A training run: where it is kept, and how it is run.

    Args:
        settings: The instantiated config.
        config: The same as YAML.
        monitor: What the log calls the value by which the best epoch is kept, higher is better;
            None keeps the last epoch, as papers without a ground truth do.
        callbacks: Others than those every training has.
        unused_parameters: Whether some step leaves parameters without a gradient.
    """

    def __init__(
        self,
        settings: Namespace,
        config: str,
        monitor: str | None,
        callbacks: list[Callback] | None = None,
        unused_parameters: bool = False,
    ) -> None:
        self.resumed = None if settings.resume is None else Path(settings.resume) / LAST
        self.folder = self.resumed.parent if self.resumed else run_folder(settings.output, "train")
        _check_schedule(settings, monitor)
        self.checkpoints = _checkpoints(self.folder, monitor)
        self.mode = "disabled" if settings.trainer.fast_dev_run else settings.wandb
        self.tracker: Tracker | None = None
        rates = [LearningRateMonitor(), GradientNorm(), Throughput(settings.training.batch_size)]
        own = [*self.checkpoints, *rates, _SaveConfig(self.folder, config)]
        self.trainer = build_trainer(
            settings.trainer,
            [*own, *(callbacks or [])],
            self.folder,
            CSVLogger(self.folder, name="log"),
            unused_parameters,
            settings.quiet,
        )

    def fit(
        self, module: L.LightningModule, data: L.LightningDataModule, about: dict[str, Any]
    ) -> None:
        """Make the folder and train; say how to go on when interrupted.

        Args:
            module: What learns.
            data: From what.
            about: What the summary will say of them, before there are results.

        Raises:
            InputError: If Lightning refuses the settings.
        """
        make(self.folder)
        self.tracker = open_tracker(self.mode, self.folder, "train", identify(about))
        if self.tracker is not None:
            self.trainer.loggers = [*self.trainer.loggers, self.tracker]
        try:
            self.trainer.fit(module, data, ckpt_path=self.resumed, weights_only=True)
        except MisconfigurationException as reason:
            text = " ".join(str(reason).split())
            raise InputError(f"trainer: Lightning refuses the settings: {text}") from None
        except SystemExit:  # how Lightning answers Ctrl-C
            if (self.folder / LAST).is_file():
                resume = f"python train.py --resume {self.folder}"
                print(f"interrupted; {resume} goes on", file=sys.stderr)
            if self.tracker is not None:
                self.tracker.finish()
            raise

    def track(self, scores: dict[str, Any], weights: Path, name: str) -> None:
        """Log scores and weights, and end the W&B run; on the first process.

        Args:
            scores: Of the weights, for the summary.
            weights: The file, which must not change any more.
            name: What they are called.
        """
        if self.tracker is not None:
            alias = "last" if len(self.checkpoints) == 1 else "best"
            self.tracker.attempt(lambda run: run.summary.update(scores))
            log_checkpoint(self.tracker, weights, name, scores, alias)
            self.tracker.finish()

    @property
    def kept(self) -> Path | None:
        """The checkpoint to use; None after a fast_dev_run."""
        path = self.checkpoints[-1].best_model_path
        return Path(path) if path else None

    @property
    def best_score(self) -> float:
        """The best of the monitored values; NaN after a fast_dev_run."""
        score = self.checkpoints[-1].best_model_score
        return float("nan") if score is None else float(score)


def _check_schedule(settings: Namespace, monitor: str | None) -> None:
    trainer = settings.trainer
    if settings.training.schedule == "late" and trainer.max_steps != -1:
        raise InputError(
            "training.schedule late counts epochs; set trainer.max_epochs in place of max_steps"
        )
    if monitor and trainer.check_val_every_n_epoch > trainer.max_epochs:
        raise InputError(
            f"no epoch of {trainer.max_epochs} is validated, by which the best is kept; lower "
            "trainer.check_val_every_n_epoch"
        )


def _checkpoints(folder: Path, monitor: str | None) -> list[ModelCheckpoint]:
    """Keeps ``last.ckpt`` and, with a monitor, ``best.ckpt``; the last of them is to be used."""
    last = ModelCheckpoint(
        dirpath=folder,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    if monitor is None:
        return [last]
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=monitor,
        mode="max",
        enable_version_counter=False,
    )
    return [last, best]


class _SaveConfig(Callback):
    """Writes the resolved config beside the checkpoints when training starts."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder, self.config = folder, config

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            write_whole(self.folder / "config.yaml", self.config.encode())
