import re

import pytest
import torch

from benchmarks import __main__ as benchmarks
from benchmarks import metrics
from benchmarks.plain_metrics import PLAIN
from benchmarks.programs import random_triples

TINY = ["metrics", "--height", "41", "--width", "43", "--batch", "2", "--threads", "1"]


@torch.inference_mode()
@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_metric_has_the_same_value(name):
    fused, sources = random_triples(48, 53, 3)
    plain = metrics.PlainMetrics([name], fused, sources)
    for _ in range(3):
        plain()
    values = metrics.here([name], fused, sources).per_image()[1]
    assert plain.rows == [pytest.approx(row, rel=1e-6) for row in values.tolist()]


def test_an_unlike_value_is_noticed(monkeypatch):
    monkeypatch.setitem(PLAIN, "SD", lambda fused, sources: 1.25 * fused.std())
    assert metrics.compare(["SD"], *random_triples(41, 43, 2), 1)[1] == pytest.approx(0.25)


def test_the_ratio_is_per_image(monkeypatch):
    """One image takes the plain program 6 s, four take 8 s here."""

    def timed(plain, *_):
        plain()
        return metrics.Ratio(0.75, 6.0, 8.0)

    monkeypatch.setattr(metrics, "interleaved", timed)
    ratio, _ = metrics.compare(["SD"], *random_triples(41, 43, 4), 1)
    assert ratio == (3.0, 6.0, 2.0)


@pytest.mark.slow
def test_the_lines_are_printed(capsys, monkeypatch):
    monkeypatch.setattr(metrics, "peak_memory_over_images", lambda *_: [1.0, 2.0])
    benchmarks.main([*TINY, "--images", "20"])
    printed = capsys.readouterr().out
    assert "43x41, cpu, 1 threads, 5 interleaved pairs, batch 2" in printed
    for title in (*PLAIN, f"{', '.join(PLAIN)} together"):
        assert re.search(rf"^    {title}: \d+\.\d \(\d+\.\d ms / \d+\.\d ms\)$", printed, re.M)
    assert re.search(r"largest relative difference of the values: \d\.\de[-+]\d\d", printed)
    assert re.search(r"all 32 metrics, 161x161: \d+\.\d\d s per image", printed)
    for line in (
        "peak memory of ttd, 160x120: 1.0 MiB after 2 images, 2.0 MiB after 20",
        "peak memory of all, 161x161: 1.0 MiB after 1 images, 2.0 MiB after 2",
    ):
        assert line in printed


def test_memory_is_left_out_and_too_few_pairs_are_refused(capsys, monkeypatch):
    monkeypatch.setattr(metrics, "compare_speed", lambda *_: None)
    monkeypatch.setattr(metrics, "print_time_of_all", lambda *_: None)
    benchmarks.main([*TINY, "--images", "0"])
    assert "memory" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        benchmarks.main([*TINY, "--pairs", "4"])
    assert "--pairs must be at least 5, got 4" in capsys.readouterr().err
