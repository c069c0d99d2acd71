"""Shapes and smooth random fields: the geometry of the built-in scenes and training crops.

Positions are fractions of the width (x, to the right) and of the height (y, downwards). A matte is
(1, H, W) float32 in [0, 1] with an edge one pixel wide.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

Point = tuple[float, float]
SUPERSAMPLING = 4


def grid(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Positions x (1, 1, W) and y (1, H, 1) of the pixel centres, in [0, 1]."""
    height, width = size
    x = (torch.arange(width) + 0.5) / width
    y = (torch.arange(height) + 0.5) / height
    return x[None, None, :], y[None, :, None]


def ellipse(size: tuple[int, int], centre: Point, radii: Point, degrees: float = 0.0) -> Tensor:
    """Matte of an ellipse, turned clockwise by ``degrees``."""
    height, width = size
    x, y = grid(size)
    dx, dy = (x - centre[0]) * width, (y - centre[1]) * height
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = radii[0] * width, radii[1] * height
    rho = torch.sqrt(((dx * cos + dy * sin) / a) ** 2 + ((dy * cos - dx * sin) / b) ** 2)
    return ((1 - rho) * min(a, b) + 0.5).clamp(0, 1)


def polygon(size: tuple[int, int], points: Sequence[Point]) -> Tensor:
    """Matte of a filled polygon."""
    canvas, corners = _canvas(size, points)
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    return _matte(canvas)


def stroke(size: tuple[int, int], points: Sequence[Point], width: float) -> Tensor:
    """Matte of a line with round joints and ends, ``width`` in fractions of the image width."""
    canvas, corners = _canvas(size, points)
    draw = ImageDraw.Draw(canvas)
    thickness = width * canvas.width
    draw.line(corners, fill=255, width=round(thickness), joint="curve")
    for x, y in corners:
        r = thickness / 2
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    return _matte(canvas)


def smooth_noise(size: tuple[int, int], cells: int, rng: np.random.Generator) -> Tensor:
    """Uniform noise on about ``cells`` cells along the longer side, bicubic in between.

    Returns:
        (1, H, W) float32, around [0, 1] with a little overshoot.
    """
    longer = max(size)
    shape = [math.ceil(cells * side / longer) + 1 for side in size]
    coarse = torch.from_numpy(rng.random(shape, dtype=np.float32))[None, None]
    return F.interpolate(coarse, size, mode="bicubic", align_corners=True)[0]


def fractal_noise(
    size: tuple[int, int], cells: int, octaves: int, rng: np.random.Generator
) -> Tensor:
    """Sum of smooth noises, each with half the amplitude and twice the cells, in about [0, 1]."""
    fields = [0.5**k * smooth_noise(size, cells * 2**k, rng) for k in range(octaves)]
    return torch.stack(fields).sum(dim=0) / sum(0.5**k for k in range(octaves))


def soften(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of one (C, H, W) image with a standard deviation in pixels, edges reflected."""
    radius = min(math.ceil(3 * sigma), min(image.shape[-2:]) - 1)
    size = 2 * radius + 1
    return gaussian_blur2d(image[None], (size, size), (sigma, sigma))[0]


def _canvas(
    size: tuple[int, int], points: Sequence[Point]
) -> tuple[Image.Image, list[tuple[float, float]]]:
    """An empty supersampled canvas, and the points on it."""
    height, width = size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING
    return Image.new("L", (width, height)), [(x * width, y * height) for x, y in points]


def _matte(canvas: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(canvas.reduce(SUPERSAMPLING)))[None] / 255
