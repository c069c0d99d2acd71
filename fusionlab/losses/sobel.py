"""The gradients in the losses of CDDFuse, PIAFusion, SeAFusion and SHIP."""

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


def edge_loss(fused: Tensor, sources: Tensor) -> Tensor:
    """Mean distance of the fused image's gradients from the strongest of the sources at each pixel.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        sources: (B, M, 1, H, W) in [0, 1].

    Returns:
        A scalar, ≥ 0.
    """
    edges = sobel_magnitude(sources.flatten(0, 1)).unflatten(0, sources.shape[:2])
    return F.l1_loss(sobel_magnitude(fused), edges.amax(1))
