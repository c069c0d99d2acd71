"""Phase congruency: where the frequencies of an image are in phase, there is a feature.

Kovesi, Videre 1(3), 1999 (PC_2), and DICTA 2003 (its moments), with the constants that the metric
of Zhao et al. is computed with in practice.
"""

import math

import torch
from torch import Tensor

from fusionlab.metrics.base import precise
from fusionlab.metrics.shared import shared

SCALES, ORIENTATIONS = 4, 6
WAVELENGTH, SPACING = 3.0, 2.1  # of the smallest filter, in pixels; from one scale to the next
BANDWIDTH = 0.55  # σ / f_0 of a log Gabor filter
ANGULAR_WIDTH = math.pi / ORIENTATIONS / 1.2
CUTOFF, SHARPNESS = 0.45, 15  # of the low-pass (Butterworth) that takes away the corners
NOISE_DEVIATIONS = 2.0  # above the mean: threshold of what is noise
OVERESTIMATE = 1.7  # of that threshold for PC_2, says Kovesi
NARROW, STEEPNESS = 0.5, 10.0  # of the weight that a narrow frequency band loses
EPSILON = 1e-4


@shared
def phase_congruency(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Phase congruency, and the maximum and minimum moment of its covariance.

    Convention: the image continues periodically; the covariance of the two directions is
    divided by the number of orientations, a quarter of what Kovesi's later version takes.

    Args:
        images: Images, (B, M, H, W).

    Returns:
        Three maps, (B, M, H, W): the first from 0 to 1, the moments, strengths of edges and of
        corners, from -0.00005 to 2. A flat image has none of them.
    """
    images = precise(images)
    flat = images.amax(dim=(-2, -1), keepdim=True) == images.amin(dim=(-2, -1), keepdim=True)
    spectrum = torch.fft.fft2(images).masked_fill(flat, 0)  # instead of its rounding
    radius, angle = _polar_frequency(images)
    bands = _log_gabor(radius) * _low_pass(images)
    energy, amplitude, xx, yy, xy = (torch.zeros_like(images) for _ in range(5))
    for orientation in range(ORIENTATIONS):
        theta = orientation * math.pi / ORIENTATIONS
        spread = torch.atan2((angle - theta).sin(), (angle - theta).cos())
        filters = bands * (-(spread.square()) / (2 * ANGULAR_WIDTH**2)).exp()  # (S, H, W)
        oriented_energy, oriented_amplitude = _oriented(spectrum, filters)
        energy = energy + oriented_energy
        amplitude = amplitude + oriented_amplitude
        congruency = oriented_energy / oriented_amplitude.masked_fill(oriented_amplitude == 0, 1)
        x, y = congruency * math.cos(theta), congruency * math.sin(theta)
        xx, yy, xy = xx + x * x, yy + y * y, xy + x * y
    xx, yy, xy = xx / (ORIENTATIONS / 2), yy / (ORIENTATIONS / 2), xy / ORIENTATIONS
    spread = torch.hypot(xy, xx - yy) + EPSILON
    return energy / (amplitude + EPSILON), (yy + xx + spread) / 2, (yy + xx - spread) / 2


def _oriented(spectrum: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Energy in phase above the noise, and summed amplitudes of the scales of an orientation."""
    responses = [torch.fft.ifft2(spectrum * band) for band in filters]
    amplitudes = [response.abs() for response in responses]
    total, amplitude, largest = responses[0], amplitudes[0], amplitudes[0]
    for response, size in zip(responses[1:], amplitudes[1:], strict=True):
        total, amplitude = total + response, amplitude + size
        largest = torch.maximum(largest, size)
    phase = total / (total.abs() + EPSILON)  # the weighted mean phase, of unit length
    energy = torch.zeros_like(amplitude)
    for response in responses:
        turned = response * phase.conj()  # its real part in phase, its imaginary part out of it
        energy = energy + turned.real - turned.imag.abs()
    energy = (energy - _noise_threshold(amplitudes[0], filters)).clamp(min=0)
    width = amplitude / (largest + EPSILON) / SCALES
    weight = 1 / (1 + ((NARROW - width) * STEEPNESS).exp())
    return weight * energy, amplitude


def _noise_threshold(smallest: Tensor, filters: Tensor) -> Tensor:
    """What noise of the power in the smallest scale, by its median, adds to the energy.

    The energy of filtered noise of power 1 is that of the sum of the even filters; an even
    filter is the part of a filter that is symmetric in frequency, and its energy is counted there
    (Parseval).
    """
    power = _median(smallest.square()) / math.log(2) / _total(filters[0].square())
    # frequency -k stands at index n - k
    mirrored = filters.flip(-1, -2).roll((1, 1), dims=(-1, -2))
    even = ((filters + mirrored) / 2).sum(dim=0)
    rayleigh = (power * _total(even.square())).sqrt()
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt(2 - math.pi / 2)
    return rayleigh * (mean + NOISE_DEVIATIONS * deviation) / OVERESTIMATE


def _median(values: Tensor) -> Tensor:
    """Of each map, (B, M, 1, 1); of an even number the mean of the middle two."""
    flat = values.flatten(-2)
    count = flat.shape[-1]
    low = flat.kthvalue((count + 1) // 2, dim=-1).values
    high = flat.kthvalue(count // 2 + 1, dim=-1).values
    return ((low + high) / 2)[..., None, None]


def _total(values: Tensor) -> Tensor:
    """Rows first: the same for any number of threads."""
    return values.sum(dim=-1).sum(dim=-1)


def _polar_frequency(images: Tensor) -> tuple[Tensor, Tensor]:
    """Radius, 1 at frequency 0, and angle, (H, W); an odd axis is scaled to end at ±1/2."""
    rows, columns = (
        torch.fft.fftfreq(n, 1 / n, dtype=images.dtype, device=images.device) / (n - n % 2)
        for n in images.shape[-2:]
    )
    radius = torch.hypot(rows[:, None], columns)
    radius[0, 0] = 1
    return radius, torch.atan2(-rows[:, None].expand_as(radius), columns.expand_as(radius))


def _log_gabor(radius: Tensor) -> Tensor:
    """Radial part of the filters of every scale, (S, H, W)."""
    bands = []
    for scale in range(SCALES):
        centre = 1 / (WAVELENGTH * SPACING**scale)
        band = (-(radius / centre).log().square() / (2 * math.log(BANDWIDTH) ** 2)).exp()
        band[0, 0] = 0
        bands.append(band)
    return torch.stack(bands)


def _low_pass(images: Tensor) -> Tensor:
    """Butterworth filter, (H, W); its axes are shifted by one too many if odd, as in the original.

    Kovesi's first version shifts them with fftshift, which is the inverse of what it should be.
    """
    rows, columns = (
        torch.fft.fftfreq(n, dtype=images.dtype, device=images.device).roll(-(n % 2))
        for n in images.shape[-2:]
    )
    radius = torch.hypot(rows[:, None], columns)
    return 1 / (1 + (radius / CUTOFF) ** (2 * SHARPNESS))
