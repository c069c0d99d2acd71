import math

import pytest
import torch

from fusionlab.metrics.zheng_spatial_frequency import (
    ZhengSpatialFrequency,
    zheng_spatial_frequency,
)

DOUBLE = 1e-8  # stored to 10 digits
PROGRAMS = {
    "paper": ("zhengliu", DOUBLE),
    "zhengliu": ("zhengliu", DOUBLE),
}


@pytest.mark.parametrize("convention", PROGRAMS)
def test_real_images_score_as_the_program_says(convention, triples):
    key, tolerance = PROGRAMS[convention]
    metric = ZhengSpatialFrequency(convention)
    for case in triples:
        if key in case.published["Qsf"]:
            value = metric.score(case.fused, case.sources).item()
            assert value == pytest.approx(case.published["Qsf"][key], rel=tolerance), case.name


FLAT = {"constant_all_equal_100", "constant_A50_B150_F100", "all_zero", "all_255"}


def test_degenerate_images_score_as_the_program_says_or_0_if_all_are_flat(edge_cases):
    for case in edge_cases:
        expected = 0 if case.name in FLAT else case.published["Qsf"]["zhengliu"]
        value = zheng_spatial_frequency(case.fused, case.sources).item()
        # the program's sums leave -1.6e-16 where the images are equal
        assert value == pytest.approx(expected, rel=DOUBLE, abs=1e-12), case.name


def test_value_worked_out_by_hand():
    fused = torch.tensor([[0.0, 2.0], [0.0, 0.0]])[None, None]
    other = torch.tensor([[0.0, 0.0], [4.0, 0.0]])[None, None]
    sources = torch.stack([fused, other], dim=1)
    diagonal = 0.5**0.5
    # rows (2, 0), columns (0, -2), secondary diagonal -2
    own = 4 + 4 + diagonal * 4
    # largest: rows (2, 4), columns (4, 2), secondary diagonal 4
    reference = 4 + 16 + 16 + 4 + diagonal * 16
    expected = (own / reference) ** 0.5 - 1
    assert zheng_spatial_frequency(fused, sources).item() == pytest.approx(expected)


def test_identical_images_score_0_and_half_the_contrast_loses_half(fused):
    pair = fused[:, None].expand(-1, 2, -1, -1, -1)
    assert zheng_spatial_frequency(fused, pair).tolist() == [0, 0, 0]
    assert zheng_spatial_frequency(fused / 2, pair).tolist() == pytest.approx([-0.5, -0.5, -0.5])


def test_brightness_and_negation_do_not_matter(fused, sources):
    value = zheng_spatial_frequency(fused, sources)
    for same in (255 - fused, fused / 1 + 8):
        torch.testing.assert_close(zheng_spatial_frequency(same, 255 - sources), value)


def test_activity_that_no_source_has_is_not_defined(fused):
    assert zheng_spatial_frequency(fused, torch.zeros(3, 2, 1, 9, 8)).isnan().all()


def test_a_third_source_without_activity_changes_nothing(fused, sources):
    three = torch.cat([sources, torch.zeros(3, 1, 1, 9, 8)], dim=1)
    value = zheng_spatial_frequency(fused, sources)
    assert torch.equal(zheng_spatial_frequency(fused, three), value)
    assert not math.isnan(value.sum())


@pytest.mark.parametrize("convention", ZhengSpatialFrequency.conventions)
def test_a_batch_scores_like_its_members_whatever_the_order_of_the_sources(
    convention, fused, sources
):
    score = ZhengSpatialFrequency(convention).score
    value = score(fused, sources)
    members = [score(fused[i : i + 1], sources[i : i + 1]) for i in range(len(fused))]
    assert torch.equal(torch.cat(members), value)
    torch.testing.assert_close(score(fused, sources.flip(1)), value, rtol=1e-12, atol=1e-14)
    float64, transposed = fused.double(), fused.mT.contiguous().mT
    assert torch.equal(score(float64, sources.double()), value)  # 8-bit levels are exact
    assert torch.equal(score(transposed, sources), value)
