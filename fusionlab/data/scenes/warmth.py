"""Thermal images from geometry: who and what is warm, and how a thermal camera shows it."""

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.shapes import Point, ellipse, grid, polygon, smooth_noise, soften

# Right half of somebody who stands with hanging arms: to the side and upwards, as fractions of the
# height, from the top of the head to the crotch.
# fmt: off
OUTLINE = (
    (0.000, 1.000), (0.034, 0.990), (0.050, 0.960), (0.053, 0.920), (0.042, 0.880), (0.028, 0.858),
    (0.032, 0.838), (0.070, 0.822), (0.110, 0.800), (0.130, 0.765), (0.140, 0.690), (0.148, 0.610),
    (0.160, 0.530), (0.160, 0.460), (0.146, 0.430), (0.132, 0.440), (0.126, 0.500), (0.118, 0.580),
    (0.104, 0.660), (0.096, 0.600), (0.098, 0.520), (0.104, 0.440), (0.100, 0.340), (0.092, 0.240),
    (0.084, 0.120), (0.078, 0.050), (0.104, 0.012), (0.100, 0.000), (0.044, 0.000), (0.042, 0.050),
    (0.034, 0.150), (0.028, 0.280), (0.014, 0.410), (0.000, 0.440),
)
# fmt: on


def person(
    size: tuple[int, int], feet: Point, height: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Warmth and matte of somebody who stands at ``feet``; ``height`` is a fraction of the image.

    The head is warmest, the coat warmer than the trousers, the hands in between.
    """
    to_x = height * size[0] / size[1]

    def at(dx: float, dy: float) -> Point:
        return feet[0] + dx * to_x, feet[1] - dy * height

    right = [at(dx, dy) for dx, dy in OUTLINE]
    left = [at(-dx, dy) for dx, dy in reversed(OUTLINE)]
    _, y = grid(size)
    up = (feet[1] - y) / height
    warmth = 0.58 + 0.16 * torch.sigmoid(25 * (up - 0.47)) + 0.22 * torch.sigmoid(60 * (up - 0.86))
    hands = [
        ellipse(size, at(side * 0.148, 0.455), (0.022 * to_x, 0.032 * height)) for side in (-1, 1)
    ]
    warmth = warmth + 0.14 * torch.stack(hands).amax(dim=0)
    warmth = warmth + 0.10 * (smooth_noise(size, round(12 / height), rng) - 0.5)
    return warmth, polygon(size, right + left)


def over(below: Tensor, above: Tensor | float, matte: Tensor) -> Tensor:
    """Lay ``above`` over ``below`` where the matte is 1."""
    return below + matte * (above - below)


def thermal(warmth: Tensor, rng: np.random.Generator) -> Tensor:
    """The image of a map of warmth: a soft focus, grain, and gains that differ by column."""
    columns = rng.standard_normal((1, 1, warmth.shape[-1]), dtype=np.float32)
    grain = rng.standard_normal(warmth.shape, dtype=np.float32)
    return soften(warmth, 0.8) + torch.from_numpy(0.003 * columns + 0.008 * grain)
