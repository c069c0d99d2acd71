"""MEF-SSIM: how much of the best local structure of all exposures the fused image keeps."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    precise,
    root,
)
from fusionlab.metrics.per_channel import matlab_luma
from fusionlab.metrics.windows import halved, window_covariance, window_variance

WINDOW = 11
PIXELS = WINDOW**2
WEIGHTS = (0.0448, 0.2856, 0.3001)  # of the scales, divided by their sum
SMALLEST = 44  # 11 pixels are left at the third scale
CONTRAST_FLOOR = 0.001
LARGEST_EXPONENT = 10.0
C = (0.03 * 255) ** 2
EPSILON = 2.0**-52


def exposure_similarity(fused: Tensor, sources: Tensor) -> Tensor:
    """Structural similarity with the patches that an ideal fusion would have, over three scales.

    An ideal patch has the largest contrast ‖x_k - μ_k‖ of the sources and, as structure, the
    mean of their structures s_k weighted with ‖x_k - μ_k‖^p; p = tan(πR/2), at most 10, grows
    with their agreement R = ‖Σ(x_k - μ_k)‖ / Σ‖x_k - μ_k‖. It is compared without its mean:
    (2σ_rf + C) / (σ_r² + σ_f² + C).

    Convention: patches of 11 x 11 pixels that fit into the image; Gaussian weights, σ = 1.5, in
    the comparison; C = (0.03 · 255)²; scales weighted 0.0448, 0.2856, 0.3001, their sum made 1.
    A power of a negative scale is complex; the result is the real part of the product, as the
    authors' program prints it. MATLAB suites print this metric as "MS_SSIM".

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 44 x 44 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from -1 to 1, without unit. Higher is more faithful; flat
        images score 1, whatever their grey levels.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Ma, Zeng and Wang, IEEE Trans. Image Process. 24(11), 2015.
    """
    check_sources(fused, sources)
    check_size("MEF_SSIM", SMALLEST, fused)
    logarithm: Tensor | float = 0.0
    angle: Tensor | float = 0.0  # of the product, as a complex number
    for scale, weight in enumerate(WEIGHTS):
        mean = pixel_mean(_scale_map(fused, sources).squeeze(1))
        share = weight / sum(WEIGHTS)
        logarithm = logarithm + share * mean.abs().log()
        angle = angle + share * math.pi * (mean < 0).to(mean.dtype)
        if scale < len(WEIGHTS) - 1:
            fused, sources = halved(fused), halved(sources)
    return torch.as_tensor(logarithm).exp() * torch.as_tensor(angle).cos()


def _scale_map(fused: Tensor, sources: Tensor) -> Tensor:
    """Similarity at every position of one scale, (B, 1, h, w)."""
    shares, contrast = _ideal_patches(sources)
    each = sources.unbind(dim=1)
    parts = shares.unbind(dim=1)
    uniform = _combined_variance(each, parts, "uniform")
    norm = root((PIXELS * uniform).clamp(min=0))
    factor = torch.where(norm > 0, contrast / norm.masked_fill(norm == 0, 1), 1.0)
    ideal = factor.square() * _combined_variance(each, parts, "gaussian")
    covariance = factor * (shares * window_covariance(fused, sources)).sum(dim=1)
    return (2 * covariance + C) / (ideal + window_variance(fused) + C)


def _ideal_patches(sources: Tensor) -> tuple[Tensor, Tensor]:
    """Factors (B, M, 1, h, w) of the centred patches in the ideal one, and its contrast."""
    norms = root((PIXELS * window_variance(sources, "uniform")).clamp(min=0))
    total = precise(sources).sum(dim=1)
    norm_of_sum = root((PIXELS * window_variance(total, "uniform")).clamp(min=0))
    agreement = (norm_of_sum + EPSILON) / (norms.sum(dim=1) + EPSILON)
    exponent = (math.pi / 2 * agreement.clamp(max=1 - EPSILON)).tan().clamp(max=LARGEST_EXPONENT)
    contrasts = norms + CONTRAST_FLOOR
    weights = (contrasts / WINDOW) ** exponent.unsqueeze(1) + EPSILON
    return weights / weights.sum(dim=1, keepdim=True) / contrasts, contrasts.amax(dim=1)


def _combined_variance(
    images: tuple[Tensor, ...], factors: tuple[Tensor, ...], window: str
) -> Tensor:
    """Variance of Σ factor · image in every window."""
    total = torch.zeros_like(factors[0])
    for i, (x, a) in enumerate(zip(images, factors, strict=True)):
        total = total + a.square() * window_variance(x, window)
        for y, b in zip(images[i + 1 :], factors[i + 1 :], strict=True):
            total = total + 2 * (a * b) * window_covariance(x, y, window)
    return total


_SAME = Convention("the program of the authors: three scales, Gaussian 11 x 11, valid, L 255")


class ExposureSimilarity(ImageMean):
    """Mean :func:`exposure_similarity` of the fused images."""

    bytes_per_pixel = 510
    name = "MEF_SSIM"
    long_name = "Structural similarity for multi-exposure fusion"
    of_colour: ClassVar = {"mefb": matlab_luma}
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": _SAME,
        "mefb": _SAME,
        "linfeng": Convention(f"{_SAME.text}; printed as MS_SSIM"),
        "thfylsty": Convention(f"{_SAME.text}; printed as MS_SSIM"),
        "jileihou": Convention(f"{_SAME.text}; printed as MS_SSIM"),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return exposure_similarity(fused, sources, **self.options)
