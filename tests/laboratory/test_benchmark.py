import re

import pytest

from fusionlab.benchmark import __main__ as benchmark
from fusionlab.benchmark import sweep
from fusionlab.benchmark.timing import Ratio
from fusionlab.laboratory.settings import Experiment

TINY = ["sweep", "--height", "12", "--width", "16", "--threads", "1"]


def test_forty_settings_are_compared_with_one_evaluation(capsys):
    assert len(Experiment(grid=sweep.GRID).labelled()) == 40
    benchmark.main([*TINY, "--images", "2"])
    printed = capsys.readouterr().out
    assert "16x12, cpu, 1 threads, 2 images by turns" in printed
    line = r"sweep of 40 settings / evaluation with TTD: \d+\.\d, at most 8 \(\d+\.\d\d s /"
    assert re.search(line, printed)


def test_both_work_through_the_same_images(monkeypatch):
    seen = {"swept": [], "evaluated": []}
    dataset = sweep.RandomPairs(2, 12, 16)
    images = dataset.images

    def interleaved(swept, evaluated, pairs, _):
        for _ in range(1 + pairs):
            for name, program in (("swept", swept), ("evaluated", evaluated)):
                read = seen[name]
                monkeypatch.setattr(dataset, "images", lambda k, r=read: r.append(k) or images(k))
                program()
        return Ratio(1.0, 1.0, 1.0)

    monkeypatch.setattr(sweep, "interleaved", interleaved)
    sweep.compare(dataset, Experiment(grid={"temperature": [1, 2]}).labelled())
    assert seen == {"swept": [0, 1, 0], "evaluated": [0, 1, 0]}


def test_no_image_is_refused(capsys):
    with pytest.raises(SystemExit):
        benchmark.main([*TINY, "--images", "0"])
    assert "--images must be at least 1, got 0" in capsys.readouterr().err
