import torch

from fusionlab.benchmark import timing
from fusionlab.benchmark.timing import interleaved

CPU = torch.device("cpu")


def test_runs_alternate_after_a_warm_up():
    order = []
    one, other = lambda: order.append("one"), lambda: order.append("other")
    interleaved(one, other, 3, CPU)
    assert order == ["one", "other"] * 4


def test_the_ratio_is_the_median_of_neighbouring_runs(monkeypatch):
    """Ratios 2, 2 and 1: the second pair runs while the machine is busy."""
    times = iter([2.0, 1.0, 20.0, 10.0, 3.0, 3.0])
    monkeypatch.setattr(timing, "seconds", lambda program, device: next(times))
    assert interleaved(lambda: None, lambda: None, 3, CPU) == (2.0, 3.0, 3.0)
