"""Losses per pixel between what a network makes of a source and that source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.registry import TTD_LOSSES
from fusionlab.ttd.similarity import WINDOW, ssim, structure


@dataclass(frozen=True)
class PixelLoss:
    """A loss per pixel.

    Args:
        function: Images and sources, twice (N, C, H, W), to (N, C, H, W), ≥ 0.
        windowed: Whether it looks at windows of :mod:`fusionlab.ttd.similarity`.
        convex: Whether it is convex in the image, as the theorem of TTD supposes.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    windowed: bool = False
    convex: bool = False


def _dissimilarity(similarity: Callable[[Tensor, Tensor], Tensor]) -> PixelLoss:
    def loss(images: Tensor, sources: Tensor) -> Tensor:
        kind = torch.promote_types(sources.dtype, torch.float32)
        return ((1 - similarity(images.to(kind), sources.to(kind))) / 2).clamp(min=0)

    return PixelLoss(loss, windowed=True)


L1 = PixelLoss(lambda images, sources: (images - sources).abs(), convex=True)
MSE = PixelLoss(lambda images, sources: (images - sources).square(), convex=True)
SSIM = _dissimilarity(ssim)
STRUCTURE = _dissimilarity(structure)


def reconstruction_loss(components: Tensor, sources: Tensor, loss: str = "l1") -> Tensor:
    """How badly each source is reconstructed, per pixel.

    ``structure`` leaves out of SSIM how bright the images are and keeps contrast and structure, as
    MEF-SSIM does: of two exposures neither has the right brightness, and the fused image is nearer
    to the one that it took more of.

    Convention of ``ssim`` and ``structure``: Gaussian window of 11x11 pixels, σ = 1.5, borders
    reflected, C1 = 0.01², C2 = 0.03².

    Args:
        components: Uni-source components, or whatever else is compared with the sources,
            (B, M, C, H, W), in the range of the sources, unclamped.
        sources: (B, M, C, H, W) in [0, 1].
        loss: ``l1`` (absolute difference), ``mse`` (squared difference), ``ssim`` ((1 − SSIM) / 2,
            in [0, 1]), ``structure`` ((1 − (2σxy + C2) / (σx² + σy² + C2)) / 2, in [0, 1]), or
            another name in ``TTD_LOSSES``.

    Returns:
        (B, M, 1, H, W), ≥ 0: the mean over channels.

    Raises:
        InputError: If the loss is unknown, or the images are too small for its window.

    Source: TTD, Eq. 6 (l1); the authors' CDDFuse script (mse); Wang et al., IEEE Trans. Image
    Process. 13(4), 2004 (ssim; its contrast and structure).
    """
    chosen: PixelLoss = TTD_LOSSES[loss]
    height, width = sources.shape[3:]
    if chosen.windowed and min(height, width) <= WINDOW // 2:
        raise InputError(
            f"ttd.loss {loss} needs images of at least {WINDOW // 2 + 1} pixels a side, "
            f"got {width}x{height}; set ttd.loss to l1 or mse"
        )
    values = chosen.function(components.flatten(0, 1), sources.flatten(0, 1))
    return values.unflatten(0, sources.shape[:2]).mean(2, keepdim=True)
