from typing import get_args

import pytest
import torch

from fusionlab.figures.corruptions import CORRUPTIONS, corrupt
from fusionlab.figures.parser import CORRUPTION


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_severity_0_is_the_image_itself(corruption):
    image = torch.rand(3, 12, 9)
    assert torch.equal(corrupt(image, corruption, 0), image)


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_every_severity_is_further_away_and_within_range(corruption):
    image = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0))
    steps = [corrupt(image, corruption, severity) for severity in range(6)]
    distances = [(step - image).square().mean().item() for step in steps]
    assert distances == sorted(set(distances))
    assert all(step.min() >= 0 and step.max() <= 1 for step in steps)


def test_contrast_of_two_pixels():
    image = torch.tensor([[[0.2, 0.6]]])  # mean 0.4, 0.2 on either side of it
    for severity, left in ((1, 0.81), (5, 0.05)):
        expected = torch.tensor([[[0.4 - 0.2 * left, 0.4 + 0.2 * left]]])
        torch.testing.assert_close(corrupt(image, "contrast", severity), expected)


def test_fog_and_brightness_of_one_pixel():
    image = torch.full((1, 1, 1), 0.5)
    assert corrupt(image, "fog", 5).item() == pytest.approx(0.9)  # 0.5 + 0.8 (1 - 0.5)
    assert corrupt(image, "brightness", 2).item() == pytest.approx(0.74)
    assert corrupt(image, "brightness", 5).item() == 1


def test_blur_of_a_step_is_the_integral_of_its_gaussian():
    step = (torch.arange(41) >= 20).float().expand(1, 30, 41)
    blurred = corrupt(step, "blur", 5)  # σ = 4
    # the edge lies at 19.5: pixel 24 is 4.5 pixels, 1.125 σ, beyond it; cut off at 3σ, and summed
    # over pixels, the Gaussian differs from the normal distribution by a thousandth
    assert blurred[0, 15, 24].item() == pytest.approx(0.8697, abs=2e-3)


def test_noise_has_its_standard_deviation_and_is_the_same_every_time():
    grey = torch.full((1, 200, 200), 0.5)
    noisy = corrupt(grey, "noise", 2)
    assert noisy.std().item() == pytest.approx(0.08, rel=0.02)  # 40,000 pixels
    assert torch.equal(noisy, corrupt(grey, "noise", 2))


def test_unknown_corruptions_and_severities_are_refused():
    with pytest.raises(ValueError, match="one of contrast, noise"):
        corrupt(torch.rand(1, 4, 4), "rain", 1)
    with pytest.raises(ValueError, match="from 0 to 5, got 6"):
        corrupt(torch.rand(1, 4, 4), "fog", 6)


def test_the_command_line_knows_every_corruption():
    assert set(get_args(CORRUPTION)) == set(CORRUPTIONS)
