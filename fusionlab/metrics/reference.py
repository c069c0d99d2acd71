"""Comparison with a ground truth, where a data set has one."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from fusionlab.metrics.base import Convention, ImageMean, check_grey, pixel_mean, precise
from fusionlab.metrics.structural_similarity import WINDOW, structural_similarity


def psnr(image: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image against its reference.

    Convention: peak 255, 10 log10(255² / mean squared error), one mean per image; identical
    images score infinity.

    Args:
        image: Images, (B, 1, H, W), in [0, 255].
        reference: Their ground truth, (B, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), in dB. Higher is closer.

    Raises:
        ValueError: If a shape does not fit.

    Source: Wang and Bovik, IEEE Signal Process. Mag. 26(1), 2009.
    """
    check_grey(image=image, reference=reference)
    return peak_signal_noise_ratio(
        precise(image), precise(reference), data_range=255.0, reduction="none", dim=(1, 2, 3)
    )


def affine_psnr(image: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio after the best affine map of brightness: blind to it.

    Convention: a and b minimise Σ (a F + b - T)² over the pixels of each image; then 10 log10(255²
    / mean (a F + b - T)²), which is 10 log10(255² / (σ_T² (1 - r²))) with Pearson's r of the two.
    The mapped image is neither rounded nor clamped. a may be negative. A flat image is mapped to
    the mean of the truth. What differs by rounding only scores infinity.

    Args:
        image: Images F, (B, 1, H, W), in [0, 255].
        reference: Their ground truth T, (B, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), in dB; never below :func:`psnr`. Higher is closer.

    Raises:
        ValueError: If a shape does not fit.

    Source: Weigert et al., Nature Methods 15, 2018, who compare after the affine map of least
    squared error.
    """
    check_grey(image=image, reference=reference)
    f, t = (x - pixel_mean(x)[..., None, None] for x in (precise(image), precise(reference)))
    power, shared = pixel_mean(f * f), pixel_mean(f * t)
    a = (shared / power.masked_fill(power == 0, 1))[..., None, None]
    error = pixel_mean((t - a * f).square())[:, 0]
    identical = error <= (255 * 8 * torch.finfo(error.dtype).eps) ** 2
    ratio = 255.0**2 / error.masked_fill(identical, 1)
    return (10 * ratio.log10()).masked_fill(identical, torch.inf)


class TruthPSNR(ImageMean):
    """Mean :func:`psnr` of the fused images; the ground truth stands in place of the sources."""

    name = "PSNR_truth"
    long_name = "Peak signal-to-noise ratio to the ground truth"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("against the ground truth, peak 255, dB")
    }
    higher_is_better = True
    is_differentiable = True
    source_count = 1

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return psnr(fused, sources[:, 0])


class TruthAffinePSNR(ImageMean):
    """Mean :func:`affine_psnr` of the fused images with the ground truth."""

    name = "PSNR-affine_truth"
    long_name = "Peak signal-to-noise ratio to the ground truth, blind to brightness"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("against the ground truth, after the best a F + b, peak 255, dB")
    }
    higher_is_better = True
    is_differentiable = True
    source_count = 1

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return affine_psnr(fused, sources[:, 0])


class TruthSSIM(ImageMean):
    """Mean :func:`structural_similarity` of the fused images with the ground truth."""

    name = "SSIM_truth"
    long_name = "Structural similarity to the ground truth"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("against the ground truth, uniform 7 x 7, unbiased, valid, L 255")
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = WINDOW
    source_count = 1

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return structural_similarity(fused, sources[:, 0])
