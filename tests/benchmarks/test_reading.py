import re

import numpy as np
import pytest
import torch

from benchmarks import reading
from fusionlab.data.images import read_image


def test_both_ways_read_the_same(tmp_path):
    reading.write_pairs(tmp_path, 1, 20, 30)
    for path in tmp_path.glob("*/*.png"):
        torch.testing.assert_close(reading.read_plainly(path), read_image(path))
    assert np.unique([p.name for p in tmp_path.glob("*/*.png")]).tolist() == ["0000.png"]


@pytest.mark.parametrize("pairs", [3, 60])
def test_the_ratio_is_printed_with_the_threads(capfd, pairs):
    threads = torch.get_num_threads()
    reading.main(["--pairs", str(pairs), "--width", "60", "--height", "40"])
    torch.set_num_threads(threads)
    line = capfd.readouterr().out
    assert re.search(rf"{pairs} pairs of 60x40 PNG, 1 threads.*: as tensors \d+\.\d\d times", line)
