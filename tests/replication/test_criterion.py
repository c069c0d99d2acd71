import pytest

from fusionlab.laboratory.replication.criterion import (
    effect_on_truth,
    passes,
    recommended,
    share_improved,
)

from .conftest import outcome

FLAT = {"a": [0.0] * 3, "b": [0.0] * 3, "c": [0.0] * 3}


def test_ground_truth_allows_a_loss_of_five_hundredths_of_a_decibel():
    truth = outcome({"a": [0.5, 0.1, -0.04], "b": [0.5, 0.5, -0.06], "c": [-0.01] * 3}, FLAT)
    effect = effect_on_truth(truth, "a")
    assert effect.worst == pytest.approx(-0.04)
    assert effect.mean.mean == pytest.approx(0.56 / 3)
    assert [passes([truth], one) for one in "abc"] == [True, False, False]


def test_a_setting_must_pass_on_every_data_set():
    good, bad = outcome({"a": [0.1] * 3}, {"a": [0.0] * 3}), outcome({"a": [-0.1] * 3}, FLAT)
    assert passes([good], "a")
    assert not passes([good, bad], "a")


@pytest.mark.parametrize("higher", [True, False])
def test_share_counts_metrics_whose_whole_interval_is_better(higher):
    sign = 1 if higher else -1
    other = {"a": [sign * 0.1, sign * 0.2, sign * 0.3], "b": [sign * 0.9, -sign * 0.1, 0.0]}
    data = outcome({"a": [0.0] * 3, "b": [0.0] * 3}, other, higher)
    assert share_improved([data], "a") == (1, 1)
    assert share_improved([data], "b") == (0, 1)


def test_recommended_is_the_best_of_those_that_pass():
    truth = outcome({"a": [0.1] * 3, "b": [0.2] * 3, "c": [-1.0] * 3}, FLAT)
    data = outcome(FLAT, {"a": [0.0] * 3, "b": [0.1, 0.2, 0.3], "c": [1.0, 2.0, 3.0]})
    assert recommended([truth], [data]) == "b"
    assert recommended([outcome({"a": [-1.0] * 3}, FLAT)], [data]) is None


def test_of_equal_shares_the_one_nearer_to_the_truth_is_recommended():
    truth = outcome({"a": [0.1] * 3, "b": [0.2] * 3, "c": [0.1] * 3}, FLAT)
    assert recommended([truth], [outcome(FLAT, FLAT)]) == "b"
