"""The Laplacian in the losses of PMGI and MUFusion."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def laplacian(images: Tensor) -> Tensor:
    """The four neighbours less four times the pixel, (..., H, W); zeros lie around the image."""
    padded = F.pad(images, (1, 1, 1, 1))
    rows = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    columns = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    return rows + columns - 4 * images
