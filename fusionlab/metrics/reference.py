"""Comparison with a ground truth, where a data set has one."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from fusionlab.metrics.base import Convention, ImageMean, check_grey, precise
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
