"""The optimiser, its learning rates and the clipping of gradients, by groups of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from fusionlab.losses.base import ParameterGroup
from fusionlab.settings import Training

LEAST_HALVING = 0.01  # share of the first rate below which halving does not go


def build_optimizer(
    groups: list[ParameterGroup], settings: Training, trainer: L.Trainer
) -> dict[str, Any]:
    """The optimiser with a learning rate schedule per group, as Lightning wants them.

    One optimiser over all groups does what one per group would: SGD and Adam treat every parameter
    by itself, and leave those alone that have no gradient yet.
    """
    parameters = [{"params": group.parameters, "name": group.name} for group in groups]
    lr, decay = settings.lr, settings.weight_decay
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD(parameters, lr, settings.momentum, weight_decay=decay)
    else:
        optimizer = torch.optim.Adam(parameters, lr, weight_decay=decay)
    factors = [learning_rate_factor(settings, trainer, group.first_epoch) for group in groups]
    interval = "step" if settings.schedule == "polynomial" else "epoch"
    schedule = {"scheduler": LambdaLR(optimizer, factors), "interval": interval}
    return {"optimizer": optimizer, "lr_scheduler": schedule}


def learning_rate_factor(
    settings: Training, trainer: L.Trainer, first_epoch: int
) -> Callable[[int], float]:
    """What the learning rate is multiplied by, as a function of the step or the epoch.

    Args:
        settings: The ``training`` group of the config.
        trainer: Knows how long the training lasts; so a resumed one may last longer.
        first_epoch: Where the schedule ``halving`` starts.
    """
    steps, epochs = int(trainer.estimated_stepping_batches), trainer.max_epochs or 1

    def polynomial(step: int) -> float:
        return max(0.0, 1 - step / steps) ** settings.lr_power

    def halving(epoch: int) -> float:
        halvings = max(0, epoch - first_epoch) // settings.halving_epochs
        return max(0.5**halvings, LEAST_HALVING)

    def late(epoch: int) -> float:
        return min(1.0, max(0.0, (epochs - epoch) / (epochs - epochs // 2)))

    return {
        "polynomial": polynomial,
        "halving": halving,
        "late": late,
        "constant": lambda _: 1.0,
    }[settings.schedule]


def restore_rates(trainer: L.Trainer) -> None:
    """Give each group the rate of its schedule, where a resumed training has that of its old one.

    A training that was finished and goes on for longer has a longer schedule.
    """
    for config in trainer.lr_scheduler_configs:
        schedule = config.scheduler
        assert isinstance(schedule, LambdaLR)
        groups = schedule.optimizer.param_groups
        for group, lr, factor in zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
            group["lr"] = lr * factor(schedule.last_epoch)


def clip_each_group(optimizer: torch.optim.Optimizer, largest_norm: float) -> None:
    """Clip the gradient of each group to a norm of its own."""
    for group in optimizer.param_groups:
        clip_grad_norm_(group["params"], largest_norm)
