"""Structural similarity in the losses of networks, without a border, image by image.

Source: Wang et al., IEEE TIP 13(4), 2004.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def window_means(images: Tensor, size: int, sigma: float, padding: int = 0) -> Tensor:
    """Means over a Gaussian window around every pixel, (B, C, H, W); zeros lie around the image.

    A window of an even size has its centre behind the middle, as in pytorch-msssim.
    """
    place = torch.arange(size, device=images.device, dtype=images.dtype) - size // 2
    window = (-place.square() / (2 * sigma**2)).exp()
    window = (window / window.sum()).expand(images.shape[1], 1, -1)
    count = images.shape[1]
    images = F.conv2d(images, window[:, :, None], padding=(0, padding), groups=count)
    return F.conv2d(images, window[..., None], padding=(padding, 0), groups=count)


def contrast_and_similarity(
    x: Tensor, y: Tensor, size: int = 11, data_range: float = 1.0, padding: int = 0
) -> tuple[Tensor, Tensor]:
    """Maps of contrast and structure alone, and of SSIM.

    Convention: Gaussian window, sigma 1.5; K1 = 0.01, K2 = 0.03.

    Args:
        x: (B, C, H, W).
        y: The same.
        size: Side of the window, pixels.
        data_range: Of the images.
        padding: Zeros on every side; 0 leaves out pixels whose window is cut off.

    Returns:
        Twice (B, C, h, w).
    """
    maps = torch.cat((x, y, x * x, y * y, x * y), 1)
    means = window_means(maps, size, 1.5, padding).chunk(5, 1)
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = means
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    variances = mean_xx - mean_x.square() + mean_yy - mean_y.square()
    contrast = (2 * (mean_xy - mean_x * mean_y) + c2) / (variances + c2)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return contrast, luminance * contrast
