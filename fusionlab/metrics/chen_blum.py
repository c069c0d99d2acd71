"""Q_CB: how much of the perceived contrast of the sources the fused image preserves."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    rounded,
)
from fusionlab.metrics.contrast_sensitivity import passed, stretched
from fusionlab.metrics.separable import gaussian, weighted_sum
from fusionlab.metrics.shared import shared
from fusionlab.metrics.windows import check_option

SMALLEST = 2  # a single pixel is flat
WINDOW = 31  # pixels; the Gaussians of Peli's contrast are cut there and not normalised
NEAR, FAR = 2.0, 4.0  # their standard deviations
MASKING = 1e-4  # Z of C³ / (C² + Z)
DOUBLE = {"levels": "8 bit"}  # where MEFB divides by 255 first


def chen_blum(
    fused: Tensor,
    sources: Tensor,
    *,
    levels: str = "8 bit of unit range",
    cycles: float = 15,
    floor: float = 0,
    precision: str = "double",
) -> Tensor:
    """Mean over the pixels of Σ C_m² Q_m / Σ C_m² over the sources m, Q_m the preserved contrast.

    C is the contrast after masking, |c|³ / (c² + 0.0001), of Peli's local contrast
    c = (G_2 * I) / (G_4 * I) - 1 of an image I that the contrast sensitivity of the eye has
    filtered; Q_m is the smaller one of C_m and C_fused divided by the larger.

    Convention: every image is stretched to its range first; sensitivity
    exp(-(f / 15.387)²) - 0.7622 exp(-(f / 1.3456)²) at f, a fifteenth of the cycles per image;
    Gaussians of standard deviation 2 and 4 cut to 31 x 31, not normalised, zeros around the image.
    A flat image has no contrast: it scores 0 as the fused image and counts nothing as a source.
    In the middle of a larger black area nothing but the rounding of the Fourier transform has
    contrast, and is rated like any other: the score of a medical image is uncertain by 0.5 %.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        levels: To what images are stretched: "8 bit", "8 bit of unit range" or "unit range", as
            :func:`stretched` says.
        cycles: How many cycles per image make f = 1.
        floor: Added to G_4 * I and to Σ C_m².
        precision: "double" or "single", of the sensitivity; its rounding, too, has contrast in
            black areas.

    Returns:
        One value per image, (B,), from 0 to 1, without unit. Higher is more faithful; NaN if the
        fused image and all sources are flat.

    Raises:
        ValueError: If a shape does not fit, the images are too small, or an option is unknown.

    Source: Chen and Blum, Image and Vision Computing 27(10), 2009; constants of Liu et al., IEEE
    Trans. Pattern Anal. Mach. Intell. 34(1), 2012.
    """
    check_sources(fused, sources)
    check_size("Qcb", SMALLEST, fused)
    check_option("precision", precision, ("double", "single"))
    options: dict[str, Any] = {
        "levels": levels,
        "cycles": cycles,
        "floor": floor,
        "precision": precision,
    }
    own = _masked_contrast(fused, **options)
    theirs = _masked_contrast(sources, **options).squeeze(2)  # (B, M, H, W)
    larger = torch.maximum(own, theirs)
    preserved = torch.minimum(own, theirs) / larger.masked_fill(larger == 0, 1)
    weight = theirs.square()
    flat = (weight == 0).flatten(1).all(dim=1) & (own == 0).flatten(1).all(dim=1)
    total = weight.sum(dim=1) + floor
    value = (weight * preserved).sum(dim=1) / total.masked_fill(total == 0, 1)
    return pixel_mean(value).masked_fill(flat, math.nan)


@shared
def _masked_contrast(
    images: Tensor, *, levels: str, cycles: float, floor: float, precision: str
) -> Tensor:
    """C of every pixel, (..., H, W); 0 in a flat image."""
    dtype = torch.float32 if precision == "single" else None
    seen = passed(stretched(images, levels=levels), _sensitivity, cycles=cycles, dtype=dtype)
    near, far = (_blurred(seen, sigma) for sigma in (NEAR, FAR))
    black = far == 0
    contrast = (near / (far.masked_fill(black, 1) + floor) - 1).masked_fill(black, 0).abs()
    return contrast**3 / (contrast.square() + MASKING)


def _sensitivity(frequency: Tensor) -> Tensor:
    wide, narrow = (rounded(torch.exp, -((frequency / f) ** 2)) for f in (15.3870, 1.3456))
    return wide - 0.7622 * narrow


def _blurred(images: Tensor, sigma: float) -> Tensor:
    norm = math.sqrt(2 * math.pi) * sigma
    profile = [weight / norm for weight in gaussian(WINDOW, sigma)]
    return weighted_sum(images, profile, padding="zeros")


class ChenBlum(ImageMean):
    """Mean :func:`chen_blum` of the fused images."""

    bytes_per_pixel = 190
    name = "Qcb"
    long_name = "Chen and Blum's preserved contrast"
    conventions: ClassVar = {
        "paper": Convention("images stretched to [0, 255] and rounded; frequencies / 15"),
        "mefb": Convention("as paper"),
        "vifb": Convention("as paper; levels halfway between two round otherwise", DOUBLE),
        "zhengliu": Convention("as vifb", DOUBLE),
        "thfylsty": Convention("as vifb", DOUBLE),
        "ivif_zoo": Convention(
            "images in [0, 1], frequencies / 30 (bug), 1e-10 in the denominators, filter in single "
            "precision",
            {"levels": "unit range", "cycles": 30, "floor": 1e-10, "precision": "single"},
        ),
    }
    higher_is_better = True
    is_differentiable = False
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return chen_blum(fused, sources, **self.options)
