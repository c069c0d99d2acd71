"""MSE and PSNR over the sources: how far the grey values of the fused image are from theirs."""

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_sources, pixel_mean, precise, root


def mean_squared_error(
    fused: Tensor, sources: Tensor, *, error: str = "mean_square", unit_range: bool = False
) -> Tensor:
    """Mean over the sources and the pixels of (F - X)².

    Convention: grey levels in [0, 255]; identical images score 0.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255].
        sources: Their sources X, (B, M, 1, H, W), in [0, 255].
        error: "mean_square", or "norm_per_pixel" for sqrt(Σ (F - X)²) / (H x W), which falls
            as images grow.
        unit_range: Divides the grey levels by 255 first.

    Returns:
        One value per image, (B,), in squared grey levels, from 0 to 65025. Lower is closer.

    Raises:
        ValueError: If a shape does not fit, or ``error`` is unknown.

    Source: Jagalingam and Hegde, Aquatic Procedia 4, 2015.
    """
    return _errors(fused, sources, error, unit_range).mean(dim=1)


def peak_signal_noise_ratio(
    fused: Tensor,
    sources: Tensor,
    *,
    peak: str = "white",
    average: str = "errors",
    error: str = "mean_square",
    unit_range: bool = False,
) -> Tensor:
    """Peak signal-to-noise ratio, 10 log10(peak² / error), over the sources.

    Convention: peak 255 and the mean squared error over all sources; a fused image identical
    to all its sources scores infinity, also if it is black; a black peak scores -infinity.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255].
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        peak: "white" for 255, "fused" for the maximum of the fused image, or "source" for that
            of each source, which needs average="ratios".
        average: "errors" for the ratio of the mean error, or "ratios" for the mean of the M
            ratios, which is infinite if a single source is identical.
        error: As in :func:`mean_squared_error`.
        unit_range: Divides the grey levels by 255 for the error but not for the peak, which adds
            48.13 dB.

    Returns:
        One value per image, (B,), in dB. Higher is closer.

    Raises:
        ValueError: If a shape does not fit, or an option is unknown.

    Source: Jagalingam and Hegde, Aquatic Procedia 4, 2015.
    """
    errors = _errors(fused, sources, error, unit_range)
    if average not in ("errors", "ratios"):
        raise ValueError(f"average must be errors or ratios, got {average!r}")
    peaks = {
        "white": torch.full_like(errors[:, :1], 255.0),
        "fused": precise(fused).amax(dim=(2, 3)),
        "source": precise(sources).amax(dim=(2, 3, 4)),
    }
    if peak not in peaks or (peak == "source" and average == "errors"):
        known = "white, fused or, with average='ratios', source"
        raise ValueError(f"peak must be {known}; got {peak!r}")
    if average == "errors":
        errors = errors.mean(dim=1, keepdim=True)
    identical = errors == 0
    ratio = peaks[peak].square() / errors.masked_fill(identical, 1)
    return (10 * ratio.log10()).masked_fill(identical, torch.inf).mean(dim=1)


def _errors(fused: Tensor, sources: Tensor, error: str, unit_range: bool) -> Tensor:
    """The error against each source, (B, M)."""
    check_sources(fused, sources)
    if error not in ("mean_square", "norm_per_pixel"):
        raise ValueError(f"error must be mean_square or norm_per_pixel, got {error!r}")
    x, f = precise(sources).squeeze(2), precise(fused)
    difference = (f - x) / 255 if unit_range else f - x
    squares = pixel_mean(difference.square())
    return squares if error == "mean_square" else root(squares / fused[0].numel())


_MSE = Convention("grey levels in [0, 255], mean over the sources")
_UNIT_MSE = Convention("grey levels in [0, 1], mean over the sources", {"unit_range": True})


class MeanSquaredError(ImageMean):
    """Mean :func:`mean_squared_error` of the fused images."""

    name = "MSE"
    long_name = "Mean squared error"
    conventions: ClassVar = {
        "paper": _MSE,
        "vifb": Convention(
            "root of the summed squares over H x W, mean over the sources (bug: printed as RMSE)",
            {"error": "norm_per_pixel"},
        ),
        "linfeng": _UNIT_MSE,
        "cddfuse": _MSE,
        "ivif_zoo": _UNIT_MSE,
    }
    higher_is_better = False
    is_differentiable = True

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return mean_squared_error(fused, sources, **self.options)


_NORM_PSNR = Convention(
    "peak 255, of the root of the summed squares over H x W (bug: no mean squared error), dB",
    {"error": "norm_per_pixel"},
)
_UNIT_PSNR = Convention(
    "peak 255, but of the error of grey levels in [0, 1] (bug: 48.13 dB too much), dB",
    {"unit_range": True},
)
_SOURCE_PSNR = Convention(
    "mean of the sources' ratios, peak is each source's maximum, dB",
    {"average": "ratios", "peak": "source"},
)


class PeakSignalNoiseRatio(ImageMean):
    """Mean :func:`peak_signal_noise_ratio` of the fused images."""

    name = "PSNR"
    long_name = "Peak signal-to-noise ratio"
    conventions: ClassVar = {
        "paper": Convention("peak 255, of the mean error over the sources, dB"),
        "mefb": _NORM_PSNR,
        "vifb": _NORM_PSNR,
        "linfeng": _UNIT_PSNR,
        "thfylsty": _SOURCE_PSNR,
        "jileihou": Convention("mean of the sources' ratios, peak 255, dB", {"average": "ratios"}),
        "cddfuse": Convention(
            "peak is the fused image's maximum, of the mean error over the sources, dB",
            {"peak": "fused"},
        ),
        "ivif_zoo": _UNIT_PSNR,
        "topanxal": _SOURCE_PSNR,
    }
    higher_is_better = True
    is_differentiable = True

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return peak_signal_noise_ratio(fused, sources, **self.options)
