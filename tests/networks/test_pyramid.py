"""Pyramids of images: fusionlab.networks.pyramid."""

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from torch.testing import assert_close

from fusionlab.networks.pyramid import (
    collapsed,
    doubled,
    gaussian_pyramid,
    halved,
    laplacian_pyramid,
    level_count,
)

BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16
SIZES = [(1, 1), (1, 2), (2, 3), (5, 1), (6, 9), (16, 16), (17, 23)]


def image(*size: int) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(0))


def test_an_impulse_becomes_the_binomial_filter():
    impulse = torch.zeros(9, 9)
    impulse[4, 4] = 1
    assert_close(halved(impulse)[:, 2], torch.tensor([0, 1, 6, 1, 0]) / 16 * 6 / 16)


def test_doubling_keeps_a_constant_and_interpolates_a_ramp():
    assert torch.equal(doubled(torch.full((3, 4), 0.3), (5, 8)), torch.full((5, 8), 0.3))
    ramp = doubled(torch.arange(6.0).expand(6, 6), (11, 11))[0]
    assert_close(ramp[2:9], torch.arange(2, 9) / 2)  # the borders are no ramp


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (8, 5)])
def test_halving_is_smoothing_with_mirrored_borders_then_every_second_pixel(size):
    smoothed = image(*size).double().numpy()
    for axis in (0, 1):
        smoothed = correlate1d(smoothed, BINOMIAL, axis, mode="mirror")
    assert np.allclose(halved(image(*size).double()).numpy(), smoothed[::2, ::2], atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_a_pyramid_collapses_to_its_image(size):
    images = image(2, 3, *size)
    levels = laplacian_pyramid(images, level_count(*size, least=1))
    assert_close(collapsed(levels), images, rtol=0, atol=3e-7)  # a rounding for each level


def test_the_sides_of_a_level_are_half_those_before_rounded_up():
    sizes = [tuple(level.shape) for level in gaussian_pyramid(image(17, 23), 3)]
    assert sizes == [(17, 23), (9, 12), (5, 6), (3, 3)]


def test_details_of_a_constant_are_nothing():
    *details, base = laplacian_pyramid(torch.full((17, 23), 0.7), 3)
    assert all(detail.abs().max() < 1e-6 for detail in details)
    assert_close(base, torch.full((3, 3), 0.7))


@pytest.mark.parametrize(
    ("size", "least", "count"),
    [((480, 640), 8, 6), ((480, 640), 1, 9), ((15, 99), 8, 1), ((14, 99), 8, 0), ((1, 9), 1, 0)],
)
def test_how_often_an_image_can_be_halved(size, least, count):
    assert level_count(*size, least) == count


@pytest.mark.parametrize("size", SIZES)
def test_opencv_halves_and_doubles_alike(size):
    small = halved(image(*size))
    assert np.allclose(small.numpy(), cv2.pyrDown(image(*size).numpy()), atol=1e-6)
    large = cv2.pyrUp(small.numpy(), dstsize=size[::-1])
    assert np.allclose(doubled(small, size).numpy(), large, atol=1e-6)
