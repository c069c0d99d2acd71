"""Callbacks of a training: batch norm that is held, the norm of the gradient, the speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer

from fusionlab.errors import InputError
from fusionlab.training.length import total_steps
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
        if steps_done(trainer) >= self.share * total_steps(trainer):
            for module in pl_module.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()


class HoldFrozen(Callback):
    """Parts of the network that do not learn stay in evaluation mode.

    Args:
        names: Of the parts.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Hold them: a validation ends with everything in the mode that it had before."""
        network = pl_module.network
        assert isinstance(network, nn.Module)
        for part in frozen_parts(network, self.names):
            part.eval()


def frozen_parts(network: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """The parts of a network with these names.

    Raises:
        InputError: If there is none of a name; the message lists those there are.
    """
    parts = dict(network.named_modules())
    for name in names:
        if not name or name not in parts:
            known = ", ".join(one for one, _ in network.named_children())
            raise InputError(f"training.freeze: no part {name!r}; there are {known}, and theirs")
    return [parts[name] for name in names]


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

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock: a training may go on in the middle of an epoch."""
        self.on_train_epoch_start(trainer, pl_module)

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
