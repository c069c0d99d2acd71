"""Trainings that go on after an interruption, in the middle of an epoch, moved, or damaged."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import train
from fusionlab.training.checkpoints import previous
from fusionlab.training.module import FusionModule
from fusionlab.training.scores import Scores

QUICK = ("--metrics.names", "[EN]", "--training.samples_every", "0")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def batches(monkeypatch):
    """What each step of a training sees: epoch, and the indices of its batch."""
    seen: list[tuple[int, list[int]]] = []
    step = FusionModule.training_step

    def training_step(self, batch, batch_idx):
        seen.append((self.current_epoch, batch["index"].tolist()))
        return step(self, batch, batch_idx)

    monkeypatch.setattr(FusionModule, "training_step", training_step)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_resumed_training_sees_the_batches_of_an_uninterrupted_one(steps, run_train, batches):
    whole = run_train(*QUICK, "--training.schedule", "constant")
    expected = list(batches)
    batches.clear()
    cut = run_train(*QUICK, "--training.schedule", "constant", "--trainer.max_steps", str(steps))
    assert batches == expected[:steps]
    train.main(["--resume", str(cut), "--trainer.max_steps", "-1"])
    assert batches == expected
    assert same(whole / "last.ckpt", cut / "last.ckpt")


@pytest.fixture
def scored(monkeypatch):
    """Validation gives each epoch a score: the third one is the best."""
    given = [20.0, 21.0, 29.0, 25.0, 26.0]
    validated: list[int] = []
    means, validation = Scores.means, FusionModule.on_validation_epoch_end

    def on_validation_epoch_end(self):
        validated.append(self.current_epoch)
        validation(self)
        validated.pop()

    def scores(self):
        found = means(self)
        return {**found, "PSNR_truth": given[validated[-1]]} if validated else found

    monkeypatch.setattr(FusionModule, "on_validation_epoch_end", on_validation_epoch_end)
    monkeypatch.setattr(Scores, "means", scores)


def epoch_of(path: Path) -> int:
    return torch.load(path, weights_only=True)["epoch"]


@pytest.mark.slow
def test_the_best_epoch_is_remembered_though_the_folder_was_moved(run_train, scored, tmp_path):
    folder = run_train(*QUICK, "--trainer.max_epochs", "3", "--training.schedule", "constant")
    assert epoch_of(folder / "best.ckpt") == 2
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    best = (moved / "best.ckpt").read_bytes()
    train.main(["--resume", str(moved), "--trainer.max_epochs", "5"])
    assert epoch_of(moved / "last.ckpt") == 4
    assert (moved / "best.ckpt").read_bytes() == best
    assert not folder.exists()


@pytest.mark.slow
def test_a_finished_training_stays_as_it_is(run_train, capsys):
    folder = run_train(*QUICK)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    train.main(["--resume", str(folder)])
    printed = capsys.readouterr()
    assert "has finished" in printed.err
    assert "PSNR↑" in printed.out
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.slow
@pytest.mark.parametrize("content", ["half", b"", b"hello", "other"])
def test_a_damaged_checkpoint_falls_back_on_the_one_before(content, run_train, capsys):
    folder = run_train(*QUICK)
    path = folder / "last.ckpt"
    whole = path.read_bytes()
    if content == "other":
        torch.save({"epoch": 1}, path)
    else:
        path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    capsys.readouterr()
    train_again = ["--resume", str(folder), "--trainer.max_epochs", "3"]
    train.main(train_again)
    printed = capsys.readouterr().err
    assert f"going on with {previous(path).name}, an epoch earlier" in printed
    assert epoch_of(path) == 2
    path.write_bytes(b"")
    previous(path).unlink()
    with pytest.raises(SystemExit) as stop:
        train.main([*train_again, "--trainer.max_epochs", "4"])
    assert stop.value.code == 2
    assert str(path) in capsys.readouterr().err.splitlines()[-1]
    assert json.loads((folder / "summary.json").read_text())["results"]
