"""FMI: how much the features of the fused image tell about those of the sources, locally."""

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
)
from fusionlab.metrics.features import FEATURES

CHUNK = 4096  # windows at a time: their joint densities of 81 cells each stay in the cache


def feature_mutual_information(
    fused: Tensor, sources: Tensor, *, feature: str = "gradient", window: int = 3
) -> Tensor:
    """Mean over windows and sources of 2 I(X, F) / (H(X) + H(F)) of their feature densities.

    Convention: Fast-FMI. A window of a feature image, min-max normalised and divided by its sum,
    is a probability density over its places, read column by column. The joint density of two
    windows mixes their product with the upper (for a positive correlation of the two densities)
    or lower Fréchet bound so that its own correlation becomes that of the densities. Two equal
    windows score 1, and so do two flat ones; otherwise a flat one and a single spike share 0.
    Only windows that fit into the image; mean over the sources.

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
    x = _windows(FEATURES[feature](sources).squeeze(2), window)  # (B, M, H', W', window²)
    f = _windows(FEATURES[feature](fused), window).expand_as(x)
    chunks = zip(x.flatten(0, 3).split(CHUNK), f.flatten(0, 3).split(CHUNK), strict=True)
    scores = torch.cat([_normalised_information(*chunk) for chunk in chunks])
    return pixel_mean(scores.view(x.shape[:-1])).mean(dim=1)


def _windows(feature: Tensor, side: int) -> Tensor:
    """All windows that fit, (..., H', W', side²), read column by column."""
    return feature.unfold(-2, side, 1).unfold(-2, side, 1).mT.flatten(-2)


def _normalised_information(x: Tensor, f: Tensor) -> Tensor:
    """2 I / (H + H) of pairs of windows, (N,) of (N, K) and (N, K)."""
    (p, p_flat), (q, q_flat) = _density(x), _density(f)
    joint = _joint_density(p, q)
    marginal = (torch.special.entr(p) + torch.special.entr(q)).sum(dim=1)
    entropy = -torch.xlogy(joint, joint.abs()).sum(dim=(1, 2))  # the mixture may be negative
    spikes = marginal == 0
    share = 2 * (marginal - entropy) / marginal.masked_fill(spikes, 1)
    equal = (x == f).all(dim=1) | (p_flat & q_flat)
    return share.masked_fill(spikes, 0).masked_fill(equal, 1)


def _density(window: Tensor) -> tuple[Tensor, Tensor]:
    """Probability density, (N, K), and whether the window is flat, (N,)."""
    low, high = window.aminmax(dim=1, keepdim=True)
    flat = high == low
    height = ((window - low) / (high - low).masked_fill(flat, 1)).masked_fill(flat, 1)
    return height / height.sum(dim=1, keepdim=True), flat.squeeze(1)


def _joint_density(p: Tensor, q: Tensor) -> Tensor:
    """Density of the pair, (N, K, K), whose correlation is that of the densities as vectors."""
    dp, dq = p - p.mean(dim=1, keepdim=True), q - q.mean(dim=1, keepdim=True)
    scale = (dp.square().sum(dim=1) * dq.square().sum(dim=1)).sqrt()
    wanted = _ratio((dp * dq).sum(dim=1), scale)
    below_p, below_q = p.cumsum(dim=1)[:, None, :], q.cumsum(dim=1)[:, :, None]
    upper, lower = torch.minimum(below_p, below_q), (below_p + below_q - 1).clamp(min=0)
    bound = torch.where((wanted >= 0)[:, None, None], upper, lower)
    covariance = (bound - below_p * below_q).sum(dim=(1, 2))  # Hoeffding's formula
    reached = _ratio(covariance, _spread(p) * _spread(q))
    weight = _ratio(wanted, reached)[:, None, None]
    density = pad(bound, (1, 0, 1, 0)).diff(dim=1).diff(dim=2)
    return weight * density + (1 - weight) * (p[:, None, :] * q[:, :, None])


def _spread(p: Tensor) -> Tensor:
    """Standard deviation of the place under the density, (N,)."""
    place = torch.arange(1, p.shape[1] + 1, dtype=p.dtype, device=p.device)
    variance = (p * place.square()).sum(dim=1) - (p * place).sum(dim=1).square()
    return variance.clamp(min=0).sqrt()


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Their ratio, 0 where the whole is 0."""
    nothing = whole == 0
    return (part / whole.masked_fill(nothing, 1)).masked_fill(nothing, 0)


_GRADIENT = Convention("Fast-FMI of horizontal gradients, 3 x 3 windows")
_EDGES = Convention("Fast-FMI of binary Sobel edges, 3 x 3 windows", {"feature": "edge"})
_PIXEL = Convention(f"{_EDGES.text}, printed as FMI_pixel (bug)", _EDGES.options)


class FeatureMutualInformation(ImageMean):
    """Mean :func:`feature_mutual_information` of the fused images."""

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
