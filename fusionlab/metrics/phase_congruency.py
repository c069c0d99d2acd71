"""Phase congruency: where the frequencies of an image are in phase, there is a feature.

Kovesi, Videre 1(3), 1999 (PC_2), and DICTA 2003 (its moments), with the constants that the metric
of Zhao et al. is computed with in practice.
"""

import math

import numpy as np
import torch
from torch import Tensor

from fusionlab.metrics.base import precise, working_dtype

SCALES, ORIENTATIONS = 4, 6
WAVELENGTH, SPACING = 3.0, 2.1  # of the smallest filter, in pixels; from one scale to the next
BANDWIDTH = 0.55  # σ / f_0 of a log Gabor filter
ANGULAR_WIDTH = math.pi / ORIENTATIONS / 1.2
CUTOFF, SHARPNESS = 0.45, 15  # of the low-pass (Butterworth) that takes away the corners
NOISE_DEVIATIONS = 2.0  # above the mean: threshold of what is noise
OVERESTIMATE = 1.7  # of that threshold for PC_2, says Kovesi
NARROW, STEEPNESS = 0.5, 10.0  # of the weight that a narrow frequency band loses
EPSILON = 1e-4
TINY = torch.finfo(torch.float32).tiny  # in place of an amplitude of 0


def phase_congruency(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Phase congruency, and the maximum and minimum moment of its covariance.

    Convention: the image continues periodically; the covariance of the two directions is
    divided by the number of orientations, a quarter of what Kovesi's later version takes.
    Everything after the forward transform is in single precision, twice as fast.

    Args:
        images: Images, (B, M, H, W).

    Returns:
        Three maps, (B, M, H, W), in single precision: the first from 0 to 1, the moments,
        strengths of edges and of corners, from -0.00005 to 2. A flat image has none of them.
    """
    images = precise(images)
    flat = images.amax(dim=(-2, -1), keepdim=True) == images.amin(dim=(-2, -1), keepdim=True)
    spectrum = torch.fft.fft2(images).masked_fill(flat, 0)  # instead of its rounding
    radius, angle = _polar_frequency(images)
    bands = _log_gabor(radius) * _low_pass(images)
    energy, amplitude, xx, yy, xy = (
        torch.zeros(images.shape, dtype=torch.float32, device=images.device) for _ in range(5)
    )
    for orientation in range(ORIENTATIONS):
        theta = orientation * math.pi / ORIENTATIONS
        oriented_energy, oriented_amplitude = _oriented(spectrum, bands * _angular(angle, theta))
        energy += oriented_energy
        amplitude += oriented_amplitude
        congruency = oriented_energy / oriented_amplitude.clamp(min=TINY)
        square = congruency.square()
        xx += math.cos(theta) ** 2 * square
        yy += math.sin(theta) ** 2 * square
        xy += math.cos(theta) * math.sin(theta) * square
    xx, yy, xy = xx / (ORIENTATIONS / 2), yy / (ORIENTATIONS / 2), xy / ORIENTATIONS
    spread = torch.hypot(xy, xx - yy) + EPSILON
    return energy / (amplitude + EPSILON), (yy + xx + spread) / 2, (yy + xx - spread) / 2


def _oriented(spectrum: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Energy in phase above the noise, and summed amplitudes of the scales of an orientation."""
    gain = _noise_gain(filters).float()
    # also because a product of two dtypes takes ten times as long
    spectrum, filters = spectrum.to(torch.complex64), filters.to(torch.complex64)
    maps = [_of_one_image(image, filters, gain) for image in spectrum.flatten(0, 1)]
    energy, amplitude = (
        torch.stack(values).view(spectrum.shape) for values in zip(*maps, strict=True)
    )
    return energy, amplitude


def _of_one_image(spectrum: Tensor, filters: Tensor, noise_gain: Tensor) -> tuple[Tensor, Tensor]:
    """The same of one spectrum, (H, W); one at a time for the sake of the cache."""
    responses = torch.fft.ifft2(spectrum * filters)
    even, odd = responses.real.contiguous(), responses.imag.contiguous()
    power = even.square().add_(odd.square())
    median = float(np.median(power[0].detach().cpu().numpy()))  # PyTorch's takes the lower of two
    threshold = noise_gain * math.sqrt(median / math.log(2))
    amplitudes = power.sqrt()
    amplitude, largest = _summed(amplitudes), amplitudes.amax(dim=0)
    in_phase, out_of_phase = _summed(even), _summed(odd)  # not yet of unit length
    across = _summed((even * out_of_phase).sub_(odd * in_phase).abs_())
    power = in_phase.square() + out_of_phase.square()
    energy = (power - across) / (power.sqrt() + EPSILON)
    energy = (energy - threshold).clamp_(min=0)
    width = amplitude / (largest + EPSILON) / SCALES
    # in single precision it is rounded otherwise where a thread's share of the pixels ends
    weight = ((width - NARROW) * STEEPNESS).to(working_dtype(width.device)).sigmoid_().float()
    return weight * energy, amplitude


def _summed(maps: Tensor) -> Tensor:
    """Over the scales, one after the other."""
    total = maps[0] + maps[1]
    for values in maps[2:]:
        total += values
    return total


def _noise_gain(filters: Tensor) -> Tensor:
    """What noise adds to the energy, per square root of its power in the smallest scale.

    The energy of filtered noise of power 1 is that of the sum of the even filters; an even
    filter is the part of a filter that is symmetric in frequency, and its energy is counted there
    (Parseval).
    """
    combined = _summed(filters)
    # frequency -k stands at index n - k
    even = (combined + combined.flip(-1, -2).roll((1, 1), dims=(-1, -2))) / 2
    rayleigh = (_total(even.square()) / _total(filters[0].square())).sqrt()
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt(2 - math.pi / 2)
    return rayleigh * (mean + NOISE_DEVIATIONS * deviation) / OVERESTIMATE


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


def _angular(angle: Tensor, theta: float) -> Tensor:
    """Angular part of the filters of an orientation, (H, W)."""
    turn = (angle - theta).abs()
    turn = torch.minimum(turn, 2 * math.pi - turn)
    return (-(turn.square()) / (2 * ANGULAR_WIDTH**2)).exp()


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
