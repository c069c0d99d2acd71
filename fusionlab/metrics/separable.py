"""Correlation with separable windows, the Gaussians of the perceptual metrics."""

import math

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

    Sums of shifted images: in double precision ten times as fast as a convolution on a CPU, and
    rounded alike at every pixel, for any number of threads.

    Args:
        images: Images, (..., H, W).
        profile: Weights along each of the two dimensions, an odd number.
        padding: "none", for the positions where the window fits, or "zeros".
    """
    if padding == "zeros":
        images = pad(images, 4 * (len(profile) // 2,))
    return _along(_along(images, profile, -1), profile, -2)


def _along(images: Tensor, profile: list[float], dim: int) -> Tensor:
    positions = images.shape[dim] - len(profile) + 1
    total = images.narrow(dim, 0, positions) * profile[0]
    for offset, weight in enumerate(profile[1:], 1):
        total = total + images.narrow(dim, offset, positions) * weight
    return total
