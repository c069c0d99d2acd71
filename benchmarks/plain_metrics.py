"""Metrics as scripts in circulation compute them: image by image, with NumPy and SciPy.

Two-dimensional windows, every source by itself, double precision; the formulas are those of
fusionlab.metrics in the convention ``paper``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import convolve2d

Image = NDArray[np.float64]
TINY = 1e-10


def entropy(fused: Image, sources: Sequence[Image]) -> float:
    """EN, in bits."""
    p = np.histogram(fused, bins=256, range=(0, 256))[0] / fused.size
    p = p[p > 0]
    return float(-np.sum(p * np.log2(p)))


def standard_deviation(fused: Image, sources: Sequence[Image]) -> float:
    """SD, over H x W."""
    return float(np.sqrt(np.mean((fused - np.mean(fused)) ** 2)))


def spatial_frequency(fused: Image, sources: Sequence[Image]) -> float:
    """SF, both means over the differences."""
    rows, columns = np.mean(np.diff(fused, axis=1) ** 2), np.mean(np.diff(fused, axis=0) ** 2)
    return float(np.sqrt(rows + columns))


def average_gradient(fused: Image, sources: Sequence[Image]) -> float:
    """AG, central differences."""
    gy, gx = np.gradient(fused)
    return float(np.mean(np.sqrt((gx**2 + gy**2) / 2)))


def mutual_information(fused: Image, sources: Sequence[Image]) -> float:
    """MI, in bits, summed over the sources."""
    total = 0.0
    for source in sources:
        counts, _, _ = np.histogram2d(
            source.ravel(), fused.ravel(), bins=256, range=[[0, 256], [0, 256]]
        )
        joint = counts / fused.size
        independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
        some = joint > 0
        total += np.sum(joint[some] * np.log2(joint[some] / independent[some]))
    return float(total)


def correlation(x: Image, y: Image) -> float:
    """Pearson's."""
    x, y = x - np.mean(x), y - np.mean(y)
    return float(np.sum(x * y) / np.sqrt(np.sum(x**2) * np.sum(y**2)))


def sum_of_correlations_of_differences(fused: Image, sources: Sequence[Image]) -> float:
    """SCD."""
    a, b = sources
    return correlation(fused - b, a) + correlation(fused - a, b)


def gaussian(size: int, sigma: float) -> Image:
    """A window of size x size, of sum 1."""
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    window = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return np.asarray(window / np.sum(window), dtype=np.float64)


def local_statistics(x: Image, y: Image, window: Image) -> tuple[Image, ...]:
    """Both means, both variances and the covariance where the window fits."""
    x_mean, y_mean = convolve2d(x, window, "valid"), convolve2d(y, window, "valid")
    x_variance = convolve2d(x * x, window, "valid") - x_mean**2
    y_variance = convolve2d(y * y, window, "valid") - y_mean**2
    covariance = convolve2d(x * y, window, "valid") - x_mean * y_mean
    return x_mean, y_mean, x_variance, y_variance, covariance


def structural_similarity(fused: Image, sources: Sequence[Image]) -> float:
    """SSIM, Gaussian 11 x 11, summed over the sources."""
    total, c1, c2 = 0.0, 2.55**2, 7.65**2
    for source in sources:
        mx, my, vx, vy, covariance = local_statistics(source, fused, gaussian(11, 1.5))
        values = (2 * mx * my + c1) * (2 * covariance + c2)
        total += np.mean(values / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(total)


def visual_information(fused: Image, sources: Sequence[Image]) -> float:
    """VIF in the pixel domain, summed over the sources."""
    total = 0.0
    for source in sources:
        x, y = source, fused
        kept = available = 0.0
        for scale in range(4):
            size = 2 ** (4 - scale) + 1
            window = gaussian(size, size / 5)
            if scale > 0:
                x = convolve2d(x, window, "valid")[::2, ::2]
                y = convolve2d(y, window, "valid")[::2, ::2]
            _, _, vx, vy, covariance = local_statistics(x, y, window)
            vx, vy = np.maximum(vx, 0), np.maximum(vy, 0)
            gain = covariance / (vx + TINY)
            gain[(vx < TINY) | (vy < TINY) | (gain < 0)] = 0
            vx[vx < TINY] = 0
            residual = np.maximum(vy - gain * covariance, TINY)
            kept += np.sum(np.log10(1 + gain**2 * vx / (residual + 2)))
            available += np.sum(np.log10(1 + vx / 2))
        total += kept / available
    return float(total)


def gradient(image: Image) -> tuple[Image, Image]:
    """Sobel magnitude and angle, zeros beyond the border."""
    kernel = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    gx, gy = convolve2d(image, kernel, "same"), convolve2d(image, -kernel.T, "same")
    angle = np.full_like(gx, np.pi / 2)
    angle[gx != 0] = np.arctan(gy[gx != 0] / gx[gx != 0])
    return np.sqrt(gx**2 + gy**2), angle


def gradient_preservation(fused: Image, sources: Sequence[Image]) -> float:
    """Qabf."""
    top = bottom = 0.0
    g, angle = gradient(fused)
    for source in sources:
        g_source, angle_source = gradient(source)
        larger = np.maximum(g, g_source)
        ratio = np.minimum(g, g_source) / np.where(larger == 0, 1, larger)
        ratio = np.where(g == g_source, g, ratio)
        agreement = 1 - np.abs(angle_source - angle) / (np.pi / 2)
        strength = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
        orientation = 0.9879 / (1 + np.exp(-22 * (agreement - 0.8)))
        top += np.sum(strength * orientation * g_source)
        bottom += np.sum(g_source)
    return float(top / bottom)


PLAIN: dict[str, Callable[[Image, Sequence[Image]], float]] = {
    "EN": entropy,
    "SD": standard_deviation,
    "SF": spatial_frequency,
    "AG": average_gradient,
    "MI": mutual_information,
    "SCD": sum_of_correlations_of_differences,
    "VIF": visual_information,
    "Qabf": gradient_preservation,
    "SSIM": structural_similarity,
}
