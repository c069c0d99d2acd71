"""Laplacian pyramid: of each detail the strongest, of the base the mean.

Burt and Adelson, IEEE Transactions on Communications 31(4), 1983,
https://doi.org/10.1109/TCOM.1983.1095851
Rule: Burt and Kolczynski, ICCV 1993, https://doi.org/10.1109/ICCV.1993.378222: a detail is as
strong as the energy in a window about it; the strongest is taken with its sign, the base averaged.
Differs: no match measure, which averages details that are alike.
Per channel: RGB is decomposed channel by channel, and one choice is made for the three, by the sum
of their energies: a detail keeps the colour that it has in its source.
TTD: details compete after they are scaled, and the winner stays scaled. The base is a mean weighted
by the gain, for the gains of a rule that takes the largest do not sum to M.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features, weighted_mean
from fusionlab.networks.pyramid import MANY_LEVELS, collapsed, laplacian_pyramid, level_count

LEAST_BASE = 8  # pixels along the smaller side


class LaplacianPyramid(FusionNetwork):
    """Fuses any number of sources level by level.

    Args:
        levels: Most levels of detail. Default: as many as leave a base of 8 pixels or more along
            its smaller side, which is also the limit (6 for 640x480 pixels).
        window: Pixels along a side of the window of the energy, an odd number; 1 compares single
            coefficients, which are weak wherever an edge passes through zero.
    """

    channels: tuple[int, ...] = (1, 3)
    max_rule: bool = True
    trainable: ClassVar[bool] = False
    bytes_per_pixel: ClassVar[int] = 45
    paper: ClassVar[str] = "Burt and Adelson, IEEE Trans. Communications 1983"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "none needed"

    def __init__(self, levels: int | None = None, window: int = 5) -> None:
        super().__init__()
        if levels is not None and (type(levels) is not int or levels < 0):
            raise InputError(f"laplacian: levels must be a number from 0, got {levels!r}")
        if type(window) is not int or window % 2 != 1 or window < 1:
            raise InputError(f"laplacian: window must be an odd number, got {window!r}")
        self.levels, self.window = levels, window
        if levels is None:
            self.no_export = MANY_LEVELS
        else:
            self.graph_minimum = (LEAST_BASE - 1) * 2**levels + 1

    def encode(self, sources: Tensor) -> tuple[Tensor, ...]:
        """(B, M, C, H, W) to levels of (B, M, C, h, w), the finest first, the base last."""
        levels = self.levels
        if levels is None or not torch.compiler.is_exporting():  # a graph is for large images
            most = level_count(sources.shape[3], sources.shape[4], LEAST_BASE)
            levels = most if levels is None else min(most, levels)
        return laplacian_pyramid(sources, levels)

    def combine(
        self, features: tuple[Tensor, ...], gain: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Levels of (B, M, C, h, w) to levels of (B, C, h, w)."""
        *details, base = features
        chosen = (self._strongest(scale_features(detail, gain)) for detail in details)
        return (*chosen, weighted_mean(base, gain))

    def decode(self, combined: tuple[Tensor, ...], sources: Tensor) -> Tensor:
        """Levels to (B, C, H, W), unclamped."""
        return collapsed(combined)

    def _strongest(self, details: Iterator[Tensor]) -> Tensor:
        """Of M details, (B, C, h, w), at each place the one with the most energy about it."""
        chosen = next(details)
        most = self._energy(chosen)
        for detail in details:
            energy = self._energy(detail)
            chosen = torch.where(energy > most, detail, chosen)
            most = torch.maximum(energy, most)
        return chosen

    def _energy(self, detail: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1, h, w), ≥ 0, outside the image 0."""
        energy = detail.float().square().sum(1, keepdim=True)  # of half precision it would be 0
        return F.avg_pool2d(energy, self.window, stride=1, padding=self.window // 2)
