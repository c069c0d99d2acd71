import re

import pytest

from benchmarks import many


@pytest.mark.slow
def test_time_and_memory_are_printed(capfd):
    many.main(["--pairs", "4", "--side", "16", "--", "--baselines", "false", "--report", "false"])
    line = capfd.readouterr().out
    assert re.search(r"4 pairs of 16x16, one thread: \d+\.\d ms CPU per pair, .* MiB", line)


def test_one_pair_is_refused(capsys):
    with pytest.raises(SystemExit):
        many.main(["--pairs", "1"])
    assert "at least 2" in capsys.readouterr().err
