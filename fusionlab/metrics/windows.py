"""Local means, variances and covariances, the material of all similarity metrics."""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import precise
from fusionlab.metrics.rounding import SIGMA, octave_mean, single_mean
from fusionlab.metrics.shared import shared

FLAT = 1e-12  # of the mean square: above what rounding leaves, below one grey level at a corner
BORDERS = {"valid": "", "replicate": "replicate", "zero": "constant"}


def check_option(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        known = ", ".join(str(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {known}, got {value}")


@shared
def window_mean(
    image: Tensor, window: str = "gaussian", size: int = 11, border: str = "valid"
) -> Tensor:
    """Weighted mean around every pixel, or around those whose window fits (``valid``).

    Args:
        image: Images, (..., H, W).
        window: ``gaussian`` of standard deviation 1.5, ``uniform``, or ``octave``: the Gaussian
            rounded to the last bit as Octave's ``filter2`` rounds it; ``single``: the Gaussian
            in single precision, rounded as PyTorch does.
        size: Odd height and width of the window.
        border: ``valid``, ``replicate`` or ``zero``.
    """
    check_option("window", window, ("gaussian", "uniform", "octave", "single"))
    check_option("border", border, tuple(BORDERS))
    image = precise(image)
    if border != "valid":
        stack = image.reshape(-1, 1, *image.shape[-2:])
        stack = pad(stack, 4 * (size // 2,), mode=BORDERS[border])
        image = stack.view(*image.shape[:-2], *stack.shape[-2:])
    if window == "octave":
        return octave_mean(image, size)
    if window == "single":
        return single_mean(image, size)
    if window == "uniform":
        rows = image.unfold(-1, size, 1).sum(dim=-1)
        return rows.unfold(-2, size, 1).sum(dim=-1) / size**2
    profile = _gaussian(size)
    return _weighted_sum(_weighted_sum(image, profile, -1), profile, -2)


@shared
def window_variance(
    image: Tensor, window: str = "gaussian", size: int = 11, border: str = "valid"
) -> Tensor:
    """Mean square less squared mean; rounding leaves something else than 0 in a flat window."""
    square = window_mean(_square(image), window, size, border)
    return square - window_mean(image, window, size, border).square()


@shared
def window_covariance(
    image: Tensor, others: Tensor, window: str = "gaussian", size: int = 11, border: str = "valid"
) -> Tensor:
    """Mean product less product of means, of one image with one or (B, M, 1, H, W) others."""
    x, y = precise(image), precise(others)
    x_mean = window_mean(image, window, size, border)
    if others.ndim > image.ndim:
        x, x_mean = x.unsqueeze(1), x_mean.unsqueeze(1)
    product = window_mean(x * y, window, size, border)
    return product - x_mean * window_mean(others, window, size, border)


@shared
def contrast_variance(image: Tensor, window: str = "gaussian", size: int = 11) -> Tensor:
    """:func:`window_variance` that is 0 where the window is flat but for rounding."""
    variance = window_variance(image, window, size)
    flat = variance <= FLAT * window_mean(_square(image), window, size)
    return variance.masked_fill(flat, 0)


@shared
def halved(image: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, (..., ⌈H / 2⌉, ⌈W / 2⌉); the last row and column are repeated."""
    image = precise(image)
    height, width = image.shape[-2:]
    stack = image.reshape(-1, 1, height, width)
    stack = pad(stack, (0, width % 2, 0, height % 2), mode="replicate")
    means = (stack[..., ::2, ::2] + stack[..., ::2, 1::2]) / 4
    means = means + (stack[..., 1::2, ::2] + stack[..., 1::2, 1::2]) / 4
    return means.view(*image.shape[:-2], *means.shape[-2:])


@shared
def _square(image: Tensor) -> Tensor:
    return precise(image).square()


def _gaussian(size: int) -> list[float]:
    profile = [math.exp(-((i - size // 2) ** 2) / (2 * SIGMA**2)) for i in range(size)]
    return [weight / math.fsum(profile) for weight in profile]


def _weighted_sum(image: Tensor, profile: list[float], dim: int) -> Tensor:
    """Correlation with a symmetric profile; sums of products, not ``add`` with ``alpha``.

    That one is rounded once in the middle of a row and twice at its end.
    """
    size = len(profile)
    positions = image.shape[dim] - size + 1
    total = image.narrow(dim, size // 2, positions) * profile[size // 2]
    for i in range(size // 2):
        pair = image.narrow(dim, i, positions) + image.narrow(dim, size - 1 - i, positions)
        total = total + pair * profile[i]
    return total


def similarity(
    means: tuple[Tensor, Tensor],
    variances: tuple[Tensor, Tensor],
    covariance: Tensor,
    c1: float,
    c2: float,
) -> Tensor:
    """Structural similarity of two images at every position, from their local statistics."""
    x_mean, y_mean = means
    luminance = (2 * x_mean * y_mean + c1) / (x_mean.square() + y_mean.square() + c1)
    return luminance * ((2 * covariance + c2) / (variances[0] + variances[1] + c2))
