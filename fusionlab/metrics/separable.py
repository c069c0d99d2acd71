"""Correlation with separable windows, the Gaussians of the perceptual metrics."""

import math

import torch
from torch import Tensor
from torch.nn.functional import pad


def gaussian(size: int, sigma: float, *, centre: float | None = None) -> list[float]:
    """Samples of exp(-(t - centre)² / 2σ²), t from 0 to ``size`` - 1; centred, not normalised."""
    middle = (size - 1) / 2 if centre is None else centre
    return [math.exp(-((t - middle) ** 2) / (2 * sigma**2)) for t in range(size)]


def normalised(profile: list[float]) -> list[float]:
    """The same profile with the sum 1."""
    return [weight / math.fsum(profile) for weight in profile]


def weighted_sum(images: Tensor, profile: list[float], *, padding: str = "none") -> Tensor:
    """Correlate (..., H, W) with the square window that is the outer product of a profile.

    Sums of shifted images: in double precision many times as fast as a convolution on a CPU, and
    rounded alike at every pixel, for any number of threads.

    Args:
        images: Images, (..., H, W).
        profile: Weights along each of the two dimensions, an odd number.
        padding: "none", for the positions where the window fits, or "zeros".
    """
    planes = images.reshape(-1, *images.shape[-2:])
    if padding == "zeros":
        planes = pad(planes, 4 * (len(profile) // 2,))
    # one at a time, for the sake of the cache
    sums = torch.stack([_along(_along(plane, profile, -1), profile, -2) for plane in planes])
    return sums.view(*images.shape[:-2], *sums.shape[-2:])


def _along(image: Tensor, profile: list[float], dim: int) -> Tensor:
    """Correlation in one dimension; sums of products, not ``add`` with ``alpha``.

    That one is rounded once in the middle of a row and twice at its end.
    """
    size = len(profile)
    positions = image.shape[dim] - size + 1
    total = image.narrow(dim, size // 2, positions) * profile[size // 2]
    for i in range(size // 2):
        first, last = image.narrow(dim, i, positions), image.narrow(dim, size - 1 - i, positions)
        if profile[i] == profile[-1 - i]:
            total += (first + last).mul_(profile[i])
        else:
            total += first * profile[i]
            total += last * profile[-1 - i]
    return total
