"""What all settings of TTD have in common on a batch, computed once."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fusionlab.networks import FusionNetwork
from fusionlab.ttd import (
    TestTimeDynamicFusion,
    feature_gradients,
    gradient_magnitude,
    reconstruction_loss,
)


class EncodedBatch:
    """A batch of sources, encoded once, with all that settings of TTD have in common.

    Args:
        network: The network.
        sources: What it takes, (B, M, C, H, W) in [0, 1].
    """

    def __init__(self, network: FusionNetwork, sources: Tensor) -> None:
        self.network, self.sources = network, sources
        self.features = network.encode(sources)
        self.static = network.decode(network.combine(self.features), sources)
        self._components: Tensor | None = None
        self._evidence: dict[tuple[Any, ...], Tensor] = {}
        self._gradients: tuple[Any, tuple[Tensor, ...]] = (None, ())  # the last: they are large

    def fuse(self, dynamic: TestTimeDynamicFusion) -> Tensor:
        """What ``dynamic`` makes of the sources, (B, C, H, W), to the last bit."""
        weights = dynamic.weigh(self.evidence(dynamic))
        return self.network.decode(self.network.combine(self.features, weights), self.sources)

    def evidence(self, dynamic: TestTimeDynamicFusion) -> Tensor:
        """Losses or magnitudes of gradients, (B, M, 1, H, W), computed once of each kind."""
        kind = (dynamic.basis, dynamic.compare, dynamic.loss, dynamic.channel)
        if kind not in self._evidence:
            if dynamic.basis == "loss":
                images = self._compared(dynamic.compare)
                found = reconstruction_loss(images, self.sources, dynamic.loss)
            else:
                size = (self.sources.shape[3], self.sources.shape[4])
                found = gradient_magnitude(
                    self._branches(dynamic), size, dynamic.channel, dynamic.loss
                )
            self._evidence[kind] = found
        return self._evidence[kind]

    def _compared(self, compare: str) -> Tensor:
        if compare == "fused":
            return self.static.unsqueeze(1).expand_as(self.sources)
        if self._components is None:
            self._components = self.network.components(self.features, self.sources)
        return self._components

    def _branches(self, dynamic: TestTimeDynamicFusion) -> tuple[Tensor, ...]:
        kind = (dynamic.compare, dynamic.loss)
        if self._gradients[0] != kind:
            loss, compare = dynamic.differentiated, dynamic.compare
            found = feature_gradients(self.network, self.features, self.sources, loss, compare)
            self._gradients = (kind, found.branches)
        return self._gradients[1]
