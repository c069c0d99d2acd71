"""``fusionlab evaluate`` with W&B offline, read back from W&B's own files."""

import pytest

from fusionlab.tracking.identity import flattened

from ..conftest import write_pairs

TASKS = ("vif", "mif", "mef", "mff")


def check_numbers(state: dict, result: dict) -> None:
    task = result["task"]
    for method, means in result["means"].items():
        for metric, mean in means.items():
            if mean is not None:  # W&B's reader leaves out NaN
                assert state["summary"][f"test/{task}/{method}/{metric}"] == mean
    for method, found in result["differences"].items():
        for metric, one in found.items():
            if one["mean"] is not None:
                key = f"test/{task}/{method}/difference/{metric}"
                assert state["summary"][key] == one["mean"]
    assert state["summary"][f"test/{task}/per_image"]["nrows"] == result["images"]


@pytest.mark.slow
def test_static_and_dynamic_evaluations_pair_up(tracked, tmp_path, capfd):
    root = str(write_pairs(tmp_path / "pairs", names=("01", "02", "03")))
    dynamic = tracked("--data.root", root, "--ttd", "--wandb", "online")
    static = tracked("--data.root", root)
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B")]
    assert [line.split(";")[0] for line in said] == [
        "W&B: no account is configured (wandb login does that)",
        *["W&B: logged offline"] * 2,
    ]
    groups = set()
    for (_, about, state, records), methods in (
        (dynamic, ["IFCNN", "IFCNN+TTD"]),
        (static, ["IFCNN"]),
    ):
        (run,) = [record["run"] for record in records if record["type"] == "run"]
        groups.add(run["run_group"])
        (result,) = about["results"]
        assert [name for name in result["methods"] if name in methods] == methods
        check_numbers(state, result)
        checkpoint = about["methods"][-1]["facts"]["network"]["checkpoint"]
        assert state["config"]["used.IFCNN.network.checkpoint.sha256"] == checkpoint["sha256"]
    assert len(groups) == 1


@pytest.mark.slow
def test_everything_that_was_measured_on_all_tasks_is_there(tracked):
    options = ["--ttd", "--wandb", "offline", "--trainer.limit_test_batches", "1"]
    folder, about, state, _ = tracked(*options)
    assert {result["task"] for result in about["results"]} == set(TASKS)
    for result in about["results"]:
        check_numbers(state, result)
        assert f"panels/{result['task']}/{result['ids'][0]}" in state["summary"]
    files = (path for path in folder.glob("wandb/**/*") if path.is_file())  # some await an upload
    pictures = [path for path in files if path.read_bytes().startswith(b"\x89PNG")]
    assert len(pictures) >= len(TASKS) * 4  # sources, static and dynamic of every image
    settings = {key: value for key, value in flattened(about["settings"]).items() if value != {}}
    assert {key: state["config"][key] for key in settings} == settings
