"""Q_Y: similarity with both sources where they agree, with the better one where they do not."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    precise,
)
from fusionlab.metrics.cvejic import (
    WINDOW,
    C,
    check_two,
    mean_of_numbers,
    quality_map,
    window_of,
)
from fusionlab.metrics.windows import (
    SIGMA,
    check_option,
    contrast_variance,
    similarity,
    window_mean,
    window_variance,
)

AGREEMENT = 0.75
FLAT_WINDOWS = ("left_out", "rounding_left_out", "rounding", "padded_rows")


def similarity_by_agreement(
    fused: Tensor, sources: Tensor, *, flat_windows: str = "left_out"
) -> Tensor:
    """Mean over the windows of Σ λ_k SSIM(source_k, fused) or max_k SSIM(source_k, fused).

    The sum where SSIM(A, B) ≥ 0.75, λ_k = σ²_k / (σ²_A + σ²_B); the larger elsewhere.

    Convention: Gaussian windows of 7 x 7 pixels, σ = 1.5, that fit into the image; constants
    2e-16; windows in which both sources are flat are left out.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 7 x 7 pixels.
        sources: Their two sources, (B, 2, 1, H, W), in [0, 255].
        flat_windows: ``left_out``: as above. ``rounding_left_out``: a window is left out only if
            its variances happen to be rounded to 0; other flat windows score a ratio of
            Octave's rounding errors, of any size. ``rounding``: the same, but none is left out
            and the first of them makes the score NaN. ``padded_rows``: none is flat, for the
            weights are a row profile that is repeated over the rows, not divided by its sum of
            7, the image padded with zeros, and the constants are 0.01² and 0.03².

    Returns:
        One value per image, (B,), from -1 to 1, without unit, but unbounded with ``rounding``
        and ``padded_rows``; higher is more faithful. Identical images score 1; NaN if all
        windows are left out.

    Raises:
        ValueError: If a shape does not fit, there are not two sources, an option is unknown, or
            the images are too small.

    Source: Yang et al., Information Fusion 9(2), 2008.
    """
    check_sources(fused, sources)
    check_two("Qy", sources)
    check_size("Qy", WINDOW, fused)
    check_option("flat_windows", flat_windows, FLAT_WINDOWS)
    if flat_windows == "padded_rows":
        return _with_padded_rows(fused, sources)
    area = (window_of(flat_windows), WINDOW)
    exact = flat_windows == "left_out"
    variance = contrast_variance(sources, *area) if exact else window_variance(sources, *area)
    between = _similarity_of_sources(sources, variance, *area)
    quality = quality_map(fused, sources, flat_windows)
    values = _selected(between, quality, variance / variance.sum(dim=1, keepdim=True))
    return pixel_mean(values).squeeze(1) if flat_windows == "rounding" else mean_of_numbers(values)


def _similarity_of_sources(sources: Tensor, variance: Tensor, window: str, size: int) -> Tensor:
    means = window_mean(sources, window, size)
    product = window_mean(precise(sources).prod(dim=1), window, size)
    (a, b), (s, t) = means.unbind(dim=1), variance.unbind(dim=1)
    covariance = product - a * b
    if window == "gaussian":
        covariance = covariance.masked_fill((s == 0) | (t == 0), 0)
    return similarity((a, b), (s, t), covariance, C, C)


def _selected(between: Tensor, quality: Tensor, shares: Tensor) -> Tensor:
    """The weighted sum where the sources agree, else the best; NaN where a share is NaN."""
    weighted = (shares * quality).sum(dim=1)
    return weighted.where((between >= AGREEMENT) | weighted.isnan(), quality.amax(dim=1))


def _with_padded_rows(fused: Tensor, sources: Tensor) -> Tensor:
    x, y = precise(fused).unsqueeze(1), precise(sources)  # (B, 1 or 2, 1, H, W)
    means = [_padded_rows(image) for image in (x, y)]
    variances = [
        _padded_rows(image.square()) - mean.square()
        for image, mean in zip((x, y), means, strict=True)
    ]
    c1, c2 = 0.01**2, 0.03**2
    covariance = _padded_rows(x * y) - means[0] * means[1]
    quality = similarity((means[0], means[1]), (variances[0], variances[1]), covariance, c1, c2)
    (a, b), (s, t) = means[1].unbind(dim=1), variances[1].unbind(dim=1)
    across = _padded_rows(y[:, 0] * y[:, 1]) - a * b
    between = similarity((a, b), (s, t), across, c1, c2)
    share = s / (s + t + 1e-10)
    values = _selected(between, quality, torch.stack([share, 1 - share], dim=1))
    return pixel_mean(values).squeeze(1)


def _padded_rows(image: Tensor) -> Tensor:
    """Weighted sums of 7 x 7 pixels, every row weighted alike."""
    profile = [math.exp(-((i - WINDOW // 2) ** 2) / (2 * SIGMA**2)) for i in range(WINDOW)]
    stack = pad(image, 4 * (WINDOW // 2,))
    rows = stack.unfold(-2, WINDOW, 1).sum(dim=-1)
    weights = torch.tensor(profile, dtype=image.dtype, device=image.device) / sum(profile)
    return (rows.unfold(-1, WINDOW, 1) * weights).sum(dim=-1)


class AgreementSimilarity(ImageMean):
    """Mean :func:`similarity_by_agreement` of the fused images."""

    bytes_per_pixel = 340
    name = "Qy"
    long_name = "Yang's similarity"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Yang's Q_Y, Gaussian 7 x 7, valid, flat windows left out"),
        "mefb": Convention(
            "flat windows score a ratio of rounding errors, of any size (bug), but NaN is left out",
            {"flat_windows": "rounding_left_out"},
        ),
        "zhengliu": Convention("as mefb, but NaN is kept (bug)", {"flat_windows": "rounding"}),
        "thfylsty": Convention("as zhengliu", {"flat_windows": "rounding"}),
        "ivif_zoo": Convention(
            "weights of a row repeated over the rows, summing to 7 (bug), zero padded; constants "
            "0.0001 and 0.0009; may exceed 1",
            {"flat_windows": "padded_rows"},
        ),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = WINDOW
    source_count = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return similarity_by_agreement(fused, sources, **self.options)
