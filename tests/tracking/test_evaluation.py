"""An evaluation logged offline, read back from W&B's own files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusionlab.runs.run import SUMMARY, Run
from fusionlab.tracking.evaluation import log_evaluation, summary_values, track_evaluation
from fusionlab.tracking.opening import open_tracker

from .conftest import (
    ALL,
    CORRELATION,
    DATA,
    STATIC,
    VALUES,
    read_back,
    result,
    state_of,
    summary,
    write_run,
)
from .test_opening import IDENTITY

EXPECTED = {  # of each data set
    "near alone/EN": 5.0,
    "Theirs/EN": 5.5,
    "IFCNN/EN": 7.0,
    "IFCNN+TTD/EN": 7.5,
    "IFCNN+TTD/difference/EN": 0.5,
    "IFCNN+TTD/improved/EN": 1.0,
    "IFCNN/CE": 2.0,
    "IFCNN+TTD/CE": 3.0,
    "IFCNN+TTD/difference/CE": 1.0,
    "IFCNN+TTD/improved/CE": 0.0,
    "DenseFuse+TTD/difference/EN": 0.25,
    "DenseFuse+TTD/difference/CE": -0.5,
    "IFCNN/ms": 4.0,
    "IFCNN+TTD/ms": 4.0,
    "IFCNN/MB": 8.0,
    "IFCNN+TTD/MB": 8.0,
    "Theirs/rank": 1.0,
    "DenseFuse+TTD/rank": 5.0,
}


@pytest.fixture
def logged(no_account, run_folder):
    """The folder, and what W&B holds of it."""
    track_evaluation("offline", run_folder)
    return run_folder, *read_back(run_folder)


def table_of(folder: Path, found: dict) -> dict:
    (path,) = folder.glob(f"wandb/offline-run-*/files/{found['path']}")
    return json.loads(path.read_text())


def change(folder: Path, **changed) -> dict:
    """Change what the summary on disk says; returns it."""
    about = json.loads((folder / SUMMARY).read_text()) | changed
    (folder / SUMMARY).write_text(json.dumps(about))
    return about


def test_everything_of_an_evaluation_is_there(logged):
    folder, state, records = logged
    found = state["summary"]
    for task, images in (("mff", 2), ("vif", 1)):
        assert found[f"test/{task}/images"] == images
        first = "near" if task == "mff" else "vi"
        for key, value in EXPECTED.items():
            assert found[f"test/{task}/{key.replace('near', first)}"] == value
    assert found["direction/CE"] == "lower"
    assert found["convention/EN"] == "ttd: 256 bins"
    assert state["config"]["used.IFCNN.network.checkpoint.sha256"] == "ab12"
    assert state["config"]["used.IFCNN.network.options.rule"] == "max"
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert run["job_type"] == "evaluate"
    assert state["name"] == "ifcnn-densefuse-ttd-set"
    _check_table(folder, found)
    _check_images(folder, records)
    _check_panels(folder, found)
    _check_dominability(folder, found, records)


def _check_table(folder, found):
    table = table_of(folder, found["test/mff/per_image"])
    assert table["columns"] == [
        *("id", "near", "far", "middle"),
        *("IFCNN", "IFCNN+TTD", *(f"RD {one} IFCNN+TTD" for one in ("near", "far", "middle"))),
        *("DenseFuse", "DenseFuse+TTD"),
        *(f"RD {one} DenseFuse+TTD" for one in ("near", "far", "middle")),
        *(f"EN {name}" for name in ALL),
        *("EN difference IFCNN+TTD", "EN difference DenseFuse+TTD"),
        *(f"CE {name}" for name in ALL),
        *("CE difference IFCNN+TTD", "CE difference DenseFuse+TTD"),
        *(f"ms {name}" for name in ALL if name != "Theirs"),
    ]
    one, other = (dict(zip(table["columns"], row, strict=True)) for row in table["data"])
    assert (one["id"], other["id"]) == ("1", "2")
    assert one["EN Theirs"] == 5.5
    assert one["EN difference IFCNN+TTD"] == 0.5
    assert one["CE difference DenseFuse+TTD"] == -0.5
    assert other["ms IFCNN+TTD"] == 4.0
    assert (other["middle"], other["RD middle IFCNN+TTD"]) == (None, None), "it has two sources"
    assert [cell for cell in one.values() if cell == "Image"] == ["Image"] * (3 + 2 + 3 + 2 + 3)
    assert len(table_of(folder, found["test/vif/per_image"])["data"]) == 1


def _check_images(folder, records):
    artifacts = [record["artifact"] for record in records if record["type"] == "artifact"]
    (table,) = [one for one in artifacts if "testmffper_image" in one["name"]]
    paths = [Path(one["local_path"]) for one in table["manifest"]["contents"]]
    images = [path for path in paths if path.read_bytes().startswith(b"\x89PNG")]
    assert len(images) == 13 + 10
    assert all(folder / "wandb" in path.parents for path in images), "outside the run folder"


def _check_panels(folder, found):
    values = ", ".join(f"{name} {VALUES[name]['EN']:.2f}" for name in ALL)
    for task, name, rows in (("mff", "1", 2), ("mff", "2", 2), ("vif", "1", 2)):
        panel = found[f"panels/{task}/{name}"]
        assert panel["caption"] == f"{name}, 8×6; EN: {values}"
        own = folder / "panels" / task / f"{name}.png"
        width, height = Image.open(own).size
        assert 10 * 320 < width < 11 * 320
        assert rows * 240 < height < (rows + 1) * 240
        (logged,) = folder.glob(f"wandb/offline-run-*/files/{panel['path']}")
        assert logged.read_bytes() == own.read_bytes()


def _check_dominability(folder, found, records):
    """The correlation is the summary's, whatever the arrays have; of them are the drawings."""
    for method in ("IFCNN+TTD", "DenseFuse+TTD"):
        assert found[f"rd/mff/{method}/correlation/near"] == CORRELATION
        assert found[f"rd/mff/{method}/mean/near"] == 0.5
        histogram = found[f"rd/mff/{method}/histogram/near"]
        assert sum(histogram["values"]) == 2 * 6 * 8
        assert (histogram["bins"][0], histogram["bins"][-1]) == (0, 1)
        assert sum(found[f"rd/mff/{method}/histogram/middle"]["values"]) == 6 * 8
        points = table_of(folder, found[f"rd/mff/{method}/loss/near_table"])
        assert points["columns"] == ["RD", "loss"]
        paths = [folder / "mff" / "rd" / method / f"{name}.npz" for name in "12"]
        arrays = np.concatenate([np.load(path)["rd"][0].ravel() for path in paths])
        np.testing.assert_allclose(np.sort(np.array(points["data"])[:, 0]), np.sort(arrays))
    texts = [text for record in records for text in json.dumps(record).split('"')]
    titles = [text for text in texts if "against its reconstruction loss" in text]
    assert len(titles) == 2 * (3 + 2)  # methods, sources of both data sets
    assert all(text.endswith(", mean r = -0.63") for text in titles)


