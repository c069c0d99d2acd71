"""Laplacian and Gaussian pyramids of images, (..., H, W) each.

Burt and Adelson, IEEE Transactions on Communications 31(4), 1983,
https://doi.org/10.1109/TCOM.1983.1095851
Convention: the binomial filter (1, 4, 6, 4, 1) / 16 (their a = 3/8); borders are those of
OpenCV's pyrDown and pyrUp, reflected without repeating the outermost pixel. A level has half the
height and width of the one before, rounded up: no size is padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from fusionlab.networks.base import part_of, reflected

MANY_LEVELS = "it has more levels the larger the image is; give it a number: --options.levels 4"


def level_count(height: int, width: int, least: int) -> int:
    """How often an image can be halved so that its smaller side keeps at least so many pixels."""
    count, side = 0, min(height, width)
    while side > 1 and (side + 1) // 2 >= least:
        count, side = count + 1, (side + 1) // 2
    return count


def gaussian_pyramid(images: Tensor, count: int) -> tuple[Tensor, ...]:
    """The images, and ``count`` times their last level smoothed and halved."""
    levels = [images]
    for _ in range(count):
        levels.append(halved(levels[-1]))
    return tuple(levels)


def laplacian_pyramid(images: Tensor, count: int) -> tuple[Tensor, ...]:
    """``count`` levels of detail, the finest first, and the base."""
    levels = gaussian_pyramid(images, count)
    details = (fine - doubled(coarse, fine.shape[-2:]) for fine, coarse in pairwise(levels))
    return (*details, levels[-1])


def collapsed(levels: Sequence[Tensor]) -> Tensor:
    """The images of a Laplacian pyramid; of an unchanged one, equal to rounding."""
    *details, images = levels
    for detail in reversed(details):
        images = detail + doubled(images, detail.shape[-2:])
    return images


def halved(images: Tensor) -> Tensor:
    """Smoothed, every second row and column: (..., ⌈H/2⌉, ⌈W/2⌉)."""
    return _halved(_halved(images).mT).mT


def doubled(images: Tensor, size: Sequence[int]) -> Tensor:
    """Zeros between rows and columns, smoothed to ``size``: one that :func:`halved` came from."""
    return _doubled(_doubled(images, size[1]).mT, size[0]).mT


def _halved(images: Tensor) -> Tensor:
    """Along the last dimension."""
    size = images.shape[-1]
    padded = images.index_select(-1, reflected(images, size, 2, 2))
    a, b, c, d, e = (padded[..., k : k + size : 2] for k in range(5))
    return (a + e + 4 * (b + d) + 6 * c) / 16


def _doubled(images: Tensor, size: int) -> Tensor:
    """Along the last dimension; at the end the last pixel is repeated."""
    first = images[..., min(1, images.shape[-1] - 1), None]
    padded = torch.cat((first, images, images[..., -1:]), -1)
    a, b, c = padded[..., :-2], padded[..., 1:-1], padded[..., 2:]
    pairs = torch.stack(((a + 6 * b + c) / 8, (b + c) / 2), -1)
    return part_of(pairs.flatten(-2), -1, size)
