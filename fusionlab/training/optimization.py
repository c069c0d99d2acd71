"""Optimisers of torch by name, and the clipping of gradients, by groups of parameters."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import lightning as L
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from fusionlab.errors import InputError
from fusionlab.losses import Objective, ParameterGroup
from fusionlab.networks import FusionNetwork
from fusionlab.settings import Training
from fusionlab.training.length import stops
from fusionlab.training.schedules import build_schedule, check_options, check_schedule, named


def learning_groups(objective: Objective, network: FusionNetwork) -> list[ParameterGroup]:
    """What an objective trains, without frozen parameters.

    Raises:
        InputError: If it cannot train this network, or nothing is left.
    """
    objective.check_network(network)
    groups = [
        replace(group, parameters=[one for one in group.parameters if one.requires_grad])
        for group in objective.parameter_groups(network)
    ]
    groups = [group for group in groups if group.parameters]
    if not groups:
        raise InputError("every parameter that training.objective trains is frozen")
    return groups


def build_optimizers(
    groups: list[ParameterGroup], settings: Training, trainer: L.Trainer
) -> list[dict[str, Any]]:
    """Each optimiser with a learning rate schedule per group, as Lightning wants them.

    One optimiser over several groups does what one per group would: SGD and Adam treat every
    parameter by itself, and leave those alone that have no gradient yet.

    Raises:
        InputError: If the settings do not go together.
    """
    if len(optimizer_names(groups)) > 1:
        _check_several(settings, trainer)
    return [
        {"optimizer": one, "lr_scheduler": build_schedule(settings, one, of_optimizer, trainer)}
        for one, of_optimizer in make_optimizers(groups, settings)
    ]


def make_optimizers(
    groups: list[ParameterGroup], settings: Training
) -> Iterator[tuple[Optimizer, list[ParameterGroup]]]:
    """Each optimiser that the groups name, with its groups.

    Raises:
        InputError: If torch has no such optimiser, or it does not take the settings.
    """
    kind = named(known_optimizers(), "training.optimizer", settings.optimizer)
    takes = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"lr": settings.lr}
    for name in ("momentum", "weight_decay"):
        if name in takes:
            arguments[name] = getattr(settings, name)
        elif getattr(settings, name) != getattr(Training(), name):
            raise InputError(f"{kind.__name__} has no {name}; leave training.{name} out")
    own = [name for name in takes if name not in ("params", "lr", "momentum", "weight_decay")]
    check_options("training.optimizer_options", kind, settings.optimizer_options, own)
    for name in optimizer_names(groups):
        of_optimizer = [group for group in groups if group.optimizer == name]
        parameters = [
            {
                "params": one.parameters,
                "name": one.name,
                **({} if one.decays or "weight_decay" not in takes else {"weight_decay": 0.0}),
            }
            for one in of_optimizer
        ]
        try:
            made = kind(parameters, **arguments, **settings.optimizer_options)
        except (TypeError, ValueError) as fault:
            raise InputError(f"training.optimizer {kind.__name__}: {fault}") from None
        yield made, of_optimizer


def optimizer_names(groups: list[ParameterGroup]) -> list[str]:
    """The optimisers in the order in which they take turns."""
    return list(dict.fromkeys(group.optimizer for group in groups))


def check_optimization(groups: list[ParameterGroup], settings: Training) -> None:
    """Refuse an optimiser or a schedule that cannot be made, before anything is written.

    Raises:
        InputError: Naming the setting.
    """
    for optimizer, _ in make_optimizers(groups, settings):
        check_schedule(settings, optimizer)


def known_optimizers() -> dict[str, type[Optimizer]]:
    """The optimisers of torch by their names in small letters."""
    return {
        name.casefold(): one
        for name, one in vars(torch.optim).items()
        if isinstance(one, type) and issubclass(one, Optimizer) and one is not Optimizer
    }


def steps_done(trainer: L.Trainer) -> int:
    """Steps that the training has made; Lightning counts those of several optimisers together."""
    if trainer.lightning_module.automatic_optimization:
        return trainer.global_step
    return trainer.global_step // max(1, len(trainer.optimizers))


def clip_each_group(optimizer: Optimizer, largest_norm: float) -> None:
    """Clip the gradient of each group to a norm of its own."""
    for group in optimizer.param_groups:
        clip_grad_norm_(group["params"], largest_norm)


def _check_several(settings: Training, trainer: L.Trainer) -> None:
    """Refuse what several optimisers cannot do.

    Raises:
        InputError: Naming the setting.
    """
    limited = trainer.max_steps != -1 or bool(stops(trainer))
    unfit = {
        "trainer.accumulate_grad_batches": trainer.accumulate_grad_batches != 1,
        # one batch alone, which sets it, ends anyway
        "trainer.max_steps": limited and not trainer.fast_dev_run,  # type: ignore[attr-defined]
        "training.schedule ReduceLROnPlateau": settings.schedule.casefold() == "reducelronplateau",
    }
    for name, given in unfit.items():
        if given:
            raise InputError(f"{name} does not go with several optimisers; leave it out")
