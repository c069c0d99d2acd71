import numpy as np
import pytest

from fusionlab.laboratory.replication.dominability import Probed, faded
from fusionlab.laboratory.replication.shares import (
    HOLDS,
    REVERSED,
    UNDECIDED,
    Share,
    day_minus_night,
    falls,
    falls_at_every_step,
    pooled,
)


def test_interval_of_a_share_is_exact():
    # of 10 successes in 10 the lower end solves p^10 = 0.025
    share = Share(10, 10)
    assert (share.low, share.high) == (pytest.approx(0.025**0.1), 1)
    assert str(share) == "100 % [69, 100]"


@pytest.mark.parametrize(
    ("count", "of", "verdict"),
    [(10, 10, HOLDS), (0, 10, REVERSED), (5, 10, UNDECIDED), (3, 3, UNDECIDED)],
)
def test_a_verdict_needs_the_whole_interval(count, of, verdict):
    assert Share(count, of).verdict == verdict


def test_equal_rd_has_not_fallen():
    share = falls(np.array([[0.5, 0.4], [0.5, 0.5], [0.5, 0.6]]))
    assert (share.count, share.of) == (1, 3)


def test_every_step_must_fall():
    after = {1: [0.5, 0.5], 2: [0.4, 0.4], 3: [0.3, 0.45], 4: [0.2, 0.2], 5: [0.1, 0.1]}
    probes = {faded(step): np.column_stack([[0.6, 0.6], values]) for step, values in after.items()}
    share = falls_at_every_step(probes)
    assert (share.count, share.of) == (1, 2)


def test_data_sets_are_pooled():
    first = Probed("w", "max", "d", "A", ["1"], ("vi", "ir"), {"s": {"mask 0": np.ones((1, 2))}})
    second = first._replace(data="B", ids=["2", "3"], values={"s": {"mask 0": np.zeros((2, 2))}})
    assert pooled([first, second])["s"]["mask 0"].tolist() == [[1, 1], [0, 0], [0, 0]]


def test_day_minus_night_of_constants():
    found = day_minus_night(np.full(3, 0.6), np.full(2, 0.5))
    assert (found.mean, found.low, found.high) == tuple(pytest.approx(0.1) for _ in range(3))


def test_day_and_night_that_overlap_are_not_told_apart():
    values = np.array([0.1, 0.9, 0.2, 0.8])
    found = day_minus_night(values, values + 0.01)
    assert found.mean == pytest.approx(-0.01)
    assert found.low < 0 < found.high
