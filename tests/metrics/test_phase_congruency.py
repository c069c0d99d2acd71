import math

import pytest
import torch

from fusionlab.metrics.phase_congruency import phase_congruency


@pytest.fixture
def bars():
    """A white bar on black, (1, 1, 64, 48): edges left of columns 12 and 36, none along rows."""
    image = torch.zeros(1, 1, 64, 48, dtype=torch.float64)
    image[..., 12:36] = 255
    return image


def test_edges_are_where_the_image_steps(bars):
    congruency, edges, corners = phase_congruency(bars)
    profile = congruency[0, 0, 20]
    assert sorted(profile.topk(4).indices.tolist()) == [11, 12, 35, 36]
    assert profile.max() < 1
    assert edges[0, 0, 20].argmax().item() in (11, 12, 35, 36)
    assert (edges > corners).all()


def test_a_corner_has_a_larger_minimum_moment_than_an_edge():
    image = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    image[..., 16:48, 16:48] = 255
    corners = phase_congruency(image)[2][0, 0]
    assert corners[15:18, 15:18].max() > 3 * corners[30:34, 15:18].max()


def test_a_shifted_image_has_shifted_features(fused):
    shifts = {"shifts": (3, -2), "dims": (-2, -1)}
    maps = phase_congruency(fused)
    for value, shifted in zip(maps, phase_congruency(fused.roll(**shifts)), strict=True):
        torch.testing.assert_close(shifted, value.roll(**shifts), rtol=1e-5, atol=1e-6)


def test_inversion_changes_nothing(fused):
    for value, same in zip(phase_congruency(fused), phase_congruency(255 - fused), strict=True):
        torch.testing.assert_close(same, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 15), (15, 16), (17, 19)])
def test_images_of_odd_sides_have_features_from_zero_to_one(size):
    image = 255 * torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(1))
    congruency, edges, corners = phase_congruency(image)
    assert ((congruency >= 0) & (congruency <= 1)).all()
    assert (congruency > 0.1).any()
    assert (edges >= corners).all()


@pytest.mark.parametrize("size", [(16, 16), (32, 31)])  # with the second the spectrum is rounded
def test_a_flat_image_has_no_features(size):
    congruency, edges, corners = phase_congruency(torch.full((1, 1, *size), 90.0))
    assert not congruency.any()
    # half the constant that keeps the angle defined
    assert edges.unique().tolist() == pytest.approx([5e-5])
    assert corners.unique().tolist() == pytest.approx([-5e-5])


def test_the_threshold_of_the_noise_is_that_of_its_filters():
    """By the sums over pixels that Kovesi writes, which the program replaces by Parseval's."""
    from fusionlab.metrics import phase_congruency as module

    image = 255 * torch.rand(1, 1, 15, 16, dtype=torch.float64, generator=torch.Generator())
    radius, angle = module._polar_frequency(image)
    filters = module._log_gabor(radius) * (-(angle - 0.5).square()).exp()
    smallest = torch.fft.ifft2(torch.fft.fft2(image) * filters[0]).abs()
    even = torch.fft.ifft2(filters).real * math.sqrt(15 * 16)
    pairs = sum((even[i] * even[j]).sum() for i in range(4) for j in range(i + 1, 4))
    median = smallest.square().flatten().sort().values[119:121].mean()
    power = median / math.log(2) / filters[0].square().sum()
    energy = 2 * power * even.square().sum() + 4 * power * pairs
    deviation = (energy / 2).sqrt()
    expected = deviation * math.sqrt(math.pi / 2) + 2 * ((2 - math.pi / 2) * deviation**2).sqrt()
    value = module._noise_gain(filters) * (median / math.log(2)).sqrt()
    assert value.item() == pytest.approx(expected.item() / 1.7, rel=1e-12)
