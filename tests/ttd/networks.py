"""Networks small enough to be differentiated by hand."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks import FusionNetwork
from fusionlab.networks.base import scale_features


class Smooth(FusionNetwork):
    """Three channels, mean rule, a decoder without kinks."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(1, 3, 3, padding=1)
        self.decoder = nn.Conv2d(3, 1, 3, padding=1)

    def encode(self, sources: Tensor) -> Tensor:
        return self.encoder(sources.flatten(0, 1)).unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, weights)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return self.decoder(combined).sigmoid()


class TwoBranches(Smooth):
    """Features of 2 and 1 channels, the second at half the size, which the rule enlarges again."""

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        features = super().encode(sources)
        coarse = F.avg_pool2d(features[:, :, 2:].flatten(0, 1), 2)
        return features[:, :, :2], coarse.unflatten(0, sources.shape[:2])

    def combine(self, features: tuple[Tensor, Tensor], weights: Tensor | None = None) -> Tensor:
        fine, coarse = features
        size = fine.shape[3:]
        enlarged = F.interpolate(coarse.flatten(0, 1), size).unflatten(0, coarse.shape[:2])
        return super().combine(torch.cat([fine, enlarged], 2), weights)


class Halves(FusionNetwork):
    """Features are the sources twice, the second time negated; the component is half the source.

    So the gradient of the squared error is 2 (x/2 - x) / 2 = -x/2 in channel 0.
    """

    def encode(self, sources: Tensor) -> Tensor:
        return torch.cat([sources, -sources], 2)

    def combine(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, weights)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined[:, :1] / 2
