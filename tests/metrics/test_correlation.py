import math

import numpy as np
import pytest
import torch

from fusionlab.metrics.correlation import CorrelationCoefficient, correlation_coefficient

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 2e-7
PROGRAMS = {
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = CorrelationCoefficient(convention)
    for case in triples:
        if key in case.published["CC"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["CC"][key], rel=tolerance), case.name


def correlation(x, y):
    """By NumPy; 0 with a constant image."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.corrcoef(x.numpy().ravel(), y.numpy().ravel())[0, 1])


@pytest.mark.parametrize("convention", PROGRAMS)
def test_degenerate_images_score_as_the_program_says_or_without_the_undefined_term(
    convention, edge_cases
):
    key, tolerance = PROGRAMS[convention]
    metric = CorrelationCoefficient(convention)
    for case in edge_cases:
        expected = float(case.published["CC"][key])
        if math.isnan(expected):
            both = [correlation(source, case.fused) for source in case.sources.unbind(dim=1)]
            expected = sum(both) / 2
        value = metric.score(case.fused, case.sources).item()
        assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


def test_value_worked_out_by_hand():
    fused = torch.tensor([0.0, 0.0, 0.0, 4.0]).view(1, 1, 2, 2)  # -1, -1, -1, 3
    same, other = fused, torch.tensor([0.0, 0.0, 2.0, 2.0]).view(1, 1, 2, 2)  # -1, -1, 1, 1
    pair = torch.stack([same, other], dim=1)
    assert correlation_coefficient(fused, pair).item() == pytest.approx((1 + 3**-0.5) / 2)


def test_the_value_is_the_mean_over_any_number_of_sources(fused, sources):
    three = torch.cat([sources, fused[:, None]], dim=1)
    expected = (2 * correlation_coefficient(fused, sources) + 1) / 3
    torch.testing.assert_close(correlation_coefficient(fused, three), expected)


def test_the_negative_correlates_negatively_and_brightness_and_contrast_do_not_matter(
    fused, sources
):
    value = correlation_coefficient(fused, sources)
    torch.testing.assert_close(correlation_coefficient(255 - fused, sources), -value)
    same = correlation_coefficient(fused / 4 + 9, sources / 2)
    torch.testing.assert_close(same, value, rtol=1e-5, atol=1e-6)  # rounded to float32


def test_a_constant_image_correlates_with_nothing(fused, sources):
    assert correlation_coefficient(torch.full_like(fused, 77.7), sources).tolist() == [0, 0, 0]


@pytest.mark.parametrize("convention", CorrelationCoefficient.conventions)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    convention, fused, sources
):
    score = CorrelationCoefficient(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
