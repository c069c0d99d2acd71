"""evaluate.py with W&B offline, read back from W&B's own files."""

import json

import pytest

import evaluate

from ..programs.conftest import write_pairs
from .conftest import read_back


@pytest.fixture
def run_evaluate(no_account, tmp_path):
    """Evaluate three pairs of 12x16 pixels; returns the run folder."""
    root = write_pairs(tmp_path / "pairs", names=("01", "02", "03"))

    def run(*argv: str):
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        places = ["--data.root", str(root), "--output", str(output), "--trainer.accelerator", "cpu"]
        evaluate.main([*places, "--report", "false", *argv])
        (folder,) = set(output.glob("*")) - before
        return folder

    return run


@pytest.mark.slow
def test_static_and_dynamic_evaluations_pair_up(run_evaluate, capfd):
    dynamic, static = run_evaluate("--ttd", "--wandb", "online"), run_evaluate()
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B")]
    assert [line.split(";")[0] for line in said] == [
        "W&B: no account is configured (wandb login does that)",
        *["W&B: logged offline"] * 2,
    ]
    groups = set()
    for folder, rows in ((dynamic, ["static", "ttd"]), (static, ["static"])):
        state, records = read_back(folder)
        (run,) = [record["run"] for record in records if record["type"] == "run"]
        groups.add(run["run_group"])
        about = json.loads((folder / "summary.json").read_text())
        (result,) = about["results"]
        for row in rows:
            for metric, mean in result["means"][row].items():
                assert state["summary"][f"test/vif/{row}/{metric}"] == pytest.approx(mean)
        assert state["summary"]["test/vif/per_image"]["nrows"] == 3
        assert state["config"]["checkpoint.sha256"] == about["network"]["checkpoint"]["sha256"]
    assert len(groups) == 1
