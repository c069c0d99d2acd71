"""Q_P: how well the features of the sources, by phase congruency, correlate with the fused."""

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_size, check_sources, precise
from fusionlab.metrics.phase_congruency import phase_congruency
from fusionlab.metrics.separable import gaussian, normalised, weighted_sum

SMALLEST = 8  # pixels; the fourth filter has a wavelength of 28
WINDOW = normalised(gaussian(11, 1.5))
FEATURE = 0.1  # phase congruency above
FLOOR = 1e-4  # of the covariance and of the standard deviations


def zhao(fused: Tensor, sources: Tensor) -> Tensor:
    """Product of three mean correlations: of phase congruency, maximum and minimum moment.

    At every pixel the fused map is correlated with that of each source and with that of the
    source of largest phase congruency; the best of these correlations counts.

    Convention: 4 scales, 6 orientations, wavelengths from 3 pixels by factors of 2.1; the map of a
    source is 0 but for features, where its phase congruency exceeds 0.1, and its correlation 0 but
    there; Gaussian windows of 11 pixels, standard deviation 1.5, zeros around the map; correlation
    (covariance + 0.0001) / (product of the deviations + 0.0001); the mean is over the features of
    the largest phase congruency. Single precision after the forward transform, which moves the
    value by some 1e-8. A flat source has no features. The constant makes a window without content
    correlate with any other: a nearly flat fused image scores too well, a flat one is given 0.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 8 x 8 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from -1 to 1, without unit. Higher is more faithful; identical
        images score less than 1, for only the sources' maps are masked. NaN if no source has a
        feature.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Zhao, Laganière and Liu, Int. J. Innov. Comput. Inf. Control 3(6), 2007.
    """
    check_sources(fused, sources)
    check_size("Qp", SMALLEST, fused)
    together = torch.cat([precise(fused), precise(sources).squeeze(2)], dim=1)
    every_map = phase_congruency(together)
    fused_maps = [values[:, :1] for values in every_map]
    source_maps = [values[:, 1:] for values in every_map]
    largest = _of_the_largest_congruency(source_maps)
    maps = [torch.cat(pair, dim=1) for pair in zip(source_maps, largest, strict=True)]
    mask = (maps[0] > FEATURE).to(maps[0])  # (B, M + 1, H, W)
    features = (maps[0][:, -1] > FEATURE).flatten(1).sum(dim=1)
    flat = fused.flatten(1).amax(dim=1) == fused.flatten(1).amin(dim=1)
    value = (~flat).to(together)
    for own, theirs in zip(fused_maps, maps, strict=True):
        best = (_correlation(own, mask * theirs) * mask).amax(dim=1)
        value = value * best.to(together).sum(dim=-1).sum(dim=-1) / features
    return value


def _of_the_largest_congruency(maps: list[Tensor]) -> list[Tensor]:
    """The maps of the source of largest phase congruency, the last of equals, (B, 1, H, W)."""
    best = [values[:, :1] for values in maps]
    for m in range(1, maps[0].shape[1]):
        keep = best[0] > maps[0][:, m : m + 1]
        best = [
            torch.where(keep, old, new[:, m : m + 1]) for old, new in zip(best, maps, strict=True)
        ]
    return best


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    x_mean, y_mean = _mean(x), _mean(y)
    x_variance = _mean(x * x) - x_mean * x_mean
    y_variance = _mean(y * y) - y_mean * y_mean
    covariance = _mean(x * y) - x_mean * y_mean
    # rounding makes a variance negative
    return (covariance + FLOOR) / ((x_variance * y_variance).abs().sqrt() + FLOOR)


def _mean(values: Tensor) -> Tensor:
    return weighted_sum(values, WINDOW, padding="zeros")


class Zhao(ImageMean):
    """Mean :func:`zhao` of the fused images."""

    bytes_per_pixel = 490
    name = "Qp"
    long_name = "Zhao's phase congruency"
    conventions: ClassVar = {
        "paper": Convention("4 scales, 6 orientations, features above a phase congruency of 0.1"),
        "mefb": Convention("as paper"),
        "zhengliu": Convention("as paper"),
        "thfylsty": Convention("as paper"),
    }
    higher_is_better = True
    is_differentiable = False
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return zhao(fused, sources, **self.options)
