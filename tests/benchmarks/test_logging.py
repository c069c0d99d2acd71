import re

import pytest

from benchmarks import __main__ as benchmarks

from ..conftest import write_pairs


@pytest.mark.slow
def test_an_evaluation_with_and_without_logging_is_timed(tmp_path, capsys):
    root = write_pairs(tmp_path / "pairs")
    benchmarks.main(["logging", "--pairs", "1", "--", "--ttd", "--data.root", str(root)])
    line = capsys.readouterr().out.splitlines()[-1]
    found = re.search(r"without: ([\d.]+) \(([\d.]+) s / ([\d.]+) s\)", line)
    ratio, first, second = map(float, found.groups())
    assert ratio == pytest.approx(first / second, rel=0.1)


def test_at_least_one_pair(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main(["logging", "--pairs", "0"])
    assert "--pairs must be at least 1" in capsys.readouterr().err
