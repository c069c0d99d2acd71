"""An evaluation logged offline, read back from W&B's own files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusionlab.report.run import EvaluationRun
from fusionlab.tracking.evaluation import log_evaluation, summary_values, track_evaluation
from fusionlab.tracking.opening import open_tracker

from .conftest import STATIC, TTD, read_back, write_run
from .conftest import summary as made_up_summary
from .test_opening import IDENTITY


@pytest.fixture
def tracked(no_account, run_folder):
    """The folder, and what W&B holds of it."""
    track_evaluation("offline", run_folder)
    return run_folder, *read_back(run_folder)


def table_of(folder: Path, found: dict) -> dict:
    (path,) = folder.glob(f"wandb/offline-run-*/files/{found['path']}")
    return json.loads(path.read_text())


def test_everything_of_an_evaluation_is_there(tracked):
    folder, state, records = tracked
    summary = state["summary"]
    for task, images in (("mff", 2), ("vif", 1)):
        assert summary[f"test/{task}/images"] == images
        for key, value in (
            ("static/EN", 7.0),
            ("ttd/EN", 7.5),
            ("difference/EN", 0.5),
            ("improved/EN", 1.0),
            ("static/CE", 2.0),
            ("ttd/CE", 3.0),
            ("difference/CE", 1.0),
            ("improved/CE", 0.0),
            ("static/ms", 4.0),
            ("ttd/ms", 4.0),
        ):
            assert summary[f"test/{task}/{key}"] == value
    assert summary["direction/CE"] == "lower"
    assert summary["convention/EN"] == "256 bins"
    assert state["config"]["checkpoint.sha256"] == "ab12"
    assert state["config"]["used.options.rule"] == "max"
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert run["job_type"] == "evaluate"
    assert state["name"] == "ifcnn-ttd-set"
    _check_table(folder, summary)
    _check_images(folder, records)
    _check_panels(folder, summary)
    _check_dominability(folder, summary)


def _check_table(folder, summary):
    table = table_of(folder, summary["test/mff/per_image"])
    assert table["columns"] == [
        *("id", "near", "far", "middle", "static", "ttd", "RD near", "RD far", "RD middle"),
        *("EN static", "EN ttd", "EN difference", "CE static", "CE ttd", "CE difference"),
        *("ms static", "ms ttd"),
    ]
    one, other = (dict(zip(table["columns"], row, strict=True)) for row in table["data"])
    assert (one["id"], other["id"]) == ("1", "2")
    assert one["EN difference"] == 0.5
    assert other["ms ttd"] == 4.0
    assert (other["middle"], other["RD middle"]) == (None, None), "it has two sources only"
    assert [cell for cell in one.values() if cell == "Image"] == ["Image"] * 8
    assert len(table_of(folder, summary["test/vif/per_image"])["data"]) == 1


def _check_images(folder, records):
    artifacts = [record["artifact"] for record in records if record["type"] == "artifact"]
    (table,) = [one for one in artifacts if "testmffper_image" in one["name"]]
    paths = [Path(one["local_path"]) for one in table["manifest"]["contents"]]
    images = [path for path in paths if path.read_bytes().startswith(b"\x89PNG")]
    assert len(images) == 8 + 6
    assert all(folder / "wandb" in path.parents for path in images), "outside the run folder"


def _check_panels(folder, summary):
    for task, name, tiles in (("mff", "1", 9), ("mff", "2", 7), ("vif", "1", 7)):
        found = summary[f"panels/{task}/{name}"]
        assert found["caption"] == f"{name}, 8×6, EN 7.00 → 7.50"
        own = folder / "panels" / task / f"{name}.png"
        width = Image.open(own).size[0]
        assert tiles * 320 < width < (tiles + 1) * 320
        (logged,) = folder.glob(f"wandb/offline-run-*/files/{found['path']}")
        assert logged.read_bytes() == own.read_bytes()


def _check_dominability(folder, summary):
    arrays = [np.load(folder / "mff" / "rd" / f"{name}.npz") for name in "12"]
    weights, losses = (
        np.concatenate([one[key][0].ravel() for one in arrays]) for key in ("weights", "losses")
    )
    expected = np.corrcoef(weights, losses)[0, 1]
    assert summary["rd/mff/correlation/near"] == pytest.approx(expected, rel=1e-5)
    histogram = summary["rd/mff/histogram/near"]
    assert sum(histogram["values"]) == 2 * 6 * 8
    assert (histogram["bins"][0], histogram["bins"][-1]) == (0, 1)
    assert sum(summary["rd/mff/histogram/middle"]["values"]) == 6 * 8
    points = table_of(folder, summary["rd/mff/loss/near_table"])
    assert points["columns"] == ["RD", "loss"]
    assert len(points["data"]) == 2 * 6 * 8


def test_a_run_without_ttd_has_a_table_and_panels_but_no_rd(no_account, tmp_path):
    (tmp_path / "static").mkdir()
    folder = write_run(tmp_path / "static", dynamic=False)
    track_evaluation("offline", folder)
    state, _ = read_back(folder)
    assert state["name"] == "ifcnn-set"
    assert not [key for key in state["summary"] if "ttd" in key or key.startswith("rd/")]
    table = table_of(folder, state["summary"]["test/vif/per_image"])
    assert table["columns"] == ["id", "vi", "ir", "static", "EN static", "CE static", "ms static"]
    assert state["summary"]["panels/vif/1"]["caption"] == "1, 8×6, EN 7.00"
    assert Image.open(folder / "panels" / "vif" / "1.png").size[0] == 3 * 320 + 4 * 6


def test_sources_that_were_not_written_are_left_out(no_account, run_folder):
    for path in run_folder.glob("*/sources/*"):
        path.unlink()
    track_evaluation("offline", run_folder)
    table = table_of(run_folder, read_back(run_folder)[0]["summary"]["test/vif/per_image"])
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    assert (row["vi"], row["static"]) == (None, "Image")


def test_a_metric_without_a_value_stays_visible():
    about = made_up_summary({"static": {"EN": None, "CE": 1.0}})
    values = summary_values(about)
    assert np.isnan(values["test/mff/static/EN"])
    assert values["test/mff/static/CE"] == 1.0


def test_the_theorem_is_in_the_summary_where_it_was_measured():
    about = made_up_summary({"static": STATIC, "ttd": TTD})
    about["results"][0]["theorem"] = {
        "sources": {"near": {"covariance": -0.5}},
        "dynamic_is_lower": 0.75,
    }
    about["results"][1].pop("theorem", None)  # as in folders from before it was measured
    values = summary_values(about)
    assert {name: value for name, value in values.items() if "theorem" in name} == {
        "test/mff/theorem/covariance/near": -0.5,
        "test/mff/theorem/dynamic_is_lower": 0.75,
    }


def test_a_failing_wandb_stops_nothing(no_account, run_folder, monkeypatch, capfd):
    import wandb

    tracker = open_tracker("offline", run_folder, "evaluate", IDENTITY)

    def fail(*_, **__):
        raise wandb.Error("the server is gone")

    monkeypatch.setattr(wandb.Run, "log", fail)
    log_evaluation(tracker, EvaluationRun.open(run_folder))
    tracker.finish()
    expected = "W&B: logging failed (the server is gone); the run goes on without\n"
    assert capfd.readouterr().err == expected
