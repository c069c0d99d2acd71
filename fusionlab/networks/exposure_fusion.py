"""Exposure fusion: well-exposed, colourful and sharp pixels of a bracket, blended in pyramids.

Mertens, Kautz and Van Reeth, Pacific Graphics 2007, https://doi.org/10.1109/PG.2007.17
Authors' code (MATLAB): https://github.com/Mericam/exposure-fusion
Differs: borders and the number of levels are those of OpenCV's MergeMertens, one level more than
the authors have; all exponents are 1, as theirs.
Per channel: RGB has one weight for all channels, of the contrast of its luma, the standard
deviation of its channels (saturation) and the product of their well-exposedness; luma has no
saturation, which is left out.
TTD: RD scales the weights before they are made to sum to 1, the only features that it scales; what
matters is its ratio between sources.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.pyramid import MANY_LEVELS, collapsed, gaussian_pyramid, laplacian_pyramid

SIGMA = 0.2  # of well-exposedness
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
TINY = 1e-12  # where no source has any weight, all have the same


class ExposureFusion(FusionNetwork):
    """Fuses any number of exposures.

    Args:
        levels: Most levels of detail. Default: as many as the smaller side can be halved.
    """

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mef"})
    trainable: ClassVar[bool] = False
    bytes_per_pixel: ClassVar[int] = 80
    paper: ClassVar[str] = "Mertens et al., Pacific Graphics 2007"
    tasks: ClassVar[tuple[str, ...]] = ("mef",)
    licence: ClassVar[str] = "none needed"

    def __init__(self, levels: int | None = None) -> None:
        super().__init__()
        if levels is not None and (type(levels) is not int or levels < 0):
            raise InputError(f"exposure_fusion: levels must be a number from 0, got {levels!r}")
        self.levels = levels
        if levels is None:
            self.no_export = MANY_LEVELS
        else:
            self.graph_minimum = 2**levels + 1

    def encode(self, sources: Tensor) -> tuple[Tensor, ...]:
        """(B, M, C, H, W) to weights, (B, M, 1, H, W), and levels of (B, M, C, h, w)."""
        sources = sources.to(torch.promote_types(sources.dtype, torch.float32))  # for TINY
        levels = self.levels
        if levels is None or not torch.compiler.is_exporting():  # a graph is for large images
            most = min(sources.shape[3:]).bit_length() - 1  # rounded down log2
            levels = most if levels is None else min(most, levels)
        return pixel_weights(sources), *laplacian_pyramid(sources, levels)

    def combine(
        self, features: tuple[Tensor, ...], gain: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Weights and levels of (B, M, C, h, w) to levels of (B, C, h, w)."""
        weights, *levels = features
        scaled = torch.stack(list(scale_features(weights, gain)), 1)
        shares = gaussian_pyramid(scaled / scaled.sum(1, keepdim=True), len(levels) - 1)
        return tuple((share * x).sum(1) for share, x in zip(shares, levels, strict=True))

    def decode(self, combined: tuple[Tensor, ...], sources: Tensor) -> Tensor:
        """Levels to (B, C, H, W), unclamped."""
        return collapsed(combined)


def pixel_weights(images: Tensor) -> Tensor:
    """Contrast times saturation times well-exposedness, (..., C, H, W) to (..., 1, H, W), > 0."""
    distances = (images - 0.5).square().sum(-3, keepdim=True)
    exposedness = (-distances / (2 * SIGMA**2)).exp()  # the product over channels
    if images.shape[-3] == 1:
        return contrast(images) * exposedness + TINY
    grey = (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(-3, keepdim=True)
    pairs = images - images.roll(1, -3)  # red and blue, green and red, blue and green
    saturation = pairs.square().sum(-3, keepdim=True).sqrt() / 3  # std, exactly 0 of a grey
    return contrast(grey) * saturation * exposedness + TINY


def contrast(grey: Tensor) -> Tensor:
    """Magnitude of the Laplacian of 4 neighbours, (..., H, W); borders are reflected."""
    return _second_difference(grey).add(_second_difference(grey.mT).mT).abs()


def _second_difference(images: Tensor) -> Tensor:
    """Along the last dimension."""
    inner = min(1, images.shape[-1] - 1)
    first, last = images[..., inner, None], images[..., -1 - inner, None]
    padded = torch.cat((first, images, last), -1)
    return padded[..., :-2] - 2 * images + padded[..., 2:]
