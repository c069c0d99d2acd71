import re

import pytest

from benchmarks import large


@pytest.mark.slow
def test_memory_and_time_are_printed(capfd):
    large.main(["--width", "150", "--height", "100", "--tile", "80"])
    line = capfd.readouterr().out
    assert re.search(r"fuse ifcnn\+TTD, 150x100, tile 80: peak \d+\.\d\d GiB, \d+ s", line)
