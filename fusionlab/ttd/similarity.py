"""Similarity of images per pixel, over the Gaussian window of SSIM.

Source: Wang, Bovik, Sheikh, Simoncelli: Image Quality Assessment, IEEE Trans. Image Process. 13(4),
2004.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = 0.01**2, 0.03**2  # for images in [0, 1]
_RADIUS = WINDOW // 2
_SHAPE = [math.exp(-((k - _RADIUS) ** 2) / (2 * SIGMA**2)) for k in range(WINDOW)]
_WEIGHTS = [value / sum(_SHAPE) for value in _SHAPE]


def local_mean(image: Tensor) -> Tensor:
    """The mean over the window around every pixel.

    By sums of shifted images: a convolution would take 16 bits under autocast, and TF32 on a GPU,
    which is too coarse for variances.

    Args:
        image: (B, C, H, W), larger than half a window; borders are reflected.

    Returns:
        The same shape.
    """
    for dim, padding in ((3, (_RADIUS, _RADIUS, 0, 0)), (2, (0, 0, _RADIUS, _RADIUS))):
        size = image.shape[dim]
        padded = F.pad(image, padding, mode="reflect")
        image = padded.narrow(dim, 0, size) * _WEIGHTS[0]
        for shift, weight in enumerate(_WEIGHTS[1:], 1):
            image = torch.add(image, padded.narrow(dim, shift, size), alpha=weight)
    return image


def structure(x: Tensor, y: Tensor) -> Tensor:
    """Contrast and structure of SSIM, (2σxy + C2) / (σx² + σy² + C2), blind to brightness.

    Args:
        x: (B, C, H, W), float32 or better.
        y: The same.

    Returns:
        (B, C, H, W), in [−1, 1].
    """
    x, y = _centred(x), _centred(y)  # of large means little is left of a variance
    mean_x, mean_y = local_mean(x), local_mean(y)
    covariance = local_mean(x * y) - mean_x * mean_y
    variances = local_mean(x * x + y * y) - (mean_x * mean_x + mean_y * mean_y)
    return (2 * covariance + C2) / (variances + C2)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM: :func:`structure` times (2μxμy + C1) / (μx² + μy² + C1); as there."""
    mean_x, mean_y = local_mean(x), local_mean(y)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return luminance * structure(x, y)


def _centred(image: Tensor) -> Tensor:
    # rows first: the same to the last bit for any number of threads
    return image - image.mean(3, keepdim=True).mean(2, keepdim=True)
