import pytest
import torch
from torch.nn.functional import conv2d

from fusionlab.metrics.separable import gaussian, normalised, weighted_sum


def test_a_gaussian_is_one_in_its_centre_and_symmetric():
    profile = gaussian(5, 2.0)
    assert profile[2] == 1
    assert profile == profile[::-1]
    assert profile[0] == pytest.approx(0.6065306597)  # exp(-2² / (2 · 2²))


def test_a_normalised_profile_sums_to_one():
    assert sum(normalised([1.0, 2.0, 5.0])) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(("padding", "border"), [("none", 0), ("zeros", 2)])
@pytest.mark.parametrize("profile", [[0.1, 0.5, 0.2, 0.7, -0.3], [0.1, 0.5, 0.2, 0.5, 0.1]])
def test_it_is_the_correlation_with_the_outer_product(profile, padding, border):
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 1, 9, 8, dtype=torch.float64, generator=generator)
    window = torch.tensor(profile, dtype=torch.float64)
    expected = conv2d(image, torch.outer(window, window)[None, None], padding=border)
    torch.testing.assert_close(weighted_sum(image, profile, padding=padding), expected)
