"""``fusionlab train`` with W&B offline, read back from W&B's own files."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import train

from ..conftest import write_pairs
from .conftest import read_back, state_of

SHORT = ["--training.batches_per_epoch", "10", "--training.batch_size", "2"]


@pytest.fixture
def run_train(no_account, tmp_path):
    """Train for an epoch on built-in crops; returns the run folder."""
    root = write_pairs(tmp_path / "trio", names=("01", "02"), sources=("near", "far", "gt"))

    def run(*argv: str) -> Path:
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        places = ["--data.root", str(root), "--output", str(output)]
        device = ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]
        train.main([*SHORT, *places, *device, "--trainer.max_epochs", "1", *argv])
        (folder,) = set(output.glob("*")) - before
        return folder

    return run


@pytest.mark.slow
def test_a_training_logs_everything_and_goes_on_as_the_same_run(run_train):
    folder = run_train("--wandb", "offline", "--ttd")
    state, records = read_back(folder)
    summary = state["summary"]
    trained = {"train/loss/mse", "train/gradient_norm", "train/images_per_second"}
    validated = {"val/EN", "val/ttd/EN", "val/PSNR_truth", "lr-SGD/network"}
    tested = {"test/mff/IFCNN+TTD/EN", "test/mff/near alone/EN"}
    assert trained | validated | tested | {"samples/01", "samples/02"} <= summary.keys()
    assert summary["test/mff/IFCNN/EN"] == pytest.approx(summary["val/EN"], rel=1e-6)
    assert state["name"] == "ifcnn-ttd-trio"
    assert state["config"]["training.batches_per_epoch"] == 10
    assert state["config"]["images.mff.name"] == "trio"
    (artifact,) = [record["artifact"] for record in records if record["type"] == "artifact"]
    assert (artifact["type"], artifact["name"]) == ("model", "ifcnn-trio")
    assert "best" in artifact["aliases"]
    assert "test/mff/IFCNN/EN" in artifact["metadata"]
    assert list(Path("home").rglob("*.safetensors")) == [], "the weights are not copied"
    _check_samples(folder)

    train.main(["--resume", str(folder), "--trainer.max_epochs", "2"])
    assert len(list(folder.glob("wandb/offline-run-*"))) == 2
    assert state_of(folder)["run_id"] == state["run_id"] == folder.name


def _check_samples(folder):
    for name in ("01", "02"):
        width = Image.open(folder / "samples" / "epoch-0" / f"{name}.png").size[0]
        assert 8 * 320 < width < 9 * 320, "2 sources, static, ttd, 2 RD, 2 components, a bar"


@pytest.mark.slow
def test_a_failing_wandb_stops_no_training_and_changes_no_weight(run_train, monkeypatch, capfd):
    import wandb

    expected = torch.load(run_train("--wandb", "disabled") / "last.ckpt")["state_dict"]

    def fail(*_, **__):
        raise wandb.Error("the server is gone")

    monkeypatch.setattr(wandb.Run, "log", fail)
    folder = run_train("--wandb", "offline")
    found = torch.load(folder / "last.ckpt")["state_dict"]
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B")]
    assert said == ["W&B: logging failed (the server is gone); the run goes on without"]
