"""VIFF: how much of the visual information that is hardest to keep the fused image carries."""

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_size, check_sources
from fusionlab.metrics.visual_information import SMALLEST, distortion_channel

NOISE = 0.005 * 255**2  # variance of the noise of the visual system, in squared grey levels
SCALE_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
FLOOR = 1e-7  # of the information at every pixel


def visual_information_fidelity_for_fusion(fused: Tensor, sources: Tensor) -> Tensor:
    """Weighted sum over four scales of Σ log10(1 + g² s / (v + n)) / Σ log10(1 + s / n).

    The model and its windows are those of :func:`visual_information_fidelity`. At every pixel
    both terms are taken from the source with the smaller gain g, on which the fused image depends
    less.

    Convention: noise variance n = 0.005 · 255²; 1e-7 added to either term at every pixel; the
    scales weigh 1, 0, 0.15 and 1, divided by 2.15; of equal gains, often both 0, the later source
    counts, so that the order of the sources matters. A flat
    source, whose gain is 0 everywhere, makes the score 1 whatever the rest; a flat fused image
    scores about 1e-7.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 41 x 41 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), without unit, from 0 to 1, or more where the fused image has more
        contrast than the sources. Higher is more faithful.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Han, Cai, Cao and Xu, Information Fusion 14(2), 2013.
    """
    check_sources(fused, sources)
    check_size("VIFF", SMALLEST, fused)
    channel = distortion_channel(fused, sources, padding="none", window="gaussian", saturate=False)
    value = torch.zeros(())
    for weight, (gain, variance, residual) in zip(SCALE_WEIGHTS, channel, strict=True):
        if weight > 0:
            kept = (1 + gain.square() * variance / (residual + NOISE)).log10()
            available = (1 + variance / NOISE).log10()
            kept, available = _of_the_smallest_gain(gain, kept, available)
            value = value + weight * (_floored_total(kept) / _floored_total(available))
    return value


def _of_the_smallest_gain(gain: Tensor, *maps: Tensor) -> list[Tensor]:
    """The values of the source with the smallest gain, the last of equals; (B, h, w) each."""
    best, *chosen = (values[:, 0] for values in (gain, *maps))
    for m in range(1, gain.shape[1]):
        keep = best < gain[:, m]
        best, *chosen = (
            torch.where(keep, old, new[:, m])
            for old, new in zip((best, *chosen), (gain, *maps), strict=True)
        )
    return chosen


def _floored_total(values: Tensor) -> Tensor:
    """Rows first: the same for any number of threads."""
    return (values + FLOOR).sum(dim=-1).sum(dim=-1)


class VisualInformationFidelityForFusion(ImageMean):
    """Mean :func:`visual_information_fidelity_for_fusion` of the fused images."""

    bytes_per_pixel = 160
    name = "VIFF"
    long_name = "Visual information fidelity for fusion"
    conventions: ClassVar = {
        "paper": Convention("smallest gain at every pixel, noise variance 0.005 · 255²"),
        "mefb": Convention("as paper; printed as VIF there"),
        "thfylsty": Convention("as paper"),
        "topanxal": Convention("as paper; in single precision there, off by 5 % in flat areas"),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return visual_information_fidelity_for_fusion(fused, sources, **self.options)
