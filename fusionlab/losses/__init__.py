"""Training objectives, one paper in one file.

An objective is called with the network, a batch and the step, and returns its terms by name,
already weighted: their sum is minimised. Stages of a paper live in its objective.
"""

from __future__ import annotations

import inspect
from typing import Any

from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, ParameterGroup, Step
from fusionlab.registry import OBJECTIVES

__all__ = [
    "OBJECTIVES",
    "Objective",
    "ParameterGroup",
    "Step",
    "create_objective",
    "objective_name",
]


def create_objective(name: str, /, **options: Any) -> Objective:
    """An objective by name.

    Args:
        name: A key of ``OBJECTIVES``.
        **options: The objective's own options.

    Raises:
        InputError: If the name or an option is unknown or unusable.
    """
    objective_class = OBJECTIVES[name]
    known = list(inspect.signature(objective_class).parameters)
    for option in options:
        if option not in known:
            takes = f"takes {', '.join(known)}" if known else "takes none"
            raise InputError(f"training.options of {name} have no {option!r}; it {takes}")
    objective: Objective = objective_class(**options)
    objective.name = name
    return objective


def objective_name(wanted: str | None, default: str, network: str) -> str:
    """The name of the objective of a training.

    Args:
        wanted: ``training.objective``.
        default: The network's own; empty if it has none.
        network: Name of the network, for the message.

    Raises:
        InputError: If there is none.
    """
    name = default if wanted is None else wanted
    if not name or name == "none":
        why = "is none" if name else f"is needed: {network} has no objective of its own"
        raise InputError(f"training.objective {why}; set it to one of {', '.join(OBJECTIVES)}")
    return name
