"""Training objectives, one paper in one file.

An objective is called with the network and a batch and returns its terms by name, already
weighted: their sum is minimised. Stages of a paper live in its objective.
"""

from __future__ import annotations

import inspect
from typing import Any

from fusionlab.errors import InputError
from fusionlab.losses.base import Objective
from fusionlab.losses.cddfuse import CDDFuseObjective
from fusionlab.losses.densefuse import DenseFuseObjective
from fusionlab.losses.ifcnn import IFCNNObjective
from fusionlab.losses.piafusion import PIAFusionObjective

__all__ = ["OBJECTIVES", "Objective", "create_objective"]

OBJECTIVES: dict[str, type[Objective]] = {  # by network
    "cddfuse": CDDFuseObjective,
    "densefuse": DenseFuseObjective,
    "ifcnn": IFCNNObjective,
    "piafusion": PIAFusionObjective,
}


def create_objective(network: str, /, **options: Any) -> Objective:
    """The objective of a network.

    Args:
        network: A name that ``create_network`` knows.
        **options: The objective's own options.

    Raises:
        InputError: If an option is unknown or unusable.
    """
    objective = OBJECTIVES[network]
    known = (
        []
        if objective.__init__ is Objective.__init__
        else list(inspect.signature(objective).parameters)
    )
    for option in options:
        if option not in known:
            takes = f"takes {', '.join(known)}" if known else "takes none"
            raise InputError(f"training.options of {network} have no {option!r}; it {takes}")
    return objective(**options)
