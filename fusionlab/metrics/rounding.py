"""Gaussian window means to the last bit as other programs round them.

Where constants are too small for the grey levels, flat windows are rated by rounding errors.
"""

import math

import torch
from torch import Tensor

SIGMA = 1.5  # of every Gaussian window in use
BAND = 32  # rows that are worked on at a time, so that they stay in the cache


def octave_mean(image: Tensor, size: int) -> Tensor:
    """The Gaussian mean as Octave sums it: by columns from the last, fused multiply-add.

    Of ``weight * pixel`` the two parts are exact for 8-bit images and their products.
    """
    weights = _octave_weights(size)
    bands = []
    for top in range(0, image.shape[-2] - size + 1, BAND):
        band = image[..., top : top + BAND + size - 1, :]
        height, width = (side - size + 1 for side in band.shape[-2:])
        total = band.new_zeros(*band.shape[:-2], height, width)
        for x in reversed(range(size)):
            for y in reversed(range(size)):
                high = math.ldexp(round(math.ldexp(weights[x][y], 40)), -40)
                pixels = band[..., y : y + height, x : x + width]
                total = _add_exactly(total, pixels * high, pixels * (weights[x][y] - high))
        bands.append(total)
    return torch.cat(bands, dim=-2)


def _octave_weights(size: int) -> list[list[float]]:
    """Columns of the window of ``fspecial``, divided by its sum once more."""
    profile = [(i - size // 2) ** 2 for i in range(size)]
    weights = [[math.exp(-(x + y) / (2 * SIGMA**2)) for y in profile] for x in profile]
    norm = _plain_sum([weight for column in weights for weight in column])
    weights = [[weight / norm for weight in column] for column in weights]
    norm = _plain_sum([_plain_sum(column) for column in weights])
    return [[weight / norm for weight in column] for column in weights]


def _plain_sum(values: list[float]) -> float:
    """One after the other; Python's own sum rounds better than that."""
    total = 0.0
    for value in values:
        total += value
    return total


def single_mean(image: Tensor, size: int) -> Tensor:
    """The Gaussian mean in single precision: down, then across, fused multiply-add."""
    profile = torch.exp(-((torch.arange(size) - size // 2) ** 2).float() / (2 * SIGMA**2))
    weights = (profile / profile.sum()).tolist()
    image = image.float()
    for dim in (-2, -1):
        positions = image.shape[dim] - size + 1
        total = torch.zeros_like(image.narrow(dim, 0, positions))
        for i, weight in enumerate(weights):
            product = image.narrow(dim, i, positions).double() * weight  # exact
            total = (total.double() + product).float()
        image = total
    return image


def _add_exactly(total: Tensor, high: Tensor, low: Tensor) -> Tensor:
    """``total + high + low`` rounded once."""
    result = total + high
    part = result - total
    lost = (total - (result - part)) + (high - part)
    return result + (lost + low)
