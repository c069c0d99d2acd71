import sys

import pytest

from fusionlab.benchmark.memory import peak_memory, peak_memory_over_images


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
