"""The built-in scenes, evaluated with W&B offline and read back from its files."""

import json

import pytest

import evaluate
from fusionlab.tracking.identity import flattened

from .conftest import read_back

TASKS = {"vif": 4, "mif": 4, "mef": 4, "mff": 4}


@pytest.mark.slow
def test_everything_that_was_measured_is_there(no_account, tmp_path):
    evaluate.main(["--ttd", "--wandb", "offline", "--output", str(tmp_path / "runs")])
    (folder,) = (tmp_path / "runs").iterdir()
    about = json.loads((folder / "summary.json").read_text())
    state, _ = read_back(folder)
    assert {result["data"]["task"] for result in about["results"]} == set(TASKS)
    for result in about["results"]:
        task = result["data"]["task"]
        for row in ("static", "ttd"):
            for metric, mean in result["means"][row].items():
                assert state["summary"][f"test/{task}/{row}/{metric}"] == pytest.approx(mean)
        for metric, found in result["ttd_minus_static"].items():
            value = state["summary"][f"test/{task}/difference/{metric}"]
            assert value == pytest.approx(found["mean"])
        table = state["summary"][f"test/{task}/per_image"]
        assert table["nrows"] == result["images"] == TASKS[task]
    files = (path for path in folder.glob("wandb/**/*") if path.is_file())  # some await an upload
    pictures = [path for path in files if path.read_bytes().startswith(b"\x89PNG")]
    assert len(pictures) >= sum(TASKS.values()) * 4  # sources, static and ttd of every image
    settings = {key: value for key, value in flattened(about["settings"]).items() if value != {}}
    assert {key: state["config"][key] for key in settings} == settings
