"""A network outside the package: two convolutions around the mean of features."""

from torch import Tensor, nn

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.registry import NETWORKS


class Mine(FusionNetwork):
    """The least that a network needs.

    Args:
        width: Number of features.
    """

    objective = "nearest"

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.last = nn.Conv2d(width, 1, 3, padding=1)

    def encode(self, sources: Tensor) -> Tensor:
        return self.first(sources.flatten(0, 1)).relu().unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return self.last(combined)


NETWORKS["mine"] = Mine
