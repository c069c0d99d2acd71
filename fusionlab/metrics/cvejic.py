"""Q_C: similarity with the sources, weighted by how much each covaries with the fused image."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_size, check_sources, pixel_mean
from fusionlab.metrics.shared import shared
from fusionlab.metrics.windows import (
    check_option,
    contrast_variance,
    similarity,
    window_covariance,
    window_mean,
    window_variance,
)

WINDOW = 7
C = 2e-16  # both constants


def similarity_by_covariance(
    fused: Tensor,
    sources: Tensor,
    *,
    outside: str = "weight",
    flat_windows: str = "left_out",
) -> Tensor:
    """Mean over the windows of w SSIM(A, fused) + (1 - w) SSIM(B, fused), w = σ_AF / (σ_AF + σ_BF).

    Convention: w is clipped to [0, 1]; Gaussian windows of 7 x 7 pixels, σ = 1.5, that fit into
    the image; constants 2e-16, so SSIM is Wang and Bovik's Q0. Windows in which the fused image
    covaries with neither source, as where it is flat, are left out.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 7 x 7 pixels.
        sources: Their two sources, (B, 2, 1, H, W), in [0, 255].
        outside: What is clipped where w leaves [0, 1]: the ``weight``, or the ``quality``: the
            window scores 0 where w < 0 and 1 where w > 1, and the sources cannot be swapped.
        flat_windows: ``left_out``: as above. ``rounding_left_out``: a window is left out only if
            its covariances happen to be rounded to 0; other flat windows score a ratio of
            Octave's rounding errors, of any size. ``rounding``: the same, but none is left out
            and the first of them makes the score NaN.

    Returns:
        One value per image, (B,), from -1 to 1, without unit, but unbounded with ``rounding``;
        higher is more faithful. Identical images score 1; NaN if all windows are left out.

    Raises:
        ValueError: If a shape does not fit, there are not two sources, an option is unknown, or
            the images are too small.

    Source: Cvejic et al., Int. J. Signal Process. 2(3), 2005.
    """
    check_sources(fused, sources)
    check_two("Qc", sources)
    check_size("Qc", WINDOW, fused)
    check_option("outside", outside, ("weight", "quality"))
    check_option("flat_windows", flat_windows, FLAT_WINDOWS)
    window = window_of(flat_windows)
    covariance = window_covariance(fused, sources, window, WINDOW)  # (B, 2, 1, h, w)
    if flat_windows == "left_out":
        flat = contrast_variance(sources, size=WINDOW) == 0
        flat = flat | (contrast_variance(fused, size=WINDOW) == 0).unsqueeze(1)
        covariance = covariance.masked_fill(flat, 0)
    total = covariance.sum(dim=1, keepdim=True)
    weight = covariance / total
    if outside == "weight":
        weight = weight.clamp(0, 1)
    values = (weight * quality_map(fused, sources, flat_windows)).sum(dim=1)
    if outside == "quality":
        first = weight[:, 0]
        values = values.masked_fill(first < 0, 0).masked_fill(first > 1, 1)
    return pixel_mean(values).squeeze(1) if flat_windows == "rounding" else mean_of_numbers(values)


FLAT_WINDOWS = ("left_out", "rounding_left_out", "rounding")


def window_of(flat_windows: str) -> str:
    """The window whose rounding is asked for."""
    return "gaussian" if flat_windows == "left_out" else "octave"


def check_two(metric: str, sources: Tensor) -> None:
    """Raise ValueError unless there are two sources."""
    if sources.shape[1] != 2:
        raise ValueError(f"{metric} is defined for two sources, got {sources.shape[1]}")


@shared
def quality_map(image: Tensor, others: Tensor, flat_windows: str) -> Tensor:
    """Similarity with constants of 2e-16 in every window."""
    window = window_of(flat_windows)
    area = (window, WINDOW)
    covariance = window_covariance(image, others, *area)
    if flat_windows == "left_out":
        variances = [contrast_variance(x, *area) for x in (image, others)]
    else:
        variances = [window_variance(x, *area) for x in (image, others)]
    means = [window_mean(x, *area) for x in (image, others)]
    if others.ndim > image.ndim:
        means[0], variances[0] = means[0].unsqueeze(1), variances[0].unsqueeze(1)
    if flat_windows == "left_out":
        covariance = covariance.masked_fill((variances[0] == 0) | (variances[1] == 0), 0)
    return similarity((means[0], means[1]), (variances[0], variances[1]), covariance, C, C)


def mean_of_numbers(values: Tensor) -> Tensor:
    """Mean of every (1, h, w) without its NaN; NaN if it has nothing else."""
    is_number = ~values.isnan()
    total = pixel_mean(values.masked_fill(~is_number, 0))
    return (total / pixel_mean(is_number.to(values.dtype))).squeeze(1)


class CovarianceSimilarity(ImageMean):
    """Mean :func:`similarity_by_covariance` of the fused images."""

    bytes_per_pixel = 380
    name = "Qc"
    long_name = "Cvejic's similarity"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention(
            "Cvejic's Q_C, weight in [0, 1], Gaussian 7 x 7, flat windows left out"
        ),
        "mefb": Convention(
            "quality instead of weight set to 0 or 1 (bug); flat windows score a ratio of "
            "rounding errors, of any size (bug), but NaN is left out",
            {"outside": "quality", "flat_windows": "rounding_left_out"},
        ),
        "zhengliu": Convention(
            "as mefb, but NaN is kept (bug)", {"outside": "quality", "flat_windows": "rounding"}
        ),
        "thfylsty": Convention("as zhengliu", {"outside": "quality", "flat_windows": "rounding"}),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = WINDOW
    source_count = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return similarity_by_covariance(fused, sources, **self.options)
