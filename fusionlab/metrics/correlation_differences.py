"""SCD: how well what each source added to the fused image correlates with that source."""

from torch import Tensor

from fusionlab.metrics.base import ImageMean, check_sources, pixel_mean, precise

FLAT = 1e-5  # standard deviation in grey levels; above float32 rounding, below any 8-bit change


def sum_of_correlations_of_differences(fused: Tensor, sources: Tensor) -> Tensor:
    """Sum of the correlations r(F - B, A) + r(F - A, B).

    Convention: Pearson correlation r over all pixels; a correlation with a constant image
    counts as 0, where published toolboxes return NaN; defined for two sources only.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255].
        sources: Their sources A and B, (B, 2, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from -2 to 2, without unit. Higher is better.

    Raises:
        ValueError: If a shape does not fit, or the sources are not two.

    Source: Aslantas and Bendes, AEU Int. J. Electron. Commun. 69(12), 2015.
    """
    check_sources(fused, sources)
    if sources.shape[1] != 2:
        raise ValueError(f"SCD is defined for two sources, got {sources.shape[1]}")
    f, (a, b) = precise(fused), precise(sources).unbind(dim=1)
    return (_correlation(f - b, a) + _correlation(f - a, b)).squeeze(1)


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation over the pixels, 0 where an image is constant."""
    x = x - pixel_mean(x)[..., None, None]
    y = y - pixel_mean(y)[..., None, None]
    x_variance, y_variance = pixel_mean(x.square()), pixel_mean(y.square())
    flat = (x_variance < FLAT**2) | (y_variance < FLAT**2)
    spread = (x_variance * y_variance).masked_fill(flat, 1).sqrt()
    return (pixel_mean(x * y) / spread).masked_fill(flat, 0)


class SumOfCorrelationsOfDifferences(ImageMean):
    """Mean :func:`sum_of_correlations_of_differences` of the fused images."""

    name = "SCD"
    long_name = "Sum of the correlations of differences"
    convention = "two sources, Pearson correlation, 0 with a constant image"
    higher_is_better = True
    is_differentiable = True
    source_count = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return sum_of_correlations_of_differences(fused, sources)
