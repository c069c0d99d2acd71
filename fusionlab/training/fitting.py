"""What every training does: a folder, checkpoints, a log, and going on after an interruption."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from fusionlab.ending import raise_terminated, say
from fusionlab.errors import InputError
from fusionlab.evaluation.clusters import check_world, cluster
from fusionlab.runs.files import write_atomic
from fusionlab.runs.folder import locked, make, run_folder
from fusionlab.runs.provenance import threads_of_each_process
from fusionlab.settings import Trainer
from fusionlab.settings.yaml_text import TRAINED
from fusionlab.tracking.checkpoints import log_checkpoint
from fusionlab.tracking.identity import identify
from fusionlab.tracking.logger import Tracker
from fusionlab.tracking.opening import open_tracker
from fusionlab.training.callbacks import GradientNorm, Throughput
from fusionlab.training.checkpoints import (
    LAST,
    KeepBest,
    KeepLast,
    WholeFiles,
    check_fits,
    last_checkpoint,
)
from fusionlab.training.length import StopAtStep
from fusionlab.training.requeue import SaveBetweenSteps

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
        self.resumed = None if settings.resume is None else Path(settings.resume)
        self.folder = self.resumed or run_folder(settings.output, "train")
        _check_epochs(settings, monitor)
        self.best = KeepBest(self.folder, monitor) if monitor else None
        self.last = KeepLast(self.folder)
        self.mode = "disabled" if settings.trainer.fast_dev_run else settings.wandb
        self.tracker: Tracker | None = None
        rates = [GradientNorm(), Throughput(settings.training.batch_size)]
        if settings.trainer.logger and not settings.trainer.fast_dev_run:
            rates.insert(0, LearningRateMonitor())
        own = [
            *filter(None, [self.best]),
            self.last,
            SaveBetweenSteps(),
            *rates,
            _SaveConfig(self.folder, config),
            _AsOurs(),
        ]
        self.trainer = build_trainer(
            settings.trainer,
            [*own, *(callbacks or [])],
            self.folder,
            CSVLogger(self.folder, name="log"),
            unused_parameters,
            settings.quiet,
        )
        check_world(self.trainer.strategy, settings.trainer.num_nodes)

    @contextmanager
    def folder_alone(self) -> Iterator[None]:
        """Make the folder, to which no other program writes within the block.

        Raises:
            InputError: If it cannot be made, or another program writes to it.
        """
        if not self.trainer.is_global_zero:
            yield
            return
        make(self.folder)
        with locked(self.folder):
            yield

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
        checkpoint = None
        if self.resumed is None and (self.folder / LAST).is_file():
            self.resumed = self.folder  # a job that SLURM has queued again
        if self.resumed is not None:
            checkpoint, content = last_checkpoint(self.resumed)
            check_fits(checkpoint, content, module)
        self.tracker = open_tracker(self.mode, self.folder, "train", identify(about))
        if self.tracker is not None:
            self.trainer.loggers = [*self.trainer.loggers, self.tracker]
        try:
            self.trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
        except MisconfigurationException as reason:
            text = " ".join(str(reason).split())
            raise InputError(f"trainer: Lightning refuses the settings: {text}") from None
        except InputError:
            raise
        except BaseException as reason:
            self._end_early(everywhere=isinstance(reason, RuntimeError))
            if isinstance(reason, SystemExit) and isinstance(reason.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None  # how Lightning answers Ctrl-C
            raise
        self.folder = Path(self.trainer.strategy.broadcast(str(self.folder)))

    def _end_early(self, everywhere: bool) -> None:
        """Say how to go on, end the other processes and the W&B run.

        Args:
            everywhere: Whether every process says it: the first one may have died.
        """
        if (self.trainer.is_global_zero or everywhere) and (self.folder / LAST).is_file():
            say(f"interrupted; fusionlab train --resume {self.folder} goes on")
        if self.trainer.strategy.launcher is not None:
            self.trainer.strategy.launcher.kill(signal.SIGTERM)
        if self.tracker is not None:
            self.tracker.finish()

    def load_kept(self, module: L.LightningModule) -> None:
        """Give a module the weights of the best epoch; without one it has those of the last."""
        path = self.best.best_model_path if self.best else ""
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
            alias = "best" if self.best else "last"
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
        "your dataloader is not resumable",  # ours leaves out what an interrupted epoch has seen
        "in eval mode at the start of training",  # frozen parts of an objective
        "sync_dist=True",  # all processes have the same means
    ):
        warnings.filterwarnings("ignore", message=f".*{text}.*")


def _build(settings: Trainer, callbacks: list[Callback], root: Path, logger: Any) -> L.Trainer:
    given = asdict(settings)
    if (steps := given.pop("max_steps")) != -1:
        callbacks = [StopAtStep(steps), *callbacks]
    if not settings.enable_checkpointing:
        callbacks = [one for one in callbacks if not isinstance(one, ModelCheckpoint)]
    named = [cluster(name) for name in given.pop("plugins")]
    given["logger"] = logger if settings.logger else False
    return L.Trainer(
        **given,
        callbacks=callbacks,
        plugins=[WholeFiles(), *named],
        enable_progress_bar=any(isinstance(one, _ProgressBar) for one in callbacks),
        default_root_dir=root,
        use_distributed_sampler=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
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


class _SaveConfig(Callback):
    """Writes the resolved config beside the checkpoints when training starts."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder, self.config = folder, config

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            write_atomic(self.folder / "config.yaml", f"{TRAINED}\n{self.config}".encode())


class _AsOurs(Callback):
    """What Lightning sets for a process and we set otherwise.

    SIGTERM ends a training as it ends every program: Lightning's handler would wait for the other
    processes, or for the end of the batch. The number of threads does not depend on that of
    processes.
    """

    def __init__(self) -> None:
        self.threads = threads_of_each_process()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        torch.set_num_threads(self.threads)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, raise_terminated)


class _ProgressBar(RichProgressBar):
    """One line of 80 columns: the loss, and the last validated value."""

    def configure_columns(self, trainer: L.Trainer) -> list:
        return [
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        ]

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        found: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        terms = [one for name, one in found.items() if name.startswith("train/loss/")]
        shown: dict[str, Any] = {"loss": f"{sum(map(float, terms)):.4g}"} if terms else {}
        validated = ((name, one) for name, one in found.items() if name.startswith("val/"))
        for name, one in validated:
            shown[name.rpartition("/")[2].partition("_")[0]] = f"{float(one):.4g}"
            break
        return shown
