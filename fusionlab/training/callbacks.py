"""Callbacks of a training: batch norm that is held, the norm of the gradient, the speed."""

from __future__ import annotations

import time
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from fusionlab.training.optimization import steps_done


class HoldBatchNorm(Callback):
    """From some share of the steps on, batch norm normalises with its running statistics.

    Small batches of small crops differ much in brightness, which statistics of the batch take away
    and the network cannot know in evaluation: 22 instead of 29 dB on the built-in scenes.

    Args:
        share: Share of the training's steps, 0 to 1; 1 never holds them.
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Hold the statistics once it is time."""
        if steps_done(trainer) >= self.share * trainer.estimated_stepping_batches:
            for module in pl_module.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()


class GradientNorm(Callback):
    """Logs the l2 norm of the gradient before it is clipped, ``train/gradient_norm``.

    With several groups of parameters also that of each, ``train/gradient_norm/<group>``; with
    several optimisers only those.
    """

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Log it; mixed precision has been unscaled by now."""
        norms = {group["name"]: gradient_norm(group["params"]) for group in optimizer.param_groups}
        alone = len(trainer.optimizers) == 1
        if alone:
            pl_module.log("train/gradient_norm", torch.stack(list(norms.values())).norm())
        for name, norm in norms.items() if len(norms) > 1 or not alone else ():
            pl_module.log(f"train/gradient_norm/{name}", norm)


class Throughput(Callback):
    """Logs how many images an epoch learns from per second, ``train/images_per_second``.

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


def gradient_norm(parameters: list[Tensor]) -> Tensor:
    """Root of the summed squares of all gradients, (); 0 where there is none yet."""
    norms = [one.grad.float().norm() for one in parameters if one.grad is not None]
    return torch.stack(norms).norm() if norms else parameters[0].new_zeros((), dtype=torch.float32)
