import pytest
import torch

from fusionlab.data.corruptions import LEVELS, corrupt


def test_contrast_brightness_fog_and_mask_by_hand():
    image = torch.tensor([0.2, 0.4, 0.6, 0.8]).expand(1, 4, 4)
    expected = torch.tensor([0.41, 0.47, 0.53, 0.59])  # 0.3 times the distance from the mean 0.5
    torch.testing.assert_close(corrupt(image, "contrast", 2)[0, 0], expected)
    expected = torch.tensor([0.5, 0.7, 0.9, 1.0])  # 0.3 more, clamped
    torch.testing.assert_close(corrupt(image, "brightness", 3)[0, 0], expected)
    expected = torch.tensor([0.0, 0.1, 0.3, 0.5])
    torch.testing.assert_close(corrupt(image, "darkness", 3)[0, 0], expected)
    expected = torch.tensor([0.84, 0.88, 0.92, 0.96])  # a fifth of the distance from white is left
    torch.testing.assert_close(corrupt(image, "fog", 5)[0, 0], expected)
    masked = corrupt(torch.ones(3, 100, 50), "mask", 4)  # 40 %: 63 rows of 32
    assert (masked == 0).sum() == 3 * 63 * 32
    assert masked[:, 50, 25].eq(0).all()
    assert masked[:, 0].eq(1).all()


def test_blurs_keep_flat_images_and_spread_a_point():
    flat, point = torch.full((1, 9, 9), 0.4), torch.zeros(1, 41, 41)
    point[0, 20, 20] = 1
    for name in ("gaussian_blur", "motion_blur"):
        for severity in range(1, 6):
            torch.testing.assert_close(corrupt(flat, name, severity), flat)
    spread = corrupt(point, "gaussian_blur", 2)[0]  # σ = 2
    assert (spread[20, 22] / spread[20, 20]).item() == pytest.approx(0.6065, rel=1e-3)  # e^-1/2
    streak = corrupt(point, "motion_blur", 1)[0]  # five pixels in a row
    assert streak.sum().item() == pytest.approx(1, abs=1e-5)
    assert streak[20].sum().item() == pytest.approx(1, abs=1e-5)
    assert (streak[20] > 0.1).sum() == 5


def test_blur_of_a_step_is_the_integral_of_its_gaussian():
    step = (torch.arange(61) >= 30).float().expand(1, 40, 61)
    blurred = corrupt(step, "gaussian_blur", 4)  # σ = 4
    # the edge lies at 29.5: pixel 34 is 4.5 pixels, 1.125 σ, beyond it; cut off at 3σ, and summed
    # over pixels, the Gaussian differs from the normal distribution by a thousandth
    assert blurred[0, 20, 34].item() == pytest.approx(0.8697, abs=2e-3)


def test_noise_has_its_deviation_and_its_seed():
    image = torch.full((1, 200, 200), 0.5)
    noisy = corrupt(image, "gaussian_noise", 2, seed=3)
    assert (noisy - image).std().item() == pytest.approx(0.12, rel=0.02)
    assert torch.equal(noisy, corrupt(image, "gaussian_noise", 2, seed=3))
    assert not torch.equal(noisy, corrupt(image, "gaussian_noise", 2, seed=4))


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("shape", [(1, 12, 16), (3, 17, 15)], ids=str)
def test_damage_grows_with_severity_from_none(name, shape):
    rows = torch.linspace(0.2, 0.9, shape[1])[:, None] * torch.linspace(1, 0.3, shape[2])
    image = (rows + 0.1 * torch.sin(7 * torch.arange(shape[2]))).clamp(0, 1).expand(shape)
    assert torch.equal(corrupt(image, name, 0), image)
    steps = [corrupt(image, name, severity) for severity in range(6)]
    assert all(step.min() >= 0 and step.max() <= 1 for step in steps)
    damage = [(step - image).square().mean().item() for step in steps]
    assert damage[1] > 0
    assert damage[5] > 1.2 * damage[1]


def test_unknown_corruptions_and_severities_are_refused():
    with pytest.raises(ValueError, match="one of brightness, contrast"):
        corrupt(torch.rand(1, 4, 4), "rain", 1)
    with pytest.raises(ValueError, match="from 0 to 5, got 6"):
        corrupt(torch.rand(1, 4, 4), "fog", 6)
