"""Nabf and Labf: edges that the fusion invented, and edges that it lost."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    precise,
)
from fusionlab.metrics.gradient_preservation import edge_angle, edge_strength, sigmoid
from fusionlab.metrics.windows import check_option

STRENGTH = (0.9999, 19.0, 0.5)
ORIENTATION = (0.9995, 22.0, 0.5)
THRESHOLD = 2.0  # grey levels per pixel, where an edge begins
POWER = 1.5


def fusion_artefacts(
    fused: Tensor,
    sources: Tensor,
    *,
    sobel_scale: float = 1 / 8,
    border: str = "mirror",
    angle: str = "line",
    weak_weight: float = 0.001,
    is_unit_range: bool = False,
) -> Tensor:
    """Σ n (1 - Q_k) w_k / Σ w_k over pixels and sources k: edges that no source has.

    n = 1 where the fused gradient exceeds that of every source; Q = √(Q_g Q_α), from gradient
    g and angle as in :func:`~fusionlab.metrics.gradient_preservation.gradient_preservation`
    with Γ = 0.9999 and 0.9995, κ = 19 and 22, σ = 0.5; w = g^1.5 where g ≥ 2, else 0.001.

    Convention: Sobel / 8, so that a ramp of one grey level per pixel has g = 1; borders
    mirrored without the border pixel; a gradient of 0 is not preserved; opposite ends of an
    axis agree. Kumar's change of Petrović's N_AB/F.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 3 x 3 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        sobel_scale: What Sobel responses are multiplied with.
        border: ``mirror``, ``zero`` or ``replicate``.
        angle: ``line``: atan(gy / gx); ``direction_up``: atan2(gx, -gy), whose differences
            reach 2π.
        weak_weight: w below the threshold; with 0, sources without edges score NaN.
        is_unit_range: Whether grey levels are divided by 255 first.

    Returns:
        One value per image, (B,), from 0 to 1, without unit. Lower is cleaner; 0 where no
        gradient was raised, as in flat and in identical images.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Shreyamsha Kumar, Signal, Image and Video Processing 7(6), 2013.
    """
    check_sources(fused, sources)
    check_size("Nabf", 3, fused)
    raised, loss, weights = _losses(
        fused, sources, sobel_scale, border, angle, weak_weight, is_unit_range
    )
    return _share(raised.unsqueeze(1) * loss, weights)


def fusion_loss(fused: Tensor, sources: Tensor) -> Tensor:
    """Σ r (1 - Q_k) w_k / Σ w_k over pixels and sources k: edges of the sources that are lost.

    r = 1 where some source has at least the gradient of the fused image; the rest as in
    :func:`fusion_artefacts`, whose sum with this and with Σ Q_k w_k / Σ w_k is 1.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 3 x 3 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from 0 to 1, without unit. Lower is more faithful.
        Identical images score 0.0003 for strong edges; flat images 0.9914, for a gradient of 0
        is not preserved.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Petrović and Xydeas, ICCV 2005; Shreyamsha Kumar, SIViP 7(6), 2013.
    """
    check_sources(fused, sources)
    check_size("Labf", 3, fused)
    raised, loss, weights = _losses(fused, sources)
    return _share((~raised).unsqueeze(1) * loss, weights)


def _losses(
    fused: Tensor,
    sources: Tensor,
    sobel_scale: float = 1 / 8,
    border: str = "mirror",
    angle: str = "line",
    weak_weight: float = 0.001,
    is_unit_range: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where the fused gradient is the largest, (B, 1, H, W); (1 - Q) w and w, (B, M, 1, H, W)."""
    check_option("angle", angle, ("line", "direction_up"))
    x, y = (precise(fused) / 255, precise(sources) / 255) if is_unit_range else (fused, sources)
    ours = sobel_scale * edge_strength(x, border).unsqueeze(1)
    theirs = sobel_scale * edge_strength(y, border)
    larger = torch.maximum(ours, theirs)
    ratio = torch.minimum(ours, theirs) / larger.masked_fill(larger == 0, 1)
    between = edge_angle(y, border, angle) - edge_angle(x, border, angle).unsqueeze(1)
    agreement = (between.abs() - math.pi / 2).abs() / (math.pi / 2)
    quality = (sigmoid(ratio, STRENGTH) * sigmoid(agreement, ORIENTATION)).sqrt()
    weights = torch.where(theirs >= THRESHOLD, theirs**POWER, weak_weight)
    return (ours > theirs).all(dim=1), (1 - quality) * weights, weights


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return pixel_mean(part.sum(dim=1)).squeeze(1) / pixel_mean(whole.sum(dim=1)).squeeze(1)


class FusionArtefacts(ImageMean):
    """Mean :func:`fusion_artefacts` of the fused images."""

    bytes_per_pixel = 290
    name = "Nabf"
    long_name = "Fusion artefacts"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Kumar's: Sobel / 8, borders mirrored, weights g^1.5 from g = 2"),
        "linfeng": Convention("as paper"),
        "jileihou": Convention("as paper"),
        "thfylsty": Convention(
            "as paper, but images in [0, 1] (bug): every weight is 0.001", {"is_unit_range": True}
        ),
        "thfylsty_unit_range": Convention(
            "as paper, but images in [0, 1] (bug): every weight is 0.001", {"is_unit_range": True}
        ),
        "ivif_zoo": Convention("weight 0 instead of 0.001 below g = 2", {"weak_weight": 0.0}),
        "topanxal": Convention(
            "Sobel not divided by 8, zero padded, atan2, whose differences reach 2π (bug)",
            {"sobel_scale": 1.0, "border": "zero", "angle": "direction_up"},
        ),
    }
    higher_is_better = False
    is_differentiable = True
    minimum_size = 3

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return fusion_artefacts(fused, sources, **self.options)


class FusionLoss(ImageMean):
    """Mean :func:`fusion_loss` of the fused images."""

    bytes_per_pixel = 270
    name = "Labf"
    long_name = "Fusion loss"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Kumar's: Sobel / 8, borders mirrored, weights g^1.5 from g = 2"),
    }
    higher_is_better = False
    is_differentiable = True
    minimum_size = 3

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return fusion_loss(fused, sources, **self.options)
