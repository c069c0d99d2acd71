"""VIF: how much of the visual information of the sources the fused image carries."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_range,
    check_size,
    check_sources,
    precise,
)
from fusionlab.metrics.separable import gaussian, normalised, weighted_sum
from fusionlab.metrics.shared import shared
from fusionlab.metrics.windows import check_option

SCALES = 4
SMALLEST = 41  # the windows of all four scales fit
NOISE = 2.0  # variance of the noise of the visual system, in squared grey levels
TINY = 1e-10  # a variance below is rounding
MIDDLE_GREY = 128.0


def visual_information_fidelity(
    fused: Tensor,
    sources: Tensor,
    *,
    padding: str = "none",
    window: str = "gaussian",
    flat_source: float = math.nan,
    saturate: bool = False,
) -> Tensor:
    """Sum over the sources of Σ log(1 + g² s / (v + 2)) / Σ log(1 + s / 2), in the pixel domain.

    In every window, g is the gain and v the residual variance of the regression of the fused
    image on a source of variance s; the sums are over windows and four scales.

    Convention: Gaussian windows of 17, 9, 5 and 3 pixels, standard deviation a fifth of that, where
    they fit; between the scales the next window and every second pixel; noise variance 2; a sum,
    not a mean, over the sources. A flat fused image scores 0. Against a flat source the ratio
    is 0 / 0.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 41 x 41 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        padding: "none", or "zeros" around every scale, which then may have any size.
        window: "gaussian", or "shifted": its centre half a pixel off and its samples
            N / (N - 1) apart.
        flat_source: What a source without any variance adds to the sum.
        saturate: Products of two grey levels stop at 255 at the first scale, the 8-bit arithmetic
            of a program that forgot to convert; the values are rounded first.

    Returns:
        One value per image, (B,), without unit: 0 to M, and above M where the fused image has
        more contrast than the sources. Higher is more faithful.

    Raises:
        ValueError: If a shape does not fit, the images are too small, or an option is unknown.

    Source: Sheikh and Bovik, IEEE Trans. Image Process. 15(2), 2006; the authors' pixel domain
    version.
    """
    kept, available = torch.zeros(()), torch.zeros(())
    for gain, variance, residual in distortion_channel(
        fused, sources, padding=padding, window=window, saturate=saturate
    ):
        kept = kept + _total((1 + gain.square() * variance / (residual + NOISE)).log())
        available = available + _total((1 + variance / NOISE).log())
    nothing = available == 0
    ratio = kept / available.masked_fill(nothing, 1)
    return ratio.masked_fill(nothing, flat_source).sum(dim=1)


# torchmetrics' function agrees; with its two-dimensional windows it takes fifty times as long
# in double precision, and VIFF needs the maps
@shared
def distortion_channel(
    fused: Tensor, sources: Tensor, *, padding: str, window: str, saturate: bool
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Gain, source variance and residual variance at four scales, (B, M, h, w) each."""
    check_sources(fused, sources)
    check_option("padding", padding, ("none", "zeros"))
    check_option("window", window, ("gaussian", "shifted"))
    image, references = precise(fused), precise(sources).squeeze(2)
    if padding == "none":
        check_size("VIF", SMALLEST, fused)
    if saturate:
        check_range(fused=fused, sources=sources)
        image, references = image.round(), references.round()
    elif padding == "none":
        # no variance changes, but that of white areas is rounded to less than TINY
        image, references = image - MIDDLE_GREY, references - MIDDLE_GREY
    channel = []
    for scale in range(SCALES):
        size = 2 ** (SCALES - scale) + 1
        profile = _profile(size, window)

        def mean(images: Tensor, profile: list[float] = profile) -> Tensor:
            return weighted_sum(images, profile, padding=padding)

        if scale > 0:
            image, references = mean(image)[..., ::2, ::2], mean(references)[..., ::2, ::2]
        times = _saturated_product if saturate and scale == 0 else torch.mul
        channel.append(_regression(image, references, mean, times))
    return channel


def _profile(size: int, window: str) -> list[float]:
    if window == "gaussian":
        return normalised(gaussian(size, size / 5))
    step = size / (size - 1)  # from -(size + 1) / 2 to (size - 1) / 2 in size - 1 steps
    return normalised(gaussian(size, size / 5 / step, centre=(size + 1) / 2 / step))


def _regression(
    y: Tensor,
    x: Tensor,
    mean: Callable[[Tensor], Tensor],
    times: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the fused image y on the sources x; no gain where one is flat or they are opposed."""
    x_mean, y_mean = mean(x), mean(y)
    x_variance = (mean(times(x, x)) - x_mean * x_mean).clamp(min=0)
    y_variance = (mean(times(y, y)) - y_mean * y_mean).clamp(min=0)
    covariance = mean(times(x, y)) - x_mean * y_mean
    none = (x_variance < TINY) | (y_variance < TINY) | (covariance < 0)
    gain = (covariance / (x_variance + TINY)).masked_fill(none, 0)
    residual = (y_variance - gain * covariance).clamp(min=TINY)
    return gain, x_variance.masked_fill(x_variance < TINY, 0), residual


def _saturated_product(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).clamp(max=255)


def _total(values: Tensor) -> Tensor:
    """Sum over the last two dimensions, rows first: the same for any number of threads."""
    return values.sum(dim=-1).sum(dim=-1)


class VisualInformationFidelity(ImageMean):
    """Mean :func:`visual_information_fidelity` of the fused images."""

    bytes_per_pixel = 160
    name = "VIF"
    long_name = "Visual information fidelity"
    conventions: ClassVar = {
        "paper": Convention("pixel domain, noise variance 2, sum over the sources"),
        "linfeng": Convention("as paper"),
        "linfeng_uint8": Convention(
            "as paper, but products of grey levels stop at 255 at the first scale (bug)",
            {"saturate": True},
        ),
        "cddfuse": Convention(
            "as paper, printed as VIFF there; a flat source adds 1", {"flat_source": 1.0}
        ),
        "ivif_zoo": Convention(
            "zeros around the image (bug) and windows half a pixel off their centre (bug)",
            {"padding": "zeros", "window": "shifted"},
            minimum_size=1,
        ),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return visual_information_fidelity(fused, sources, **self.options)
