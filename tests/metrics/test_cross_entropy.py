import math

import pytest
import torch

from fusionlab.metrics.cross_entropy import CrossEntropy, cross_entropy
from fusionlab.metrics.entropy import entropy

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 8e-7
PROGRAMS = {
    "paper": ("formula:full_eps1e-7(mean)", DOUBLE),
    "ttd": ("formula:full_eps1e-7(mean)", DOUBLE),
    "mefb": ("mefb", DOUBLE),
    "vifb": ("vifb", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "thfylsty_myoce": ("thfylsty:myOCE", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = CrossEntropy(convention)
    for case in triples:
        if key in case.published["CE"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["CE"][key], rel=tolerance), case.name


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says(convention, edge_cases):
    key, tolerance = PROGRAMS[convention]
    metric = CrossEntropy(convention)
    for case in edge_cases:
        published = case.published["CE"]
        if "(mean)" in key:  # stored per source
            expected = (published[key[:-6] + "_A"] + published[key[:-6] + "_B"]) / 2
        else:
            expected = published[key]
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


def image(*levels):
    return torch.tensor(levels, dtype=torch.float64).view(1, 1, 2, 2)


def test_value_worked_out_by_hand():
    fused = image(0, 0, 0, 1)
    source = image(0, 0, 1, 1)
    expected = -(0.5 * math.log2(0.75) + 0.5 * math.log2(0.25))
    assert cross_entropy(fused, source[:, None]).item() == pytest.approx(expected, rel=1e-6)


def test_a_level_the_fused_image_lost_costs_the_logarithm_of_the_floor():
    flat, other = image(10, 10, 10, 10), image(20, 20, 20, 20)
    assert cross_entropy(flat, other[:, None]).item() == pytest.approx(math.log2(1e7))


def test_the_value_is_the_mean_over_any_number_of_sources():
    fused = image(0, 0, 0, 1)
    sources = [image(0, 0, 1, 1), image(0, 0, 0, 0), image(3, 3, 3, 3)]
    alone = [cross_entropy(fused, source[:, None]).item() for source in sources]
    together = cross_entropy(fused, torch.stack(sources, dim=1)).item()
    assert together == pytest.approx(sum(alone) / 3)


def test_identical_images_score_their_entropy(fused):
    # the floor of 1e-7 is missing from p = 1/72 to 5/72: 7e-6 of it, times log2(e)
    expected = entropy(fused)
    torch.testing.assert_close(cross_entropy(fused, fused[:, None]), expected, atol=1.1e-5, rtol=0)


def test_two_equal_flat_images_score_zero_but_for_the_floor():
    flat = image(10, 10, 10, 10)
    expected = -math.log2(1 + 1e-7)
    assert cross_entropy(flat, flat[:, None]).item() == pytest.approx(expected)


def test_a_value_outside_8_bits_is_refused(fused, sources):
    with pytest.raises(ValueError, match=r"fused must lie in \[0, 255\]"):
        cross_entropy(fused - 300, sources)
    with pytest.raises(ValueError, match=r"sources must lie in \[0, 255\]"):
        cross_entropy(fused, sources + 300)


def test_the_divergence_leaves_out_the_levels_that_the_fused_image_lost():
    fused, source = image(0, 0, 0, 1), image(0, 1, 2, 2)
    expected = 0.25 * math.log2(0.25 / 0.75) + 0.25 * math.log2(0.25 / 0.25)
    assert cross_entropy(fused, source[:, None], variant="kl").item() == pytest.approx(expected)
    assert expected < 0


def test_the_divergence_without_a_common_level_is_0():
    flat, other = image(10, 10, 10, 10), image(20, 20, 20, 20)
    assert cross_entropy(flat, other[:, None], variant="kl").item() == 0


def test_levels_0_and_1_may_count_as_one():
    fused, source = image(0, 0, 1, 5), image(1, 1, 0, 5)
    assert cross_entropy(fused, source[:, None], variant="kl", lowest_level=1).item() == 0


def test_the_sigmoid_form_is_log_2_where_all_is_black():
    black = image(0, 0, 0, 0)
    value = cross_entropy(black, black[:, None], variant="sigmoid")
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(math.log(2), rel=1e-6)


def test_an_unknown_variant_is_refused(fused, sources):
    with pytest.raises(ValueError, match="variant must be full, kl or sigmoid, got 'js'"):
        cross_entropy(fused, sources, variant="js")
    with pytest.raises(ValueError, match="lowest_level must be 0 for the variant sigmoid, got 1"):
        cross_entropy(fused, sources, variant="sigmoid", lowest_level=1)
