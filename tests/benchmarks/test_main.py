import re

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.programs import SUBJECTS

TINY = ["--height", "8", "--width", "9", "--pairs", "5", "--threads", "1"]


@pytest.mark.parametrize("name", SUBJECTS)
def test_ratios_are_printed(name, capsys):
    benchmarks.main(["--networks", name, *TINY])
    printed = capsys.readouterr().out
    title = SUBJECTS[name].title
    assert re.search(rf"{title}\+TTD here / {title} here: \d+\.\d\d \(", printed)
    assert "1 threads, 5 interleaved pairs" in printed
    assert f"{title}, 9x8" in printed
    beside = f"{title} here / {title} as its authors run it: "
    assert (beside in printed) == (SUBJECTS[name].authors is not None)


def test_memory_is_compared_on_demand(capsys, monkeypatch):
    monkeypatch.setattr(
        benchmarks,
        "peak_memory",
        lambda name, program, *_: {"dynamic": 50, "authors": 100}[program],
    )
    benchmarks.main(["--networks", "cddfuse", "--memory", *TINY])
    expected = "peak memory at 9x8, CDDFuse+TTD here / CDDFuse as its authors run it: 0.50 (50 MiB"
    assert expected in capsys.readouterr().out


def test_too_few_pairs_are_refused(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main(["--pairs", "4"])
    assert "--pairs must be at least 5, got 4" in capsys.readouterr().err
