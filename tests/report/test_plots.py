"""The figures of a run, as files and by what is drawn in them."""

from pathlib import Path

import pytest
from PIL import Image

from fusionlab.report import plots
from fusionlab.report.plots import write_plots
from fusionlab.runs.run import Run
from tests.report.html_runs import PAIR, STATIC, FakeCondition, FakeData, FakeMethod, make_run

LEVELS = (
    FakeCondition("clean", "clean", level=None),
    *(FakeCondition(f"jpeg {k}", f"jpeg {k}", "jpeg", k, -float(k)) for k in (1, 2)),
    FakeCondition("motion_blur 3", "motion_blur 3", "motion_blur", 3, -3.0),
)


@pytest.fixture
def drawn(monkeypatch) -> dict:
    """The figures by the names of their files."""
    found = {}
    write = plots._write

    def keep(path, figure):
        found[path.name] = figure
        return write(path, figure)

    monkeypatch.setattr(plots, "_write", keep)
    return found


def write(folder: Path, **options) -> list[Path]:
    return write_plots(Run.open(make_run(folder, FakeData(), pictures=False, **options)))


def curves(figure, panel: int = 0) -> dict[str, list[tuple[float, float]]]:
    """Points of the curves of a panel, by their label."""
    lines = figure.axes[panel].get_lines()
    return {one.get_label(): list(zip(*map(list, one.get_data()), strict=True)) for one in lines}


@pytest.mark.slow
def test_levels_become_curves_of_the_means_for_each_kind(tmp_path, drawn):
    paths = write(tmp_path, conditions=LEVELS)
    assert [path.name for path in paths] == [
        f"figure-fake-pairs-{kind}.{ending}"
        for kind in ("jpeg", "motion_blur")
        for ending in ("png", "pdf")
    ]
    found = curves(drawn["figure-fake-pairs-jpeg.png"])
    assert found == {
        "IFCNN": [(0, 1), (1, 0), (2, -1)],
        "IFCNN+TTD": [(0, 1.75), (1, 0.75), (2, -0.25)],
    }
    assert curves(drawn["figure-fake-pairs-motion_blur.png"])["IFCNN"] == [(0, 1), (3, -2)]
    for path in paths:
        if path.suffix == ".png":
            assert min(Image.open(path).size) > 300
        else:
            assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_temperatures_become_curves_of_the_differences(tmp_path, drawn):
    methods = [
        FakeMethod(f"IFCNN+TTD ({loss}, γ {t})", "ttd", factor * t, (0, 0, 9), settings)
        for loss, factor in (("l1", 1), ("mse", -1))
        for t in (20, 1, 5)
        for settings in [(("loss", loss), ("temperature", float(t)))]
    ]
    write(tmp_path, methods=(STATIC, *methods))
    found = curves(drawn["figure-fake-pairs.png"])
    assert found["l1"] == [(1, 0.75), (5, 3.75), (20, 15)]
    assert found["mse"] == [(1, -0.75), (5, -3.75), (20, -15)]


def test_anything_else_becomes_effects_with_intervals(tmp_path, drawn):
    write(tmp_path)
    (axes, *_) = drawn["figure-fake-pairs.png"].axes
    (bar,) = axes.containers
    assert bar.lines[0].get_xdata().tolist() == [0.75]
    (interval,) = bar.lines[2][0].get_segments()
    assert interval[:, 0].tolist() == pytest.approx([-0.25, 2.0])
    assert [one.get_text() for one in axes.get_yticklabels()] == ["IFCNN+TTD"]


def test_without_ttd_and_levels_there_is_nothing_to_draw(tmp_path):
    assert write(tmp_path, methods=(STATIC,)) == []


@pytest.mark.slow
def test_the_same_numbers_give_the_same_files(tmp_path):
    first, second = (write(tmp_path / name, methods=PAIR) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
