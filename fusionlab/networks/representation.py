"""The fused features of a network as a backbone, for heads of other tasks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class FeatureInfo:
    """What maps a backbone gives, as timm's ``feature_info`` says it.

    Args:
        maps: Channels of each, and pixels of the image along a side of one of its own.
    """

    maps: tuple[tuple[int, int], ...]

    def channels(self) -> list[int]:
        """Channels of each map."""
        return [channels for channels, _ in self.maps]

    def reduction(self) -> list[int]:
        """Pixels along a side that one of each map stands for."""
        return [reduction for _, reduction in self.maps]


class Representation(nn.Module):
    """Sources to maps, finest first, like a timm model with ``features_only``.

    Args:
        network: A network with ``fused_maps``; it is trained with whatever stands on it.
        maps: See :class:`FeatureInfo`.
    """

    def __init__(self, network: nn.Module, maps: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.network, self.feature_info = network, FeatureInfo(maps)

    def forward(self, sources: Tensor) -> list[Tensor]:
        """(B, M, C, H, W) in [0, 1], in the network's order and unpadded, to (B, F, h, w) each."""
        return self.network.fused_maps(sources)  # type: ignore[operator]
