import numpy as np
import pytest
from scipy.stats import wilcoxon

from fusionlab.runs.statistics import (
    compare,
    cost,
    defined_mean,
    difference_interval,
    mean_ranks,
    p_against,
    source_rd,
)


def test_a_mean_leaves_out_what_is_not_defined_and_knows_no_order():
    assert defined_mean(np.array([1.0, np.nan, 4.0])) == 2.5
    assert np.isnan(defined_mean(np.array([np.nan])))
    assert np.isnan(defined_mean(np.array([])))
    values = np.random.default_rng(0).lognormal(0, 5, 1001)
    assert defined_mean(values) == defined_mean(values[::-1])


def test_a_constant_difference_has_an_interval_of_no_width():
    found = compare(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5]), higher_is_better=True)
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    assert (found.improved, found.images) == (1.0, 3)


@pytest.mark.parametrize(
    ("higher_is_better", "improved"),
    [(True, 2 / 5), (False, 1 / 5), (None, 2 / 5)],
)
def test_improvement_follows_the_direction_and_a_tie_is_none(higher_is_better, improved):
    """Best at 0: -3 to 2 and 1 to 0 are nearer; -1 to 1 is a tie in distance."""
    old, new = np.array([1.0, -1.0, -3.0, 1.0, 0.5]), np.array([1.0, 1.0, 2.0, 0.0, 0.5])
    assert compare(old, new, higher_is_better).improved == improved


def test_the_interval_is_that_of_the_normal_distribution_for_many_images():
    differences = np.random.default_rng(1).normal(0.3, 1.0, 400)
    found = compare(np.zeros(400), differences, higher_is_better=True)
    half = 1.96 * differences.std() / 20
    assert found.low == pytest.approx(found.mean - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.1 * half)


def test_pairing_matters():
    old = np.linspace(0, 100, 50)
    found = compare(old, old + 1 + 0.01 * np.sin(old), higher_is_better=True)
    assert 0.98 < found.low < found.high < 1.02


def test_a_difference_of_unpaired_means_has_both_variances():
    rng = np.random.default_rng(2)
    one, other = rng.normal(1.0, 1.0, 400), rng.normal(0.0, 2.0, 100)
    low, high = difference_interval(one, other)
    half = 1.96 * (one.var() / 400 + other.var() / 100) ** 0.5
    middle = one.mean() - other.mean()
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=0.1 * half)


def test_undefined_values_are_left_out_in_pairs():
    old, new = np.array([1.0, np.nan, 3.0, np.inf]), np.array([2.0, 5.0, np.nan, np.inf])
    found = compare(old, new, higher_is_better=True)
    assert (found.mean, found.images) == (1.0, 1)
    assert np.isnan(found.low)


def test_nothing_to_compare():
    found = compare(np.array([np.nan]), np.array([1.0]), higher_is_better=True)
    assert found.images == 0
    assert np.isnan([found.mean, found.low, found.high, found.improved]).all()


def test_an_interval_that_is_not_asked_for_is_not_computed():
    values = np.arange(5.0)
    found = compare(values, values + 1, higher_is_better=True, interval=False)
    assert (found.mean, found.improved) == (1, 1)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize(
    ("first", "second", "higher_is_better", "ranks"),
    [
        ([3, 3, 1], [2, 3, 2], True, [(1 + 1.5 + 2) / 3, (2 + 1.5 + 1) / 3]),
        ([3, 3, 1], [2, 3, 2], False, [(2 + 1.5 + 1) / 3, (1 + 1.5 + 2) / 3]),
        ([-0.1, 0.3, 0.0], [0.2, 0.2, -0.4], None, [(1 + 2 + 1) / 3, (2 + 1 + 2) / 3]),
    ],
)
def test_ranks_of_two_methods_on_three_images_by_hand(first, second, higher_is_better, ranks):
    costs = cost(np.array([first, second], dtype=float), higher_is_better)
    assert mean_ranks(costs) == pytest.approx(ranks)


def test_undefined_values_have_no_rank():
    costs = np.array([[2.0, np.nan, 1.0], [1.0, np.nan, np.nan], [3.0, np.nan, 0.0]])
    assert mean_ranks(costs).tolist() == [2, 1, 2]  # in the last image there are two
    assert np.isnan(mean_ranks(np.full((2, 1), np.nan))).all()


def test_p_values_are_wilcoxons_with_holms_correction():
    """The smallest of three counts three times, the next twice, the largest once."""
    rng = np.random.default_rng(0)
    best = rng.normal(size=20)
    far, near, nearer = (best + rng.normal(*shift, 20) for shift in ((1, 0.1), (0.2, 0.3), (0, 1)))
    raw = [wilcoxon(best - other).pvalue for other in (far, near, nearer)]
    assert raw[0] < raw[1] < raw[2]
    p = p_against(1, np.array([far, best, near, nearer]))
    assert p[0] == pytest.approx(3 * raw[0])
    assert p[2] == pytest.approx(max(3 * raw[0], 2 * raw[1]))
    assert p[3] == pytest.approx(max(2 * raw[1], raw[2]))
    assert np.isnan(p[1])


def test_holms_correction_never_orders_p_values_otherwise_and_never_exceeds_one():
    rng = np.random.default_rng(1)
    costs = np.array([np.zeros(6), *rng.normal(0, 1, (4, 6))])
    p = p_against(0, costs)[1:]
    raw = np.array([wilcoxon(row).pvalue for row in costs[1:]])
    order = raw.argsort()
    assert (np.diff(p[order]) >= 0).all()
    assert (p >= raw).all()
    assert p.max() == 1


def test_equal_methods_do_not_differ_and_undefined_ones_are_not_compared():
    values = np.array([[1.0, 2.0], [1.0, 2.0], [np.nan, np.nan], [np.nan, 1.0]])
    p = p_against(0, values)
    assert p[1] == 1
    assert np.isnan(p[[0, 2]]).all()
    assert p[3] == 1  # of one image


def test_rd_of_an_image_in_numbers_by_hand():
    rd = np.array([[[0.25, 0.5], [0.75, 1.0]], [[0.75, 0.5], [0.25, 0.0]]], np.float32)
    losses = np.array([[[4.0, 3.0], [2.0, 1.0]], [[0.3, 0.3], [0.3, 0.3]]], np.float32)
    first, second = source_rd(rd, losses)
    assert (first.mean, first.low, first.high, first.above_equal) == (0.625, 0.25, 1.0, 0.5)
    assert first.correlation == pytest.approx(-1)
    assert (second.mean, second.above_equal) == (0.375, 0.25)
    assert np.isnan(second.correlation)  # a loss that is the same everywhere


def test_uniform_rd_is_nowhere_above_its_value_where_all_count_alike():
    for count in (2, 3, 7, 41):
        rd = np.full((count, 4, 5), 1 / count, np.float32)
        found = source_rd(rd, np.random.default_rng(0).random(rd.shape, np.float32))
        assert all(one.above_equal == 0 for one in found)
        assert all(np.isnan(one.correlation) for one in found)


def test_the_correlation_is_pearsons_over_the_pixels():
    rng = np.random.default_rng(0)
    losses = rng.random((2, 5, 7)).astype(np.float32)
    rd = np.exp(-losses) + 0.1 * rng.random((2, 5, 7)).astype(np.float32)
    for m, found in enumerate(source_rd(rd, losses)):
        expected = np.corrcoef(rd[m].ravel(), losses[m].ravel())[0, 1]
        assert found.correlation == pytest.approx(expected, rel=1e-6)
