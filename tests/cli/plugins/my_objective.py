"""An objective outside the package: the distance to the mean of the sources."""

from typing import Any

from torch import Tensor

from fusionlab.losses import Objective, Step
from fusionlab.networks import FusionNetwork
from fusionlab.registry import OBJECTIVES


class Nearest(Objective):
    """Mean absolute distance to the mean of the sources."""

    learns_from = "pairs"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        sources = batch["sources"]
        return {"distance": (network(sources) - sources.mean(1)).abs().mean()}


OBJECTIVES["nearest"] = Nearest