@pytest.mark.slow
def test_a_run_without_ttd_has_a_table_and_panels_but_no_rd(no_account, tmp_path):
    folder = write_run(tmp_path / "static", STATIC)
    track_evaluation("offline", folder)
    state = state_of(folder)
    assert state["name"] == "ifcnn-set"
    assert not [key for key in state["summary"] if "TTD" in key or key.startswith("rd/")]
    table = table_of(folder, state["summary"]["test/vif/per_image"])
    assert table["columns"] == ["id", "vi", "ir", "IFCNN", "EN IFCNN", "CE IFCNN", "ms IFCNN"]
    assert state["summary"]["panels/vif/1"]["caption"] == "1, 8×6; EN: IFCNN 7.00"
    assert Image.open(folder / "panels" / "vif" / "1.png").size[0] == 3 * 320 + 4 * 6


@pytest.mark.slow
def test_sources_that_were_not_written_are_left_out(no_account, run_folder):
    for path in run_folder.glob("*/sources/*"):
        path.unlink()
    track_evaluation("offline", run_folder)
    table = table_of(run_folder, state_of(run_folder)["summary"]["test/vif/per_image"])
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    assert "vi" not in row
    assert row["IFCNN"] == "Image"


@pytest.mark.slow
def test_without_pictures_there_are_numbers(no_account, tmp_path, capfd):
    folder = write_run(tmp_path / "sweep", pictures=False)
    track_evaluation("offline", folder)
    found = state_of(folder)["summary"]
    assert found["test/mff/IFCNN+TTD/EN"] == 7.5
    assert found["rd/mff/IFCNN+TTD/correlation/near"] == CORRELATION
    assert table_of(folder, found["test/mff/per_image"])["columns"][:2] == ["id", "EN Theirs"]
    assert not [key for key in found if "panels" in key or "histogram" in key or "/loss/" in key]
    assert not (folder / "panels").exists()
    assert "failed" not in capfd.readouterr().err


