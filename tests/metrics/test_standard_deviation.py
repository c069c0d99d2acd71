import torch

from fusionlab.metrics import standard_deviation


def test_half_black_half_white():
    image = torch.tensor([0.0, 0.0, 255.0, 255.0]).view(1, 1, 2, 2)
    assert standard_deviation(image).item() == 127.5


def test_the_divisor_is_the_number_of_pixels():
    image = torch.tensor([0.0, 0.0, 0.0, 4.0]).view(1, 1, 2, 2)  # mean 1, squares 1 + 1 + 1 + 9
    assert standard_deviation(image).item() == 3**0.5


def test_brightness_does_not_matter_and_contrast_scales(fused):
    value = standard_deviation(fused)
    torch.testing.assert_close(standard_deviation(fused / 4 + 64), value / 4)


def test_a_flat_image_scores_0():
    assert standard_deviation(torch.full((1, 1, 4, 4), 77.0)).item() == 0
