"""Schedules of the learning rate: ours, by group of parameters, and torch's by name."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lightning as L
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from fusionlab.errors import InputError
from fusionlab.losses import ParameterGroup
from fusionlab.settings import Training
from fusionlab.training.length import total_steps

LEAST_HALVING = 0.01  # share of the first rate below which halving does not go
OURS = ("polynomial", "halving", "late", "constant")


def build_schedule(
    settings: Training, optimizer: Optimizer, groups: list[ParameterGroup], trainer: L.Trainer
) -> dict[str, Any]:
    """The schedule of an optimiser as Lightning wants it; ours has a factor for each group."""
    if not is_ours(settings):
        made = torch_schedule(settings, optimizer)
        monitor = {"monitor": "train/loss"} if isinstance(made, ReduceLROnPlateau) else {}
        return {"scheduler": made, "interval": "epoch", **monitor}
    factors = [learning_rate_factor(settings, trainer, group.first_epoch) for group in groups]
    interval = "step" if settings.schedule.casefold() == "polynomial" else "epoch"
    return {"scheduler": LambdaLR(optimizer, factors), "interval": interval}


def is_ours(settings: Training) -> bool:
    """Whether the schedule is one of ours."""
    return settings.schedule.casefold() in OURS


def check_schedule(settings: Training, optimizer: Optimizer) -> None:
    """Refuse a schedule that cannot be made for an optimiser.

    Raises:
        InputError: Naming the setting.
    """
    if not is_ours(settings):
        torch_schedule(settings, optimizer)
    elif settings.schedule_options:
        raise InputError(
            "training.schedule_options are for schedules of torch, training.schedule is "
            f"{settings.schedule}; leave them out"
        )


def torch_schedule(settings: Training, optimizer: Optimizer) -> LRScheduler:
    """A schedule of torch by its name in any case.

    Raises:
        InputError: If there is none of that name, or it does not take the options.
    """
    known = known_schedules()
    kind = named(known, "training.schedule", settings.schedule, OURS)
    own = [
        name
        for name in inspect.signature(kind).parameters
        if name not in ("optimizer", "last_epoch")
    ]
    check_options("training.schedule_options", kind, settings.schedule_options, own)
    try:
        return kind(optimizer, **settings.schedule_options)
    except (TypeError, ValueError) as fault:
        raise InputError(
            f"training.schedule {kind.__name__}: {fault}; training.schedule_options takes "
            f"{', '.join(own)}"
        ) from None


def known_schedules() -> dict[str, type[LRScheduler]]:
    """Those of torch that need no function and no other schedule, by names in small letters."""
    found = {}
    for name in lr_scheduler.__all__:
        one = getattr(lr_scheduler, name)
        takes = inspect.signature(one).parameters
        if one is not LRScheduler and not {"lr_lambda", "schedulers"} & takes.keys():
            found[name.casefold()] = one
    return found


def learning_rate_factor(
    settings: Training, trainer: L.Trainer, first_epoch: int
) -> Callable[[int], float]:
    """What the learning rate is multiplied by, as a function of the step or the epoch.

    Args:
        settings: The ``training`` group of the config; its schedule is one of ours.
        trainer: Knows how long the training lasts; so a resumed one may last longer.
        first_epoch: Where the schedule ``halving`` starts.

    Raises:
        InputError: If the schedule needs an end and the training has none.
    """
    name, epochs = settings.schedule.casefold(), trainer.max_epochs or 1
    steps = total_steps(trainer)
    if math.isinf(steps) and name in ("polynomial", "late"):
        raise InputError(f"training.schedule {name} needs an end; set trainer.max_epochs")

    def polynomial(step: int) -> float:
        return max(0.0, 1 - step / int(steps)) ** settings.lr_power

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
    }[name]


def restore_rates(trainer: L.Trainer) -> None:
    """Give each group the rate of its schedule, where a resumed training has that of its old one.

    A training that was finished and goes on for longer has a longer schedule. Those of torch keep
    the state in which they were stored.
    """
    for config in trainer.lr_scheduler_configs:
        schedule = config.scheduler
        if not isinstance(schedule, LambdaLR):  # those are ours: torch's need a function
            continue
        groups = schedule.optimizer.param_groups
        for group, lr, factor in zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
            group["lr"] = lr * factor(schedule.last_epoch)


@contextmanager
def warming_up(optimizer: Optimizer, share: float) -> Iterator[None]:
    """A step of the optimiser with this share of the rates that the schedule says."""
    if share >= 1:
        yield
        return
    groups = optimizer.param_groups
    rates = [group["lr"] for group in groups]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = share * rate
    try:
        yield
    finally:
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate


def step_schedules(trainer: L.Trainer, interval: str) -> None:
    """What Lightning does for a single optimiser: every schedule of this interval steps on."""
    for config in trainer.lr_scheduler_configs:
        if config.interval == interval and not isinstance(config.scheduler, ReduceLROnPlateau):
            config.scheduler.step()


def named(known: dict[str, Any], key: str, name: str, others: Sequence[str] = ()) -> Any:
    """The member of that name in any case.

    Raises:
        InputError: Naming the setting ``key``, the others that there are and the members.
    """
    if name.casefold() not in known:
        names = ", ".join([*others, *sorted(known)])
        raise InputError(f"{key} must be one of {names}, got {name!r}")
    return known[name.casefold()]


def check_options(key: str, kind: type, given: Mapping[str, Any], takes: Sequence[str]) -> None:
    """Refuse arguments that a class does not take.

    Raises:
        InputError: Naming the setting ``key`` and the arguments.
    """
    for name in given:
        if name not in takes:
            raise InputError(
                f"{key} of {kind.__name__} have no {name!r}; it takes {', '.join(takes)}"
            )
