"""What every training does: a folder, checkpoints, a log, and going on after an interruption."""

from __future__ import annotations

import logging
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import (
    Callback,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import DDPStrategy

from fusionlab.errors import InputError
from fusionlab.runs.files import write_atomic
from fusionlab.runs.folder import make, run_folder
from fusionlab.settings import Trainer
from fusionlab.tracking.checkpoints import log_checkpoint
from fusionlab.tracking.identity import identify
from fusionlab.tracking.logger import Tracker
from fusionlab.tracking.opening import open_tracker
from fusionlab.training.callbacks import GradientNorm, Throughput

LAST = "last.ckpt"
FIND_UNUSED = "_find_unused_parameters_true"  # ending of Lightning's strategies that look for them


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
        _check_epochs(settings, monitor)
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
        if self.trainer.is_global_zero:
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
                print(
                    f"interrupted; fusionlab train --resume {self.folder} goes on", file=sys.stderr
                )
            if self.tracker is not None:
                self.tracker.finish()
            raise
        self.folder = Path(self.trainer.strategy.broadcast(str(self.folder)))

    def load_kept(self, module: L.LightningModule) -> None:
        """Give a module the weights to use; after a fast_dev_run it has those that there are."""
        path = self.checkpoints[-1].best_model_path
        if path:
            content = torch.load(path, map_location="cpu", weights_only=True)
            module.load_state_dict(content["state_dict"])

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


def build_trainer(
    settings: Trainer,
    callbacks: list[Callback],
    root: Path,
    logger: Any = False,
    unused_parameters: bool = False,
    quiet: bool = False,
) -> L.Trainer:
    """A Trainer with our callbacks, a progress bar on stderr, and no sampler of its own.

    Args:
        settings: The ``trainer`` group of the config.
        callbacks: In their order.
        root: Folder of whatever Lightning writes.
        logger: Lightning's argument.
        unused_parameters: Whether some step leaves parameters without a gradient, which DDP has to
            know.
        quiet: Whether there is no progress bar.

    Raises:
        InputError: If Lightning refuses a setting.
    """
    _silence()
    try:
        bar = [] if quiet else [_ProgressBar(console_kwargs={"stderr": True})]
        callbacks = [*callbacks, *bar]
        trainer = _build(settings, callbacks, root, logger)
        if unused_parameters and isinstance(trainer.strategy, DDPStrategy):
            named = "ddp" if settings.strategy == "auto" else settings.strategy
            told = replace(settings, strategy=named.split("_find")[0] + FIND_UNUSED)
            trainer = _build(told, callbacks, root, logger)
        return trainer
    except (MisconfigurationException, ValueError, RuntimeError) as reason:
        text = " ".join(str(reason).split())
        raise InputError(f"trainer: Lightning refuses the settings: {text}") from None


def _silence() -> None:
    """What Lightning says of things that are as they should be."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for text in (
        "does not have many workers",
        "DistributedSampler",  # ours repeats nothing
        "isinstance.treespec, LeafSpec",
        "exists and is not empty",  # the run folder, just made
        "smaller than the logging interval",
        "in eval mode at the start of training",  # frozen parts of an objective
        "sync_dist=True",  # all processes have the same means
    ):
        warnings.filterwarnings("ignore", message=f".*{text}.*")


def _build(settings: Trainer, callbacks: list[Callback], root: Path, logger: Any) -> L.Trainer:
    return L.Trainer(
        **asdict(settings),
        callbacks=callbacks,
        enable_progress_bar=any(isinstance(one, _ProgressBar) for one in callbacks),
        logger=logger,
        default_root_dir=root,
        use_distributed_sampler=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


def _check_epochs(settings: Namespace, monitor: str | None) -> None:
    trainer = settings.trainer
    if settings.training.schedule.casefold() == "late" and trainer.max_steps != -1:
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
            write_atomic(self.folder / "config.yaml", self.config.encode())


class _ProgressBar(RichProgressBar):
    """Without the number of the log's version."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
