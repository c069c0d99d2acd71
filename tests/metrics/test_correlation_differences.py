import math

import numpy as np
import pytest
import torch

from fusionlab.metrics.correlation_differences import SumOfCorrelationsOfDifferences
from fusionlab.metrics.correlation_differences import sum_of_correlations_of_differences as scd

DOUBLE = 1e-8  # stored to 10 digits
SINGLE = 1e-5  # computed in single precision; observed 2e-7
PROGRAMS = {
    "linfeng": ("linfeng", DOUBLE),
    "thfylsty": ("thfylsty", DOUBLE),
    "jileihou": ("jileihou", DOUBLE),
    "jileihou_uint8": ("jileihou:uint8", DOUBLE),
    "cddfuse": ("cddfuse_float64", DOUBLE),
    "ivif_zoo": ("ivif_zoo", SINGLE),
    "topanxal": ("topanxal", SINGLE),
}


def correlation(x, y):
    """By NumPy; 0 with a constant image."""
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.corrcoef(x.numpy().ravel(), y.numpy().ravel())[0, 1])


def without_the_undefined_term(case, convention):
    """What a program that stops at a constant difference would say."""
    f, (a, b) = case.fused.double(), case.sources.double().unbind(dim=1)
    low = 0 if convention == "jileihou_uint8" else -255
    return correlation((f - b).clamp(min=low), a) + correlation((f - a).clamp(min=low), b)


@pytest.mark.parametrize("images", ["triples", "edge_cases"])
@pytest.mark.parametrize("convention", PROGRAMS)
def test_images_score_as_the_program_says_or_without_the_undefined_term(
    convention, images, request
):
    key, tolerance = PROGRAMS[convention]
    metric = SumOfCorrelationsOfDifferences(convention)
    for case in request.getfixturevalue(images):
        if key in case.published["SCD"]:
            expected = float(case.published["SCD"][key])
            if math.isnan(expected):
                expected = without_the_undefined_term(case, convention)
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(expected, rel=tolerance, abs=1e-12), case.name


def test_the_sum_of_the_sources_is_the_best(sources):
    assert scd(sources.sum(dim=1), sources).tolist() == pytest.approx([2, 2, 2])


def test_the_negative_of_two_equal_sources_is_the_worst(fused):
    pair = torch.stack([fused, fused], dim=1)
    assert scd(255 - fused, pair).tolist() == pytest.approx([-2, -2, -2])


def test_value_worked_out_by_hand():
    a = torch.tensor([0.0, 0.0, 1.0, 1.0]).view(1, 1, 2, 2)
    b = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 1, 2, 2)  # uncorrelated with a, equal spread
    pair = torch.stack([a, b], dim=1)
    # r(a - b, a) = 1 / sqrt(2), and a - a is constant
    assert scd(a, pair).item() == pytest.approx(0.5**0.5)


def test_correlation_agrees_with_torch(fused, sources):
    a, b = sources[0]
    expected = [
        torch.corrcoef(torch.stack([(fused[0] - other).flatten(), source.flatten()]).double())[0, 1]
        for source, other in ((a, b), (b, a))
    ]
    assert scd(fused[:1], sources[:1]).item() == pytest.approx(sum(expected).item(), rel=1e-12)


def test_brightness_and_contrast_of_a_source_pair_do_not_matter(fused, sources):
    value = scd(fused, sources)
    torch.testing.assert_close(scd(fused / 3 + 20, sources / 3), value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_a_correlation_with_a_constant_image_counts_as_0(fused, shift):
    shifted = (fused / 2 + shift)[:, None].expand(-1, 2, -1, -1, -1)
    # in float32 the difference is constant only up to rounding
    assert scd(fused / 2, shifted).tolist() == [0, 0, 0]


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_defined_for_two_sources(fused, count):
    with pytest.raises(ValueError, match=f"SCD is defined for two sources, got {count}"):
        scd(fused, fused[:, None].expand(-1, count, -1, -1, -1))


def test_8_bit_arithmetic_loses_what_a_source_took_away():
    a = torch.tensor([0.0, 0.0, 9.0, 9.0]).view(1, 1, 2, 2)
    b = torch.tensor([0.0, 9.0, 0.0, 9.0]).view(1, 1, 2, 2)
    # r(max(a - b, 0), a) of (0, 0, 9, 0) and (0, 0, 9, 9); a - a is constant
    assert scd(a, torch.stack([a, b], dim=1), saturate=True).item() == pytest.approx(3**-0.5)


def test_8_bit_arithmetic_needs_8_bit_values(fused, sources):
    with pytest.raises(ValueError, match=r"fused must lie in \[0, 255\]"):
        scd(fused + 99, sources, saturate=True)


@pytest.mark.parametrize("convention", SumOfCorrelationsOfDifferences.conventions)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    convention, fused, sources
):
    score = SumOfCorrelationsOfDifferences(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
