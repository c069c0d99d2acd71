"""``fusionlab train`` through its real main."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import train
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import read_checkpoint

from .conftest import SHORT


def weights(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path).state


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_a_run_keeps_what_is_needed_to_use_and_to_repeat_it(run_train, capsys):
    folder = run_train("--training.batches_per_epoch", "10")
    names = {path.name for path in folder.iterdir()}
    assert {"best.ckpt", "last.ckpt", "ifcnn.safetensors", "config.yaml", "summary.json"} <= names
    assert same(weights(folder / "best.ckpt"), weights(folder / "ifcnn.safetensors"))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["training"]["batches_per_epoch"] == 10
    with (folder / "log" / "version_0" / "metrics.csv").open() as file:
        columns = set(next(csv.reader(file)))
    assert {"train/loss/mse", "val/PSNR_truth", "val/EN", "lr-SGD/network"} <= columns
    printed = capsys.readouterr().out
    assert "PSNR↑" in printed
    assert str(folder) in printed


@pytest.mark.slow
def test_the_weights_that_are_kept_are_measured_on_the_bench(run_train, validation, run_evaluate):
    folder = run_train("--ttd", "--metrics.names", "[EN]")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["job"] == "train"
    (result,) = summary["results"]
    assert result["methods"] == ["near alone", "far alone", "IFCNN", "IFCNN+TTD"]
    argv = ["--network.checkpoint", folder / "ifcnn.safetensors", *validation]
    _, again = run_evaluate("--ttd", "--ttd_by_task", "false", "--metrics.names", "[EN]", *argv)
    assert result["means"] == again["results"][0]["means"]
    assert len((folder / "per_image.csv").read_text().splitlines()) == 1 + 4
    (log,) = folder.glob("log/version_0/metrics.csv")
    with log.open() as file:
        best = max(csv.DictReader(file), key=lambda line: float(line["val/PSNR_truth"] or 0))
    truth = result["means"]["IFCNN"]["PSNR_truth"]
    assert float(best["val/PSNR_truth"]) == pytest.approx(truth, rel=1e-6)


@pytest.mark.slow
def test_the_trained_checkpoint_is_evaluated_under_either_form(run_train, pairs, run_evaluate):
    folder = run_train("--network.options.rule", "mean")
    for name in ("ifcnn.safetensors", "best.ckpt"):
        argv = ["--network.checkpoint", str(folder / name), "--data.root", str(pairs)]
        _, summary = run_evaluate(*argv)
        (method,) = (one for one in summary["methods"] if one["kind"] == "network")
        assert method["facts"]["network"]["options"]["rule"] == "mean"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_does_not(run_train):
    one, again, other = run_train(), run_train(), run_train("--seed", "1")
    assert same(weights(one / "last.ckpt"), weights(again / "last.ckpt"))
    assert not same(weights(one / "last.ckpt"), weights(other / "last.ckpt"))


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(run_train, monkeypatch):
    whole = run_train()
    from fusionlab.training.module import FusionModule

    class Interrupted(Exception):
        pass

    step = FusionModule.training_step

    def interrupted(self, batch, batch_idx):
        if self.current_epoch == 1:
            raise Interrupted
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FusionModule, "training_step", interrupted)
    before = set(whole.parent.glob("*"))
    with pytest.raises(Interrupted):
        run_train()
    (folder,) = set(whole.parent.glob("*")) - before
    monkeypatch.setattr(FusionModule, "training_step", step)
    train.main(["--resume", str(folder)])
    assert same(weights(folder / "last.ckpt"), weights(whole / "last.ckpt"))
    logs = [path.parent.name for path in sorted(folder.glob("log/*/metrics.csv"))]
    assert logs[0] == "version_0"
    assert len(logs) == 2, "the log of the interrupted part is kept"


@pytest.mark.slow
def test_the_loss_falls_on_generated_crops(tmp_path, validation):
    argv = ["--training.batches_per_epoch", "40", "--training.batch_size", "4"]
    train.main(
        [*validation, *argv, "--trainer.max_epochs", "1", "--output", str(tmp_path / "runs")]
    )
    (folder,) = (tmp_path / "runs").iterdir()
    with (folder / "log" / "version_0" / "metrics.csv").open() as file:
        losses = [
            float(line["train/loss/mse"]) for line in csv.DictReader(file) if line["train/loss/mse"]
        ]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_own_photographs_are_trained_on(run_train, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photographs" / "day 1"
    folder.mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(folder / "a.jpg")
    run = run_train("--training.root", str(folder.parent))
    assert not same(weights(run / "last.ckpt"), weights(run_train() / "last.ckpt"))


@pytest.mark.slow
def test_training_with_ttd_validates_it_too(run_train):
    folder = run_train("--ttd")
    with (folder / "log" / "version_0" / "metrics.csv").open() as file:
        assert "val/ttd/PSNR_truth" in next(csv.reader(file))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--training.root", "nowhere"], ["nowhere", "training.root"]),
        (["--training.crop_size", "4000"], ["training.crop_size", "4000"]),
        (["--network.options.rule", "median"], ["rule", "median"]),
        (["--network.name", "densefuse"], ["densefuse", "176", "training.crop_size"]),
        (["--training.contrast", "0.1"], ["training.contrast", "pairs"]),
        (["--training.batch_size", "1"], ["ifcnn", "training.batch_size"]),
        (["--training.options.network", "x"], ["'network'", "takes none"]),
        (["--trainer.gradient_clip_val", "0"], ["trainer.gradient_clip_val", "above 0"]),
        (["--trainer.accumulate_grad_batches", "0"], ["trainer.accumulate_grad_batches"]),
        (["--trainer.check_val_every_n_epoch", "20"], ["trainer.check_val_every_n_epoch"]),
        (
            ["--training.schedule", "late", "--trainer.max_steps", "9"],
            ["training.schedule", "trainer.max_epochs"],
        ),
        (["--training.options.weight", "1"], ["weight", "ifcnn", "takes none"]),
        (["--training.objective", "illumination"], ["training.objective", "PIAFusion", "ifcnn"]),
        (["--training.objective", "none"], ["training.objective", "densefuse"]),
        (["--training.objective", "mine"], ["training.objective", "densefuse", "mine"]),
        (["--training.objective", "cddfuse"], ["training.objective", "CDDFuse", "ifcnn"]),
        (
            ["--training.objective", "piafusion", "--training.options.classifier", "x.pth"],
            ["training.options.classifier", "x.pth"],
        ),
        (["--training.optimizer", "best"], ["training.optimizer", "adamw", "best"]),
        (["--training.optimizer_options.nesterof", "true"], ["SGD", "nesterof", "nesterov"]),
        (["--training.optimizer_options.lr", "1"], ["SGD", "'lr'"]),
        (["--training.optimizer", "adam", "--training.momentum", "0.5"], ["Adam", "momentum"]),
        (["--training.schedule", "steplr"], ["StepLR", "step_size", "training.schedule_options"]),
        (["--training.schedule", "slow"], ["training.schedule", "polynomial", "steplr", "slow"]),
        (["--training.schedule_options.gamma", "0.1"], ["training.schedule_options", "polynomial"]),
        (["--resume", "nowhere"], ["nowhere", "resume"]),
        (["--network.checkpoint", "nowhere.pth"], ["nowhere.pth"]),
    ],
)
def test_bad_input_is_named_before_anything_is_written(argv, expected, validation, refused):
    line = refused(train, *validation, *argv)
    assert [part for part in expected if part not in line] == []


def test_a_diverging_training_says_so(tmp_path, validation, capsys):
    argv = [
        "--training.lr",
        "1e30",
        "--trainer.max_epochs",
        "1",
        "--output",
        str(tmp_path / "runs"),
    ]
    with pytest.raises(SystemExit) as stop:
        train.main([*validation, *SHORT, *argv])
    assert stop.value.code == 2
    assert "training.lr" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_what_a_resumed_training_cannot_change_is_refused(run_train, capsys):
    folder = run_train()
    before = (folder / "config.yaml").read_bytes()
    for key, value in (
        ("training.lr", "5"),
        ("training.optimizer", "adam"),
        ("network.name", "cddfuse"),
        ("training.objective", "densefuse"),
    ):
        with pytest.raises(SystemExit) as stop:
            train.main(["--resume", str(folder), f"--{key}", value])
        assert stop.value.code == 2
        assert f"{key} was" in capsys.readouterr().err
        assert (folder / "config.yaml").read_bytes() == before


@pytest.mark.slow
def test_the_last_checkpoint_is_that_of_the_last_epoch_though_another_was_best(
    run_train, monkeypatch
):
    """With a rate of 0 from the second epoch on nothing improves, yet epochs count."""
    folder = run_train("--training.lr", "0", "--trainer.max_epochs", "3")
    stored = torch.load(folder / "last.ckpt", weights_only=True)
    assert (stored["epoch"], stored["global_step"]) == (2, 6)


@pytest.mark.slow
def test_a_finished_training_can_go_on_for_longer(run_train):
    folder = run_train()
    before = weights(folder / "last.ckpt")
    train.main(["--resume", str(folder), "--trainer.max_epochs", "3", "--metrics.names", "[EN]"])
    assert not same(before, weights(folder / "last.ckpt"))
    heading = (folder / "per_image.csv").read_text().splitlines()[0]
    assert "EN:paper" in heading
    assert "SD" not in heading
    assert create_network("ifcnn", folder / "ifcnn.safetensors").rule == "max"


def test_validations_farther_apart_than_an_epoch_are_one_line(tmp_path, validation, capsys):
    argv = ["--trainer.val_check_interval", "50", "--output", str(tmp_path / "runs")]
    with pytest.raises(SystemExit) as stop:
        train.main([*validation, *SHORT, *argv])
    assert stop.value.code == 2
    assert "trainer.val_check_interval is 50, and an" in capsys.readouterr().err.splitlines()[-1]
