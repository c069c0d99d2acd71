"""How fast a training goes."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class Throughput(Callback):
    """Logs what an epoch learns from per second, ``train/images_per_second``.

    Over all processes, with the waiting for data, without validation.

    Args:
        batch_size: Images in a batch, per process.
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self.images, self.start = 0, time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop it after each batch, the last of which validation follows."""
        self.images += self.batch_size * trainer.world_size
        self.seconds = time.perf_counter() - self.start

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the rate of the epoch."""
        pl_module.log("train/images_per_second", self.images / self.seconds, rank_zero_only=True)
