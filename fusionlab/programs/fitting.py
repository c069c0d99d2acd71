"""What every training does: a folder, checkpoints, a log, and going on after an interruption."""

from __future__ import annotations

import sys
from pathlib import Path

import lightning as L
from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from fusionlab.programs.run_folder import make, run_folder
from fusionlab.programs.trainer import build_trainer
from fusionlab.report.images import write_whole

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
        self.checkpoint = _checkpoint(self.folder, monitor)
        own = [self.checkpoint, LearningRateMonitor(), _SaveConfig(self.folder, config)]
        self.trainer = build_trainer(
            settings.trainer,
            [*own, *(callbacks or [])],
            self.folder,
            CSVLogger(self.folder, name="log"),
            unused_parameters,
        )

    def fit(self, module: L.LightningModule, data: L.LightningDataModule) -> None:
        """Make the folder and train; say how to go on when interrupted."""
        make(self.folder)
        try:
            self.trainer.fit(module, data, ckpt_path=self.resumed, weights_only=True)
        except SystemExit:  # how Lightning answers Ctrl-C
            if (self.folder / LAST).is_file():
                resume = f"python train.py --resume {self.folder}"
                print(f"interrupted; {resume} goes on", file=sys.stderr)
            raise

    @property
    def kept(self) -> Path | None:
        """The checkpoint to use; None after a fast_dev_run."""
        path = self.checkpoint.best_model_path
        return Path(path) if path else None


def _checkpoint(folder: Path, monitor: str | None) -> ModelCheckpoint:
    """Keeps ``last.ckpt`` and, with a monitor, ``best.ckpt``."""
    if monitor is None:
        return ModelCheckpoint(
            dirpath=folder,
            filename="last",
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    return ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=monitor,
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )


class _SaveConfig(Callback):
    """Writes the resolved config beside the checkpoints when training starts."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder, self.config = folder, config

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            write_whole(self.folder / "config.yaml", self.config.encode())
