"""Feature images whose mutual information FMI measures."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.average_gradient import central_differences
from fusionlab.metrics.base import pixel_mean, precise

NOISE = 1e-9  # cosine coefficients below it, in grey levels, are rounding errors


def edges(images: Tensor) -> Tensor:
    """1 where the Sobel magnitude peaks along a row or column, above twice its quadratic mean.

    On [0, 1] and in this order of summation, as rounding decides between equal neighbours.
    """
    height, width = images.shape[-2:]
    grey = pad(precise(images).flatten(0, -3) / 255, (1, 1, 1, 1), mode="replicate")
    strength = torch.zeros_like(grey[:, 1:-1, 1:-1])
    kernel = ((1, 2, 1), (0, 0, 0), (-1, -2, -1))
    for taps in (kernel, tuple(zip(*kernel, strict=True))):
        response = torch.zeros_like(strength)
        for i, row in enumerate(taps):
            for j, tap in enumerate(row):
                response = response + tap * grey[:, i : i + height, j : j + width]
        strength = strength + response.square()
    strength = strength.masked_fill(strength <= 4 * pixel_mean(strength)[:, None, None], 0)
    around = pad(strength, (1, 1, 1, 1))
    left, right = around[:, 1:-1, :-2], around[:, 1:-1, 2:]
    above, beneath = around[:, :-2, 1:-1], around[:, 2:, 1:-1]
    peak = (strength > torch.maximum(left, right)) | (strength > torch.maximum(above, beneath))
    return peak.to(grey.dtype).view_as(images)


def cosine_transform(images: Tensor) -> Tensor:
    """Orthonormal discrete cosine transform over the last two dimensions."""
    grey = precise(images)
    bases = []
    for size in images.shape[-2:]:
        place = torch.arange(size, dtype=grey.dtype, device=grey.device)
        basis = (math.pi * (place + 0.5) * place[:, None] / size).cos() * (2 / size) ** 0.5
        basis[0] /= 2**0.5
        bases.append(basis)
    coefficients = bases[0] @ grey @ bases[1].mT
    return coefficients.masked_fill(coefficients.abs() < NOISE, 0)


FEATURES = {
    "none": precise,
    "gradient": lambda images: central_differences(images)[1],
    "edge": edges,
    "dct": cosine_transform,
}
