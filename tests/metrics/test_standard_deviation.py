import numpy as np
import pytest
import torch

from fusionlab.metrics.standard_deviation import StandardDeviation, standard_deviation

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 1e-7
PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "thfylsty_variance": ("thfylsty:variance", DOUBLE),
    "jileihou": ("jileihou", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = StandardDeviation(convention)
    for case in triples:
        if key in case.published["SD"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["SD"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = StandardDeviation(convention)
    for case in edge_cases:
        expected = case.published["SD"][key]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


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


def test_the_unbiased_form_divides_by_one_pixel_less():
    image = torch.tensor([0.0, 0.0, 0.0, 4.0]).view(1, 1, 2, 2)
    assert standard_deviation(image, unbiased=True).item() == 2  # 12 / 3
    one_pixel = torch.full((1, 1, 1, 1), 7.0)
    assert standard_deviation(one_pixel, unbiased=True).item() == 0


def test_eight_bits_lose_what_is_darker_than_the_mean_and_squares_above_255(fused):
    # MATLAB's uint8: 10 - 12.5 is 0, 20 - 12.5 is 8 (half away from 0), 8 * 8 is 64
    image = torch.tensor([0.0, 10.0, 20.0, 20.0]).view(1, 1, 2, 2)
    assert standard_deviation(image, saturate=True).item() == ((64 + 64) / 4) ** 0.5
    bright = torch.tensor([0.0, 0.0, 0.0, 200.0]).view(1, 1, 2, 2)  # 150 * 150 is 255
    assert standard_deviation(bright, saturate=True).item() == (255 / 4) ** 0.5
    grey = fused[:1, 0].double().numpy()
    steps = np.clip(np.floor(grey - grey.mean() + 0.5), 0, 255)
    expected = np.sqrt(np.minimum(steps**2, 255).mean())
    value = StandardDeviation("linfeng_uint8").score(fused[:1], fused[:1, None]).item()
    assert value == pytest.approx(expected, rel=1e-12)
