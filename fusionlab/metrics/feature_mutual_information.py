"""FMI: how much the features of the fused image tell about those of the sources, locally."""

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    working_dtype,
)
from fusionlab.metrics.features import FEATURES

CHUNK = 32768  # windows at a time: fewer leave a second thread idle, more leave the cache
TINY = torch.finfo(torch.float32).tiny  # whose logarithm is finite


def feature_mutual_information(
    fused: Tensor, sources: Tensor, *, feature: str = "gradient", window: int = 3
) -> Tensor:
    """Mean over windows and sources of 2 I(X, F) / (H(X) + H(F)) of their feature densities.

    Convention: Fast-FMI. A window of a feature image, min-max normalised and divided by its sum,
    is a probability density over its places, read column by column. The joint density of two
    windows mixes their product with the upper (for a positive correlation of the two densities)
    or lower Fréchet bound so that its own correlation becomes that of the densities. Two equal
    windows score 1, and so do two flat ones; otherwise a flat one and a single spike share 0.
    Only windows that fit into the image, in single precision; mean over the sources.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least as large as a window.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        feature: "gradient" for the central difference from column to column; "none" for the
            grey levels; "edge" for a binary map of thinned Sobel edges; "dct" for the discrete
            cosine transform of the whole image.
        window: Side of the windows, odd and at least 3.

    Returns:
        One value per image, (B,), from 0 to 1, without unit. Higher is better.

    Raises:
        ValueError: If a shape does not fit, the images are too small, or an option is unknown.

    Source: Haghighat, Aghagolzadeh and Seyedarabi, Computers and Electrical Engineering 37(5),
    2011; Haghighat and Razian, Fast-FMI, AICT 2014.
    """
    check_sources(fused, sources)
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window must be odd and at least 3, got {window}")
    check_size("FMI", window, fused)
    if feature not in FEATURES:
        raise ValueError(f"feature must be {', '.join(FEATURES)}, got {feature!r}")
    x, f = (FEATURES[feature](images.detach()).float() for images in (sources.squeeze(2), fused))
    f = f.expand_as(x)  # or the strides of what both give would not be those of a row
    height, width = (size - window + 1 for size in x.shape[-2:])
    step = max(1, CHUNK // (x.shape[1] * width))
    bands = [slice(top, min(top + step, height) + window - 1) for top in range(0, height, step)]
    scores = [
        _normalised_information(
            _windows(x[..., band, :], window), _windows(f[..., band, :], window)
        )
        for band in bands
    ]
    every = torch.cat(scores, dim=-2)
    return pixel_mean(every.to(working_dtype(every.device))).mean(dim=1)


def _windows(feature: Tensor, side: int) -> Tensor:
    """All windows that fit, (side², ..., H', W'), read column by column."""
    height, width = (size - side + 1 for size in feature.shape[-2:])
    columns = [feature[..., j : j + width] for j in range(side)]
    return torch.stack([column[..., i : i + height, :] for column in columns for i in range(side)])


def _normalised_information(x: Tensor, f: Tensor) -> Tensor:
    """2 I / (H + H) of pairs of windows, (...) of (K, ...) each."""
    (p, p_flat), (q, q_flat) = _density(x), _density(f)
    marginal = _summed(_entropy(p)) + _summed(_entropy(q))
    spikes = marginal == 0
    share = 2 * (marginal - _joint_entropy(p, q)) / marginal.masked_fill(spikes, 1)
    equal = (x == f).all(dim=0) | (p_flat & q_flat)
    return share.clamp(min=0).masked_fill(spikes, 0).masked_fill(equal, 1)


def _density(window: Tensor) -> tuple[Tensor, Tensor]:
    """Probability density, (K, ...), and whether the window is flat, (...)."""
    low, high = window.amin(dim=0), window.amax(dim=0)
    flat = high == low
    height = ((window - low) / (high - low).masked_fill(flat, 1)).masked_fill(flat, 1)
    return height / _summed(height), flat


def _joint_entropy(p: Tensor, q: Tensor) -> Tensor:
    """Entropy of the pair whose correlation is that of the densities as vectors.

    A lower Fréchet bound is the upper one of q read backwards.
    """
    wanted = _correlation(p, q)
    q = torch.where(wanted < 0, q.flip(0), q)
    below_p, below_q = p.cumsum(dim=0), q.cumsum(dim=0)
    row, other = torch.empty_like(q), torch.empty_like(q)  # of the joint density, used again
    covariance = -_summed(below_p) * _summed(below_q)  # Hoeffding's formula
    for below in below_p:
        covariance += _summed(torch.minimum(below, below_q, out=row))
    weight = _ratio(wanted.abs(), _ratio(covariance, _spread(p) * _spread(q)))
    entropy = torch.zeros_like(weight)
    before_p, before_q = below_p - p, below_q - q
    for share, before, below in zip((1 - weight) * p, before_p, below_p, strict=True):
        # the bound's density in a cell: how far two steps of the distributions overlap
        torch.minimum(below, below_q, out=row).sub_(torch.maximum(before, before_q, out=other))
        row.clamp_(min=0).mul_(weight).add_(torch.mul(q, share, out=other))
        entropy += _summed(_entropy(row, out=other))
    return entropy


def _entropy(density: Tensor, out: Tensor | None = None) -> Tensor:
    """-p log |p|, 0 where p is 0: a mixture may be negative."""
    return torch.abs(density, out=out).clamp_(min=TINY).log_().mul_(density).neg_()


def _correlation(p: Tensor, q: Tensor) -> Tensor:
    dp, dq = p - _summed(p) / len(p), q - _summed(q) / len(q)
    scale = (_summed(dp.square()) * _summed(dq.square())).sqrt()
    return _ratio(_summed(dp * dq), scale)


def _spread(p: Tensor) -> Tensor:
    """Standard deviation of the place under the density, (...)."""
    place = torch.arange(1, p.shape[0] + 1, dtype=p.dtype, device=p.device)
    place = place.view(-1, *[1] * (p.ndim - 1))
    variance = _summed(p * place.square()) - _summed(p * place).square()
    return variance.clamp(min=0).sqrt()


def _summed(values: Tensor) -> Tensor:
    """Over the first dimension, one after the other: rounded alike wherever a window stands."""
    total = values[0] + values[1]
    for value in values[2:]:
        total += value
    return total


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Their ratio, 0 where the whole is 0."""
    nothing = whole == 0
    return (part / whole.masked_fill(nothing, 1)).masked_fill(nothing, 0)


_GRADIENT = Convention("Fast-FMI of horizontal gradients, 3 x 3 windows")
_EDGES = Convention("Fast-FMI of binary Sobel edges, 3 x 3 windows", {"feature": "edge"})
_PIXEL = Convention(f"{_EDGES.text}, printed as FMI_pixel (bug)", _EDGES.options)


class FeatureMutualInformation(ImageMean):
    """Mean :func:`feature_mutual_information` of the fused images."""

    bytes_per_pixel = 130
    name = "FMI"
    long_name = "Feature mutual information"
    conventions: ClassVar = {
        "paper": _GRADIENT,
        "mefb": _EDGES,
        "linfeng": _PIXEL,
        "linfeng_none": Convention("Fast-FMI of grey levels, 3 x 3 windows", {"feature": "none"}),
        "linfeng_gradient": _GRADIENT,
        "linfeng_dct": Convention(
            "Fast-FMI of the cosine transform of the whole image, 3 x 3 windows", {"feature": "dct"}
        ),
        "thfylsty": _PIXEL,
        "jileihou": _EDGES,
    }
    higher_is_better = True
    is_differentiable = False
    minimum_size = 3

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return feature_mutual_information(fused, sources, **self.options)
