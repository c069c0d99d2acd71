import numpy as np
import pytest

from fusionlab.report.statistics import compare


def test_a_constant_difference_has_an_interval_of_no_width():
    found = compare(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.5, 3.5]), higher_is_better=True)
    assert (found.mean, found.low, found.high) == (0.5, 0.5, 0.5)
    assert (found.improved, found.images) == (1.0, 3)


def test_improvement_follows_the_direction_and_a_tie_is_none():
    old, new = np.array([1.0, 1.0, 1.0, 1.0]), np.array([2.0, 2.0, 0.0, 1.0])
    assert compare(old, new, higher_is_better=True).improved == 0.5
    assert compare(old, new, higher_is_better=False).improved == 0.25


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


def test_undefined_values_are_left_out_in_pairs():
    old, new = np.array([1.0, np.nan, 3.0, np.inf]), np.array([2.0, 5.0, np.nan, np.inf])
    found = compare(old, new, higher_is_better=True)
    assert (found.mean, found.images) == (1.0, 1)
    assert np.isnan(found.low)


def test_nothing_to_compare():
    found = compare(np.array([np.nan]), np.array([1.0]), higher_is_better=True)
    assert found.images == 0
    assert np.isnan(found.mean)
