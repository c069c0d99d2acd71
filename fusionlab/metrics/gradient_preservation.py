"""Qabf: how well the edges of the sources are preserved, in strength and orientation."""

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
    root,
)
from fusionlab.metrics.shared import shared
from fusionlab.metrics.windows import check_option

BORDERS = {"zero": "constant", "replicate": "replicate", "mirror": "reflect"}
ANGLES = ("line", "axis", "direction", "direction_up")
FLOOR = 1e-5
EPSILON = 2.0**-52
Sigmoid = tuple[float, float, float]  # Γ, |κ|, σ


def gradient_preservation(
    fused: Tensor,
    sources: Tensor,
    *,
    strength: Sigmoid = (0.9994, 15.0, 0.5),
    orientation: Sigmoid = (0.9879, 22.0, 0.8),
    angle: str = "line",
    equal_gradients: str = "gradient",
    border: str = "zero",
    pooling: str = "ratio_of_sums",
    summation: str = "columns",
    is_unit_range: bool = False,
    without_edges: float = math.nan,
) -> Tensor:
    """Σ Q_kF g_k / Σ g_k over pixels and sources k, with Q = Q_g Q_α.

    Q_g = Γ / (1 + e^(-κ(G - σ))) of the ratio G of the smaller to the larger gradient g,
    Q_α the same of the agreement Θ = 1 - |α_k - α_F| / (π/2) of the angles α = atan(gy / gx).

    Convention: Sobel gradients of grey levels of 0 to 255, zeros beyond the border; κ and σ of
    Xydeas and Petrovic; α = π/2 where gx = 0; where two gradients are equal, G is the gradient
    itself instead of 1, as in every program in circulation (grey levels of 0 to 255 make that
    at most 0.06 % per pixel; identical images score 0.9753).

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 3 x 3 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        strength: Γ, κ and σ of Q_g.
        orientation: Γ, κ and σ of Q_α.
        angle: ``line``: as above; ``axis``: Θ = ||α_k - α_F| - π/2| / (π/2), so that opposite
            ends agree; ``direction``: atan2(gx, gy), whose differences reach 2π (Θ: -3);
            ``direction_up``: the same with gy upwards.
        equal_gradients: G where two gradients are equal: ``gradient`` or ``one``.
        border: ``zero``, ``replicate`` or ``mirror``, without the border pixel.
        pooling: ``ratio_of_sums``, or ``mean_of_ratios`` over the pixels, gradients of 0 taken
            as 1e-5.
        summation: Order of the terms of a Sobel response: ``columns``, then their sums;
            ``leftwards`` or ``rightwards``, every column upwards.
        is_unit_range: Whether grey levels are divided by 255 first. Rounding then decides which
            gradients are equal, and ``summation`` makes a difference.
        without_edges: Value of an image whose sources have no gradient anywhere.

    Returns:
        One value per image, (B,), from 0 to 0.9873, without unit. Higher is more faithful.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Xydeas and Petrović, Electronics Letters 36(4), 2000.
    """
    check_sources(fused, sources)
    check_size("Qabf", 3, fused)
    check_option("equal_gradients", equal_gradients, ("gradient", "one"))
    check_option("pooling", pooling, ("ratio_of_sums", "mean_of_ratios"))
    x, y = (precise(fused) / 255, precise(sources) / 255) if is_unit_range else (fused, sources)
    weights = edge_strength(y, border, summation)
    g = edge_strength(x, border, summation).unsqueeze(1)
    if pooling == "mean_of_ratios":
        weights, g = (values.masked_fill(values == 0, FLOOR) for values in (weights, g))
    ratio = torch.minimum(weights, g) / (torch.maximum(weights, g) + EPSILON)
    if equal_gradients == "gradient":
        ratio = torch.where(weights == g, g, ratio)
    agreement = _angle_agreement(x, y, border, angle, summation)
    quality = sigmoid(ratio, strength) * sigmoid(agreement, orientation)
    top, bottom = (quality * weights).sum(dim=1), weights.sum(dim=1)  # (B, 1, H, W)
    if pooling == "mean_of_ratios":
        return pixel_mean(top / bottom).squeeze(1)
    top, bottom = pixel_mean(top).squeeze(1), pixel_mean(bottom).squeeze(1)
    has_edges = bottom > 0
    return torch.where(has_edges, top / bottom.masked_fill(~has_edges, 1), without_edges)


def sigmoid(values: Tensor, constants: Sigmoid) -> Tensor:
    """Γ / (1 + e^(-κ(x - σ)))."""
    gamma, kappa, sigma = constants
    return gamma / (1 + (-kappa * (values - sigma)).exp())


