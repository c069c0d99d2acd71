import re

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks.programs import SUBJECTS
from fusionlab.networks import NETWORKS

TINY = ["--height", "8", "--width", "9", "--pairs", "5", "--threads", "1"]


# every network is built and run, small, by test_programs.py
@pytest.mark.parametrize("name", ["ifcnn", "densefuse"])
def test_ratios_are_printed(name, capsys):
    benchmarks.main(["--networks", name, *TINY])
    printed = capsys.readouterr().out
    title = SUBJECTS[name].title
    dynamic = re.search(rf"{title}\+TTD here / {title} here: \d+\.\d\d \(", printed)
    assert bool(dynamic) == (not NETWORKS[name].no_ttd)
    assert "1 threads, 5 interleaved pairs" in printed
    assert f"{title}, 9x8" in printed
    beside = f"{title} here / {title} as its authors run it: "
    assert (beside in printed) == (SUBJECTS[name].authors is not None)


@pytest.mark.slow
def test_memory_is_compared_on_demand(capsys, monkeypatch):
    monkeypatch.setattr(
        benchmarks,
        "peak_memory",
        lambda name, program, *_: {"dynamic": 50, "static": 25, "authors": 100}[program],
    )
    benchmarks.main(["--networks", "cddfuse", "--memory", *TINY])
    printed = capsys.readouterr().out
    for program, ratio in (("CDDFuse", "0.25 (25 MiB"), ("CDDFuse+TTD", "0.50 (50 MiB")):
        beside = f"peak memory at 9x8, {program} here / CDDFuse as its authors run it: "
        assert beside + ratio in printed


def test_too_few_pairs_are_refused(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main(["--pairs", "4"])
    assert "--pairs must be at least 5, got 4" in capsys.readouterr().err
