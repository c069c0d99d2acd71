"""The gradient magnitude of the losses of CDDFuse and PIAFusion."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def sobel_magnitude(images: Tensor) -> Tensor:
    """|Sobel_x| + |Sobel_y| at every pixel.

    Convention: integer kernels, 1 2 1 across and −1 0 1 along; zeros around the image, as in the
    authors' codes, so that its border looks like an edge.

    Args:
        images: (N, 1, H, W) in [0, 1].

    Returns:
        (N, 1, H, W) in [0, 6].
    """
    padded = F.pad(images, (1, 1, 1, 1))
    down = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    across = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    x = down[..., 2:] - down[..., :-2]
    y = across[..., 2:, :] - across[..., :-2, :]
    return x.abs() + y.abs()