def test_two_data_sets_of_one_task_overwrite_nothing():
    about = summary()
    other = {**DATA[0], "name": "set c"}
    about["data"] = [*DATA, other]
    about["results"].append(result(other, STATIC))
    about["results"][-1]["means"]["IFCNN"] = {"EN": 1.0, "CE": 1.0}
    values = summary_values(about)
    assert values["test/mff/set a/IFCNN/EN"] == 7.0
    assert values["test/mff/set c/IFCNN/EN"] == 1.0
    assert values["test/vif/IFCNN/EN"] == 7.0


@pytest.mark.slow
def test_a_condition_is_part_of_the_path(no_account, run_folder):
    draws = [
        {"name": f"noise 0.1, draw {k}", "group": "noise 0.1", "kind": "noise", "level": 0.1}
        for k in (1, 2)
    ]
    text = (run_folder / "per_image.csv").read_text()
    heading, *rows = text.splitlines()
    drawn = [row.replace("f,,", f'f,"{one["name"]}",') for one in draws for row in rows]
    (run_folder / "per_image.csv").write_text("\n".join([heading, *drawn, ""]))
    results = [{**result(data, ALL, "noise 0.1"), "draws": 2} for data in DATA]
    change(run_folder, conditions=draws, results=results)
    for one in ("sources", "IFCNN", "IFCNN+TTD"):  # as with pictures: true
        folder = run_folder / "mff" / "noise-0.1-draw-1"
        folder.mkdir(exist_ok=True)
        (run_folder / "mff" / one).rename(folder / one)
    track_evaluation("offline", run_folder)
    found = state_of(run_folder)["summary"]
    assert found["test/mff/noise 0.1/IFCNN+TTD/EN"] == 7.5
    assert found["rd/mff/noise 0.1/IFCNN+TTD/correlation/near"] == CORRELATION
    table = table_of(run_folder, found["test/mff/noise 0.1/per_image"])
    assert [row[:2] for row in table["data"]] == [
        [id_, one["name"]] for one in draws for id_ in ("1", "2")
    ]
    assert "panels/mff/noise 0.1/1" in found
    assert (run_folder / "panels" / "mff" / "noise-0.1" / "1.png").exists()


def test_a_metric_without_a_value_stays_visible():
    values = summary_values(summary())
    assert np.isnan(values["test/mff/near alone/CE"])
    assert values["test/mff/near alone/EN"] == 5.0


def test_the_theorem_is_in_the_summary_where_it_was_measured():
    about = summary()
    about["results"][0]["theorem"] = {
        "IFCNN+TTD": {
            "images": 2,
            "sources": {"near": {"covariance": -0.5}},
            "dynamic_is_lower": 0.75,
        }
    }
    values = summary_values(about)
    assert {name: value for name, value in values.items() if "theorem" in name} == {
        "test/mff/IFCNN+TTD/theorem/covariance/near": -0.5,
        "test/mff/IFCNN+TTD/theorem/images": 2,
        "test/mff/IFCNN+TTD/theorem/dynamic_is_lower": 0.75,
    }


@pytest.mark.slow
def test_a_long_name_stops_nothing(no_account, run_folder, capfd):
    """W&B makes the name of an artifact of each chart's key and refuses more than 128 letters."""
    long = "IFCNN+TTD (" + "x" * 200 + ")"
    for path in (run_folder / SUMMARY, run_folder / "per_image.csv", run_folder / "rd.csv"):
        path.write_text(path.read_text().replace("IFCNN+TTD", long))
    (run_folder / "mff" / "rd" / "IFCNN+TTD").rename(
        (run_folder / Run.open(run_folder).samples[0].rd_arrays(long)).parent
    )
    track_evaluation("offline", run_folder)
    found = state_of(run_folder)["summary"]
    assert found[f"test/mff/{long}/EN"] == 7.5
    assert sum(found[f"rd/mff/{long}/histogram/near"]["values"]) == 2 * 6 * 8
    assert "failed" not in capfd.readouterr().err


def test_a_failing_wandb_stops_nothing(no_account, run_folder, monkeypatch, capfd):
    import wandb

    tracker = open_tracker("offline", run_folder, "evaluate", IDENTITY)

    def fail(*_, **__):
        raise wandb.Error("the server is gone")

    monkeypatch.setattr(wandb.Run, "log", fail)
    log_evaluation(tracker, Run.open(run_folder))
    tracker.finish()
    expected = "W&B: logging failed (the server is gone); the run goes on without\n"
    assert capfd.readouterr().err == expected
