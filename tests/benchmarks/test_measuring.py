import sys

import pytest
import torch

from benchmarks import measuring
from benchmarks.measuring import interleaved, peak_memory, peak_memory_over_images

CPU = torch.device("cpu")


def test_runs_alternate_after_a_warm_up():
    order = []
    one, other = lambda: order.append("one"), lambda: order.append("other")
    interleaved(one, other, 3, CPU)
    assert order == ["one", "other"] * 4


def test_the_ratio_is_the_median_of_neighbouring_runs(monkeypatch):
    """Ratios 2, 2 and 1: the second pair runs while the machine is busy."""
    times = iter([2.0, 1.0, 20.0, 10.0, 3.0, 3.0])
    monkeypatch.setattr(measuring, "seconds", lambda program, device, clock: next(times))
    assert interleaved(lambda: None, lambda: None, 3, CPU) == (2.0, 3.0, 3.0)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's peak is read from /proc")
def test_four_times_the_pixels_need_four_times_the_memory():
    """Within a third: libraries keep something for themselves."""
    small, large = (
        peak_memory("densefuse", "static", size, size, "cpu", 1) for size in (512, 1024)
    )
    assert large / small == pytest.approx(4, rel=1 / 3)
    assert large > 2 * 64 * 1024 * 1024 * 4 / 2**20  # float32 features of two sources


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's peak is read from /proc")
def test_the_peak_over_images_never_falls():
    """Nothing more: how much the heap grows depends on what the system reuses."""
    few, many = peak_memory_over_images("ttd", 48, 52, (2, 40), 1)
    assert few <= many
