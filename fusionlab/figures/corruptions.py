"""Corruptions of a source, in severities from 0 (none) to 5."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor

SEVERITIES = (0, 1, 2, 3, 4, 5)


def less_contrast(image: Tensor, severity: float) -> Tensor:
    """Fades: x + 0.19 s (x̄ − x), x̄ the mean of each channel; 5 % of it is left at s = 5."""
    return image + 0.19 * severity * (image.mean((-2, -1), keepdim=True) - image)


def noise(image: Tensor, severity: float) -> Tensor:
    """Gaussian: x + 0.04 s n, clamped; n is normal and the same at every severity."""
    normal = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image + 0.04 * severity * normal.to(image)).clamp(0, 1)


def blur(image: Tensor, severity: float) -> Tensor:
    """Gaussian of σ = 0.8 s pixels, cut off at 3σ; the border is replicated."""
    if severity == 0:
        return image
    sigma = 0.8 * severity
    size = 2 * math.ceil(3 * sigma) + 1
    return gaussian_blur2d(image[None], (size, size), (sigma, sigma), "replicate")[0]


def brightness(image: Tensor, severity: float) -> Tensor:
    """Overexposure: x + 0.12 s, clamped."""
    return (image + 0.12 * severity).clamp(0, 1)


def fog(image: Tensor, severity: float) -> Tensor:
    """Koschmieder's law, x + 0.16 s (1 − x): white air light, one depth everywhere."""
    return image + 0.16 * severity * (1 - image)


CORRUPTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "contrast": less_contrast,
    "noise": noise,
    "blur": blur,
    "brightness": brightness,
    "fog": fog,
}


def corrupt(image: Tensor, corruption: str, severity: float) -> Tensor:
    """Corrupt an image.

    Args:
        image: (C, H, W) in [0, 1].
        corruption: One of ``CORRUPTIONS``, whose docstrings are the formulas.
        severity: s, 0 to 5; 0 returns the image bit for bit.

    Returns:
        (C, H, W) in [0, 1].

    Raises:
        ValueError: If there is no such corruption, or the severity is out of range.
    """
    if corruption not in CORRUPTIONS:
        raise ValueError(f"corruption must be one of {', '.join(CORRUPTIONS)}, got {corruption!r}")
    if not SEVERITIES[0] <= severity <= SEVERITIES[-1]:
        raise ValueError(f"severity must be from 0 to {SEVERITIES[-1]}, got {severity}")
    return CORRUPTIONS[corruption](image, severity)
