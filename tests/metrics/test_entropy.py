import math

import pytest
import torch

from fusionlab.metrics.entropy import Entropy, entropy

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 1e-7
PROGRAMS = {
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "jileihou": ("jileihou", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = Entropy(convention)
    for case in triples:
        if key in case.published["EN"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["EN"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = Entropy(convention)
    for case in edge_cases:
        expected = case.published["EN"][key]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-6), case.name


def test_256_levels_once_each_carry_8_bits():
    assert entropy(torch.arange(256.0).view(1, 1, 16, 16)).item() == 8


def test_unequal_levels():
    image = torch.tensor([7.0, 7.0, 9.0, 200.0]).view(1, 1, 2, 2)  # 1/2, 1/4, 1/4
    assert entropy(image).item() == 1.5


def test_levels_are_rounded_half_to_even():
    image = torch.tensor([0.0, 0.5, 1.5, 2.5]).view(1, 1, 2, 2)  # 0, 0, 2, 2
    assert entropy(image).item() == 1


def test_a_flat_image_scores_positive_zero():
    assert str(entropy(torch.full((1, 1, 4, 4), 9.0)).item()) == "0.0"


def test_which_levels_and_where_does_not_matter(fused):
    shuffled = fused.flatten(1)[:, torch.randperm(72)].view_as(fused)
    torch.testing.assert_close(entropy(255 - shuffled), entropy(fused))


def test_a_value_outside_8_bits_is_refused(fused):
    with pytest.raises(
        ValueError, match=r"image must lie in \[0, 255\], got values from .* to 256"
    ):
        entropy(fused.clone().fill_(256))


def test_the_epsilon_stands_inside_the_logarithm():
    image = torch.tensor([0.0, 0.0, 9.0, 9.0]).view(1, 1, 2, 2)
    assert entropy(image, epsilon=0.5).item() == 0
    assert entropy(image, epsilon=0.25).item() == pytest.approx(-math.log2(0.75))


def test_levels_below_the_lowest_count_as_the_lowest():
    image = torch.tensor([0.0, 1.0, 2.0, 3.0]).view(1, 1, 2, 2)
    assert entropy(image, lowest_level=1).item() == 1.5  # 1/2, 1/4, 1/4
    assert entropy(image, lowest_level=255).item() == 0


def test_an_impossible_lowest_level_is_refused(fused):
    with pytest.raises(ValueError, match="lowest_level must be from 0 to 255, got 256"):
        entropy(fused, lowest_level=256)
