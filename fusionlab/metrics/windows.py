"""Local means, variances and covariances, the material of all similarity metrics."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import precise
from fusionlab.metrics.rounding import SIGMA, octave_mean, single_mean
from fusionlab.metrics.separable import gaussian, normalised, weighted_sum
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
        return _box_sum(_box_sum(image, size, -1), size, -2) / size**2
    return weighted_sum(image, normalised(gaussian(size, SIGMA)))


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


def _box_sum(image: Tensor, size: int, dim: int) -> Tensor:
    """Sums of ``size`` pixels: of pairs, of pairs of pairs, and so on, as ``size`` is in binary."""
    positions = image.shape[dim] - size + 1
    parts, offset, width = [], 0, 1
    while width <= size:
        if width > 1:
            length = image.shape[dim] - width // 2
            image = image.narrow(dim, 0, length) + image.narrow(dim, width // 2, length)
        if size & width:
            parts.append(image.narrow(dim, offset, positions))
            offset += width
        width *= 2
    return sum(parts[1:], parts[0])


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
