"""Common corruptions of an image, at severities from 0 (none) to 5."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from kornia.enhance import (
    adjust_brightness,
    adjust_contrast_with_mean_subtraction,
    jpeg_codec_differentiable,
)
from kornia.filters import gaussian_blur2d, motion_blur
from torch import Tensor

LEVELS: dict[str, tuple[float, ...]] = {
    "brightness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),
    "darkness": (0.1, 0.2, 0.3, 0.4, 0.5),
    "fog": (0.16, 0.32, 0.48, 0.64, 0.8),
    "gaussian_blur": (1, 2, 3, 4, 6),
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    "jpeg": (25, 18, 15, 10, 7),
    "mask": (0.05, 0.1, 0.2, 0.4, 0.8),
    "motion_blur": (5, 9, 13, 17, 21),
}
"""By severity from 1: grey values added, factor of the contrast, grey values taken away, share of
white light, σ in pixels, σ of the noise, JPEG quality, share of the image, length in pixels."""


def corrupt(image: Tensor, name: str, severity: int, seed: int = 0) -> Tensor:
    """The image with one corruption.

    Convention: contrast is scaled about the mean of the image; fog is Koschmieder's law with white
    air light and one depth everywhere, x + level · (1 − x); blurs continue the border; motion is
    horizontal; the mask is a black rectangle in the middle, of the image's proportions; JPEG is
    kornia's; noise is the same at every severity, times its level.

    Args:
        image: (C, H, W) in [0, 1], C = 1 or 3.
        name: A key of ``LEVELS``.
        severity: 1 to 5, or 0 for the image as it is.
        seed: Of the noise.

    Returns:
        (C, H, W), clamped to [0, 1].

    Raises:
        ValueError: If there is no such corruption or severity.

    Source: Hendrycks and Dietterich, ICLR 2019, for the levels of brightness, contrast, Gaussian
    noise, Gaussian blur and JPEG; the others are ours.
    """
    if name not in LEVELS:
        raise ValueError(f"name must be one of {', '.join(LEVELS)}, got {name!r}")
    if severity not in range(6):
        raise ValueError(f"severity must be a whole number from 0 to 5, got {severity}")
    if severity == 0:
        return image
    level = LEVELS[name][severity - 1]
    if name == "gaussian_noise":
        generator = torch.Generator().manual_seed(seed)
        damaged = image + level * torch.randn(image.shape, generator=generator).to(image)
    else:
        damaged = _FUNCTIONS[name](image[None], level)[0]
    return damaged.clamp(0, 1)


def _blurred(image: Tensor, level: float) -> Tensor:
    size = 2 * math.ceil(3 * level) + 1
    return gaussian_blur2d(image, (size, size), (level, level), "replicate")


def _jpeg(image: Tensor, level: float) -> Tensor:
    """Kornia's encoder takes sides that are multiples of 16, and colours."""
    height, width = image.shape[-2:]
    bottom, right = -height % 16, -width % 16
    colours = torch.nn.functional.pad(image, (0, right, 0, bottom), "replicate")
    quality = torch.tensor([level], dtype=image.dtype, device=image.device)
    coded = jpeg_codec_differentiable(colours.expand(-1, 3, -1, -1), quality)
    return coded[:, : image.shape[1], :height, :width]


def _masked(image: Tensor, level: float) -> Tensor:
    height, width = (round(side * math.sqrt(level)) for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    masked = image.clone()
    masked[..., top : top + height, left : left + width] = 0
    return masked


_FUNCTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast_with_mean_subtraction,
    "darkness": lambda image, level: adjust_brightness(image, -level),
    "fog": lambda image, level: image + level * (1 - image),
    "gaussian_blur": _blurred,
    "jpeg": _jpeg,
    "mask": _masked,
    "motion_blur": lambda image, level: motion_blur(image, int(level), 0.0, 0.0, "replicate"),
}
