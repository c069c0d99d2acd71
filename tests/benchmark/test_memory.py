import sys

import pytest

from fusionlab.benchmark.memory import peak_memory


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's peak is read from /proc")
def test_four_times_the_pixels_need_four_times_the_memory():
    """Within a third: libraries keep something for themselves."""
    small, large = (
        peak_memory("densefuse", "static", size, size, "cpu", 1) for size in (512, 1024)
    )
    assert large / small == pytest.approx(4, rel=1 / 3)
    assert large > 2 * 64 * 1024 * 1024 * 4 / 2**20  # float32 features of two sources
