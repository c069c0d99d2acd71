import re
import time
from pathlib import Path

import pytest
import yaml

from benchmarks import __main__ as benchmarks
from benchmarks import sweep
from benchmarks.measuring import Ratio
from fusionlab.settings import TTD

EXPERIMENTS = Path(__file__).parents[2] / "configs" / "experiments"
TINY = ["sweep", "--height", "12", "--width", "16", "--threads", "1"]


def test_forty_settings_are_compared_with_one_evaluation(capsys):
    benchmarks.main([*TINY, "--images", "2"])
    printed = capsys.readouterr().out
    assert "16x12, cpu, 1 threads, 2 images by turns" in printed
    line = r"sweep of 40 settings / evaluation with TTD: \d+\.\d, at most 8 \(\d+\.\d\d s /"
    assert re.search(line, printed)


def test_the_settings_are_those_of_the_experiment():
    grid = yaml.safe_load((EXPERIMENTS / "grid.yaml").read_text())
    assert TTD(**grid["ttd"]) == sweep.GRID


def test_both_work_through_the_same_images(monkeypatch):
    seen = {"swept": [], "evaluated": []}
    dataset = sweep.RandomPairs(3, 12, 16)
    images = dataset.images

    def interleaved(swept, evaluated, pairs, _):
        for _ in range(1 + pairs):
            for name, program in (("swept", swept), ("evaluated", evaluated)):
                read = seen[name]
                monkeypatch.setattr(dataset, "images", lambda k, r=read: r.append(k) or images(k))
                program()
        return Ratio(1.0, 1.0, 1.0)

    monkeypatch.setattr(sweep, "interleaved", interleaved)
    sweep.compare(dataset, TTD(temperature=[1, 2]))
    assert list(dict.fromkeys(seen["swept"])) == [0, 1, 2]
    assert list(dict.fromkeys(seen["evaluated"])) == [0, 1, 2]


def test_an_image_is_measured_at_every_turn_with_all_settings(tmp_path):
    dataset = sweep.RandomPairs(2, 12, 16)
    found = sweep._images(dataset, TTD(temperature=[1, 2]), tmp_path, pictures=False)
    for turn in (1, 2):
        assert next(found)[0] == 1
        lines = (tmp_path / "per_image.csv").read_text().splitlines()
        assert len(lines) == 1 + turn * (2 + 1 + 2)  # sources alone, static, with TTD


def test_no_image_is_refused(capsys):
    with pytest.raises(SystemExit):
        benchmarks.main([*TINY, "--images", "0"])
    assert "--images must be at least 1, got 0" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_of_forty_settings_costs_at_most_eight_evaluations(monkeypatch):
    """In CPU time, which other programs take least of."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    found = sweep.compare(sweep.RandomPairs(2, 240, 320), sweep.GRID)
    assert found.ratio <= sweep.AT_MOST
