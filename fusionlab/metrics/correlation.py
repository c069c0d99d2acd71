"""CC: how well the fused image correlates with the sources."""

from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_sources, pixel_mean, precise

FLAT = 1e-5  # standard deviation in grey levels; above float32 rounding, below any 8-bit change


def correlation_coefficient(fused: Tensor, sources: Tensor) -> Tensor:
    """Mean over the sources of their correlation with the fused image.

    Convention: Pearson correlation over all pixels; a correlation with a constant image
    counts as 0, where published toolboxes return NaN.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255].
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from -1 to 1, without unit. Higher is better.

    Raises:
        ValueError: If a shape does not fit.

    Source: Deshmukh and Bhosale, Int. J. Image Processing 4(5), 2010.
    """
    check_sources(fused, sources)
    return pearson(precise(sources).squeeze(2), precise(fused)).mean(dim=1)


def pearson(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation over the last two dimensions, 0 where an image is constant."""
    x = x - pixel_mean(x)[..., None, None]
    y = y - pixel_mean(y)[..., None, None]
    x_variance, y_variance = pixel_mean(x.square()), pixel_mean(y.square())
    flat = (x_variance < FLAT**2) | (y_variance < FLAT**2)
    spread = (x_variance * y_variance).masked_fill(flat, 1).sqrt()
    return (pixel_mean(x * y) / spread).masked_fill(flat, 0)


_PAPER = Convention("Pearson correlation, mean over the sources, 0 with a constant image")


class CorrelationCoefficient(ImageMean):
    """Mean :func:`correlation_coefficient` of the fused images."""

    name = "CC"
    long_name = "Correlation coefficient"
    conventions: ClassVar = {
        "paper": _PAPER,
        "linfeng": _PAPER,
        "thfylsty": _PAPER,
        "jileihou": _PAPER,
        "cddfuse": _PAPER,
        "ivif_zoo": _PAPER,
        "topanxal": _PAPER,
    }
    higher_is_better = True
    is_differentiable = True

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return correlation_coefficient(fused, sources, **self.options)
