"""Fusion pixel by pixel: the mean and the largest of the sources.

Differs: nothing; these are the two lines that every other method must beat.
Per channel: both treat each channel by itself. The mean of RGB is the picture of the mean light, so
photographs (mef, mff) are averaged in RGB; the largest red, green and blue of different sources are
a colour of none of them, so the maximum sees RGB only where it is asked to.
"""

from __future__ import annotations

from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.networks.base import FusionNetwork, scale_features


class Pixelwise(FusionNetwork):
    """Features are the sources themselves; a subclass is a rule."""

    channels: tuple[int, ...] = (1, 3)
    trainable: ClassVar[bool] = False
    reach: ClassVar[int] = 0
    is_local: bool = True
    bytes_per_pixel: ClassVar[int] = 16
    licence: ClassVar[str] = "none needed"

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, C, H, W), as they are."""
        return sources

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, C, H, W), as it is."""
        return combined


class Average(Pixelwise):
    """The mean of the sources. TTD makes it their mean weighted by RD."""

    rgb_tasks: frozenset[str] = frozenset({"mef", "mff"})
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """(B, M, C, H, W) to (B, C, H, W)."""
        return reduce(torch.add, scale_features(features, gain)) / features.shape[1]


class Maximum(Pixelwise):
    """The largest of the sources: hot and bright things of an infrared-visible pair."""

    max_rule: bool = True
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif")

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """(B, M, C, H, W) to (B, C, H, W)."""
        return reduce(torch.maximum, scale_features(features, gain))