@shared
def sobel(image: Tensor, border: str, summation: str = "columns") -> tuple[Tensor, Tensor]:
    """Differences to the right and downwards, weighted 1, 2, 1 across, of (..., H, W)."""
    check_option("border", border, tuple(BORDERS))
    check_option("summation", summation, ("columns", "leftwards", "rightwards"))
    image = precise(image)
    stack = pad(image.reshape(-1, 1, *image.shape[-2:]), (1, 1, 1, 1), mode=BORDERS[border])
    top, middle, bottom = stack[..., :-2, :], stack[..., 1:-1, :], stack[..., 2:, :]
    left, centre, right = slice(None, -2), slice(1, -1), slice(2, None)
    if summation == "columns":
        columns, steps = top + 2 * middle + bottom, bottom - top
        across = columns[..., right] - columns[..., left]
        down = steps[..., left] + 2 * steps[..., centre] + steps[..., right]
    else:
        sign, near, far = (1, right, left) if summation == "leftwards" else (-1, left, right)
        across = bottom[..., near] + 2 * middle[..., near] + top[..., near]
        across = across - bottom[..., far] - 2 * middle[..., far] - top[..., far]
        across = sign * across
        down = bottom[..., near] - top[..., near]
        down = down + 2 * bottom[..., centre] - 2 * top[..., centre]
        down = down + bottom[..., far] - top[..., far]
    return across.view(image.shape), down.view(image.shape)


@shared
def edge_strength(image: Tensor, border: str, summation: str = "columns") -> Tensor:
    """Sobel magnitude."""
    across, down = sobel(image, border, summation)
    return root(across.square() + down.square())


@shared
def edge_angle(image: Tensor, border: str, angle: str, summation: str = "columns") -> Tensor:
    """Angle of the gradient; see :func:`gradient_preservation` for the kinds."""
    across, down = sobel(image, border, summation)
    if angle == "direction":
        return torch.atan2(across, down)
    if angle == "direction_up":
        return torch.atan2(across, 0 - down)  # not -down, whose -0 lies at π
    vertical = across == 0
    slope = (down / across.masked_fill(vertical, FLOOR if angle == "axis" else 1)).atan()
    # angles turn clockwise, π/2 does not: so the programs have it, by a flipped kernel
    return slope if angle == "axis" else (-slope).masked_fill(vertical, math.pi / 2)


def _angle_agreement(
    fused: Tensor, sources: Tensor, border: str, angle: str, summation: str
) -> Tensor:
    """Θ, 1 for equal angles, of every source with the fused image."""
    check_option("angle", angle, ANGLES)
    ours = edge_angle(fused, border, angle, summation).unsqueeze(1)
    between = (edge_angle(sources, border, angle, summation) - ours).abs()
    if angle == "axis":
        return (between - math.pi / 2).abs() / (math.pi / 2)
    return 1 - between / (math.pi / 2)


_XYDEAS = {
    "strength": (1.0, 10.0, 0.5),
    "orientation": (1.0, 20.0, 0.75),
    "angle": "axis",
    "equal_gradients": "one",
    "pooling": "mean_of_ratios",
}
_COMMON = Convention("as paper")
_UNIT_RANGE = Convention(
    "as paper, but images in [0, 1] (bug): equal gradients count as lost",
    {"is_unit_range": True, "summation": "rightwards"},
)
_MEAN = Convention("Γ 1, κ 10 and 20, σ 0.5 and 0.75; mean over pixels of Σ Qg / Σ g", _XYDEAS)


class GradientPreservation(ImageMean):
    """Mean :func:`gradient_preservation` of the fused images."""

    bytes_per_pixel = 240
    name = "Qabf"
    long_name = "Gradient preservation"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Σ Qg / Σ g, Sobel, zero padded; equal gradients g have ratio g"),
        "mefb": _COMMON,
        "vifb": _COMMON,
        "linfeng": _COMMON,
        "thfylsty": _COMMON,
        "jileihou": _COMMON,
        "cddfuse": _COMMON,
        "ivif_zoo": _COMMON,
        "linfeng_unit_range": _UNIT_RANGE,
        "thfylsty_unit_range": _UNIT_RANGE,
        "jileihou_qg": Convention(
            "atan2 of the gradient, whose differences exceed π (bug); borders replicated; images "
            "in [0, 1], so that flat ones score a ratio of rounding errors",
            {
                "angle": "direction",
                "equal_gradients": "one",
                "border": "replicate",
                "is_unit_range": True,
                "summation": "leftwards",
            },
        ),
        "topanxal": Convention(
            "atan2 of the gradient, whose differences exceed π (bug); no edges score 0",
            {"angle": "direction_up", "equal_gradients": "one", "without_edges": 0.0},
        ),
        "zhengliu": _MEAN,
        "thfylsty_xydeas": _MEAN,
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = 3

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return gradient_preservation(fused, sources, **self.options)
