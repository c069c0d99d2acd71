"""MS-SSIM: structural similarity over five scales."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    precise,
)
from fusionlab.metrics.structural_similarity import K1, K2
from fusionlab.metrics.windows import (
    check_option,
    halved,
    window_covariance,
    window_mean,
    window_variance,
)

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST = 161  # 11 pixels are left at the fifth scale


def multiscale_structural_similarity(
    fused: Tensor,
    sources: Tensor,
    *,
    window: str = "gaussian",
    odd_sides: str = "repeat",
    gain: float = 1.0,
) -> Tensor:
    """Sum over the sources of ∏ c_j^w_j · l_5^w_5, j = 1 .. 5.

    c_j is the mean of (2σxy + C2) / (σx² + σy² + C2) at scale j, l_5 c_5 at the coarsest scale
    the mean of the whole index; w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333.

    Convention: Gaussian window of 11 x 11 pixels and σ = 1.5 at the positions where it fits;
    L = 255; from scale to scale, means of 2 x 2 pixels. A negative mean counts as 0, and so
    does the source then. torchmetrics pads the images by reflection and does not agree.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 161 x 161 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        window: ``gaussian``, or ``single``, that in single precision.
        odd_sides: What completes the last 2 x 2 pixels where a side is odd: ``repeat`` the last
            row or column, or ``zeros``, half of them before the first.
        gain: What grey levels are multiplied with first.

    Returns:
        One value per image, (B,), from 0 to M, without unit. Higher is more faithful; identical
        images score M.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Wang, Simoncelli and Bovik, Asilomar Conference 2003.
    """
    check_sources(fused, sources)
    check_size("MS_SSIM", SMALLEST, fused)
    check_option("odd_sides", odd_sides, ("repeat", "zeros"))
    smaller = halved if odd_sides == "repeat" else _halved_with_zeros
    x, y = (fused, sources) if gain == 1 else (gain * precise(fused), gain * precise(sources))
    product = torch.ones(sources.shape[:2], dtype=precise(fused).dtype, device=fused.device)
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = _maps(x, y, window)
        is_last = scale == len(WEIGHTS) - 1
        mean = pixel_mean(precise(luminance * structure if is_last else structure).squeeze(2))
        product = product * mean.clamp(min=0).pow(weight)
        if not is_last:
            x, y = smaller(x), smaller(y)
    return product.sum(dim=1)


def _maps(x: Tensor, y: Tensor, window: str) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every position."""
    c1, c2 = (K1 * 255) ** 2, (K2 * 255) ** 2
    x_mean, y_mean = window_mean(x, window).unsqueeze(1), window_mean(y, window)
    luminance = (2 * x_mean * y_mean + c1) / (x_mean.square() + y_mean.square() + c1)
    variances = window_variance(x, window).unsqueeze(1) + window_variance(y, window)
    return luminance, (2 * window_covariance(x, y, window) + c2) / (variances + c2)


def _halved_with_zeros(image: Tensor) -> Tensor:
    odd = tuple(side % 2 for side in image.shape[-2:])
    stack = avg_pool2d(image.reshape(-1, 1, *image.shape[-2:]), 2, padding=odd)
    return stack.view(*image.shape[:-2], *stack.shape[-2:])


class MultiscaleStructuralSimilarity(ImageMean):
    """Mean :func:`multiscale_structural_similarity` of the fused images."""

    bytes_per_pixel = 290
    name = "MS_SSIM"
    long_name = "Multiscale structural similarity"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("sum over the sources, five scales, Gaussian 11 x 11, valid, L 255"),
        "ivif_zoo": Convention(
            "as paper, but images of 0 to 255 are multiplied by 255 once more (bug), as if L were "
            "1; odd sides completed with zeros; in single precision",
            {"window": "single", "odd_sides": "zeros", "gain": 255.0},
        ),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return multiscale_structural_similarity(fused, sources, **self.options)
