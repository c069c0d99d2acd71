"""Dual-tree complex wavelets: of each coefficient the strongest, of the base the mean.

Lewis, O'Callaghan, Nikolov, Bull and Canagarajah, Information Fusion 8(2), 2007,
https://doi.org/10.1016/j.inffus.2005.09.006, their pixel-based fusion.
Transform: Kingsbury, Applied and Computational Harmonic Analysis 10(3), 2001,
https://doi.org/10.1006/acha.2000.0343, by torchwavelets; near_sym_b (13, 19 taps) on the first
level, qshift_b (14 taps) on the others, borders reflected with the outermost pixel repeated.
Per channel: RGB is decomposed channel by channel, and one choice is made for the three, by the sum
of their energies: a detail keeps the colour that it has in its source.
TTD: as for the Laplacian pyramid: coefficients compete after they are scaled, the winner stays
scaled, and the base is a mean weighted by the gain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from types import ModuleType
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features, weighted_mean

FILTERS = ("near_sym_b", "qshift_b")
ORIENTATIONS = 6


class DualTreeWavelet(FusionNetwork):
    """Fuses any number of sources level by level and orientation by orientation.

    Args:
        levels: Number of levels, from 1.
    """

    channels: tuple[int, ...] = (1, 3)
    max_rule: bool = True
    trainable: ClassVar[bool] = False
    no_export: str = "torchwavelets keeps indices of each size that it has seen"
    bytes_per_pixel: ClassVar[int] = 200
    paper: ClassVar[str] = "Lewis et al., Information Fusion 2007"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mff")
    licence: ClassVar[str] = "torchwavelets: Apache-2.0; its filters: research use"

    def __init__(self, levels: int = 4) -> None:
        super().__init__()
        if type(levels) is not int or levels < 1:
            raise InputError(f"wavelet: levels must be a number from 1, got {levels!r}")
        self.levels = levels
        _torchwavelets()  # refuses now, not when it fuses

    def encode(self, sources: Tensor) -> tuple[Tensor, ...]:
        """(B, M, C, H, W) to levels of (B, M, C·6·2, h, w), the finest first, and the base.

        Each channel has 6 orientations, each of these a real and an imaginary part. The base,
        (B, M, C, h, w), has twice the height and width of the last level.
        """
        with _outside_inference_mode():
            base, found = _torchwavelets().dtcwt2d(sources.flatten(0, 1), *FILTERS, self.levels)
        details = (torch.view_as_real(one).movedim(-1, 3).flatten(1, 3) for one in found)
        return tuple(level.unflatten(0, sources.shape[:2]) for level in (*details, base))

    def combine(
        self, features: tuple[Tensor, ...], gain: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The same without M."""
        *details, base = features
        chosen = (reduce(_stronger, scale_features(detail, gain)) for detail in details)
        return (*chosen, weighted_mean(base, gain))

    def decode(self, combined: tuple[Tensor, ...], sources: Tensor) -> Tensor:
        """Levels to (B, C, H, W), unclamped; what an odd size was padded with is cropped."""
        *details, base = combined
        parts = (_by_orientation(detail).movedim(3, -1).contiguous() for detail in details)
        with _outside_inference_mode():
            levels = [torch.view_as_complex(part) for part in parts]
            image = _torchwavelets().idtcwt2d((base, levels), *FILTERS)
        return image[..., : sources.shape[3], : sources.shape[4]]


def _stronger(first: Tensor, second: Tensor) -> Tensor:
    """Of two coefficients, (B, C·6·2, h, w), the one of larger magnitude in all channels."""
    first, second = _by_orientation(first), _by_orientation(second)
    is_second = _energy(second) > _energy(first)
    return torch.where(is_second, second, first).flatten(1, 3)


def _energy(detail: Tensor) -> Tensor:
    """(B, C, 6, 2, h, w) to (B, 1, 6, 1, h, w), ≥ 0."""
    return detail.square().sum((1, 3), keepdim=True)


def _by_orientation(detail: Tensor) -> Tensor:
    """(B, C·6·2, h, w) as (B, C, 6, 2, h, w)."""
    return detail.unflatten(1, (-1, ORIENTATIONS, 2))


@contextmanager
def _outside_inference_mode() -> Iterator[None]:
    """The library keeps the indices that it makes, and no gradient can use those of that mode."""
    wants_gradient = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.set_grad_enabled(wants_gradient):
        yield


def _torchwavelets() -> ModuleType:
    """The library, imported where it is needed.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import torchwavelets
    except ImportError:
        raise InputError(
            'wavelet needs torchwavelets; install it with pip install "fusionlab[wavelet]"'
        ) from None
    return torchwavelets
