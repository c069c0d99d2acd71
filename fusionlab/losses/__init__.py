"""Training objectives, one paper in one file.

An objective is called with the network and a batch and returns its terms by name, already
weighted: their sum is minimised. Stages of a paper live in its objective.
"""

from __future__ import annotations

import inspect
from typing import Any

from fusionlab.errors import InputError
from fusionlab.losses.base import Objective
from fusionlab.registry import OBJECTIVES

__all__ = ["OBJECTIVES", "Objective", "create_objective"]


def create_objective(name: str, /, **options: Any) -> Objective:
    """An objective by name.

    Args:
        name: A key of ``OBJECTIVES``.
        **options: The objective's own options.

    Raises:
        InputError: If the name or an option is unknown or unusable.
    """
    objective = OBJECTIVES[name]
    known = (
        []
        if objective.__init__ is Objective.__init__
        else list(inspect.signature(objective).parameters)
    )
    for option in options:
        if option not in known:
            takes = f"takes {', '.join(known)}" if known else "takes none"
            raise InputError(f"training.options of {name} have no {option!r}; it {takes}")
    return objective(**options)
