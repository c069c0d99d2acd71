from dataclasses import replace

import numpy as np
import pytest

from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.replication.page_signs import (
    PAIRS,
    SIGNS,
    UNDECIDED,
    Counts,
    by_metrics,
    by_truth,
    counts,
    differences,
    signs_section,
    signs_summary,
)
from fusionlab.laboratory.replication.published import load_published
from fusionlab.report.statistics import Comparison

PAIR = PAIRS[0]


def test_differences_are_first_minus_second_whatever_static_is():
    measures = [Measure("EN", True), Measure("CE", False), Measure("SF", True)]
    second = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 2.0], [3.0, 1.0, 3.0]])
    added = np.array([[0.5, 0.5, -0.5], [0.5, 0.5, 0.5], [0.5, 0.5, 0.0]])
    values = {"static": second * 0, PAIR.first: second + added, PAIR.second: second}
    outcome = Outcome("data", "vif", "", "", 0.0, 1, list("abc"), measures, values)
    assert [one.mean for one in differences(outcome, PAIR)] == pytest.approx([0.5, 0.5, 0.0])
    # EN rises: better; CE rises: worse; SF goes both ways
    assert counts([outcome, outcome], PAIR) == Counts(2, 2, 6)


@pytest.mark.parametrize(
    ("better", "worse", "told"),
    [(3, 2, "negative"), (2, 3, "positive"), (2, 2, UNDECIDED), (0, 0, UNDECIDED)],
)
def test_metrics_decide_by_more_than_half(better, worse, told):
    assert by_metrics(Counts(better, worse, 5), PAIR) == told


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ([(0.1, 0.2), (0.1, 0.3)], "negative"),
        ([(-0.2, -0.1), (-0.3, -0.1)], "positive"),
        ([(0.1, 0.2), (-0.2, -0.1)], UNDECIDED),
        ([(-0.1, 0.2)], UNDECIDED),
        ([], UNDECIDED),
    ],
)
def test_truth_decides_if_every_data_set_agrees(ends, told):
    effects = [Comparison((low + high) / 2, low, high, 0.5, 4) for low, high in ends]
    assert by_truth(effects, PAIR) == told


def test_the_page_has_a_line_for_every_pair(replicated):
    results, _ = replicated
    text = signs_section(load_published(), results)
    for pair in PAIRS:
        found = counts([one.outcome for one in results.data], pair)
        numbers = f"{found.better} of {found.of} | {found.worse} of {found.of}"
        assert f"| IFCNN-MAX | {pair.first} | {pair.second} | {numbers} |" in text


def with_signs(results, negative: float, positive: float):
    """The same, with these values of every metric at both signs, and of PSNR."""

    def made(measured):
        outcome = measured.outcome
        ones = np.ones_like(outcome.values["static"])
        falls = [-1 if one.higher_is_better is False else 1 for one in outcome.measures]
        values = dict(outcome.values)
        for pair in SIGNS:
            values[pair.first] = negative * ones * falls
            values[pair.second] = positive * ones * falls
        return measured._replace(outcome=replace(outcome, values=values))

    own = {"data": [made(one) for one in results.data], "truth": [*map(made, results.truth)]}
    return replace(results, **own)


def test_the_verdict_follows_the_values(replicated):
    results, _ = replicated
    for values, told in (((2, 1), "2 negative, 0 positive"), ((1, 2), "0 negative, 2 positive")):
        text = signs_summary(with_signs(results, *values))
        assert f"of 2 comparisons of signs, {told}, 0 undecided by metrics; {told}" in text
