"""Tiny data, and a Trainer that writes nothing."""

from pathlib import Path

import lightning as L
import pytest
import torch

import train
from fusionlab.data.dataset import FusionDataset

from ..conftest import write_pairs

SHORT = ("--training.batches_per_epoch", "2", "--training.batch_size", "4")


class Noise(FusionDataset):
    """Random grey samples of two sources, perhaps with a ground truth."""

    def __init__(self, count=3, name="noise", truth=True, side=16, seed=0):
        super().__init__(name, "vif")
        generator = torch.Generator().manual_seed(seed)
        levels = torch.randint(256, (count, 3, 1, side, side), generator=generator)
        self.pixels = levels.float() / 255
        self.ids = [str(k) for k in range(count)]
        self.source_names = [("vi", "ir")] * count
        self.sizes = [(side, side)] * count
        self.has_reference = truth

    def images(self, index):
        vi, ir, truth = self.pixels[index]
        return [vi, ir], truth if self.has_reference else None

    def describe(self):
        return {"name": self.name, "task": "vif", "source_names": ["vi", "ir"], "ids": self.ids}


def quiet_trainer(**options) -> L.Trainer:
    """A user's own Trainer, on the CPU."""
    return L.Trainer(
        **{
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            **options,
        }
    )


@pytest.fixture
def validation(tmp_path) -> list[str]:
    """Arguments that validate on a tiny data set with a ground truth."""
    root = write_pairs(tmp_path / "trio", names=("01",), sources=("near", "far", "gt"))
    return ["--data.root", str(root), "--trainer.accelerator", "cpu", "--trainer.devices", "1"]


@pytest.fixture
def run_train(tmp_path, validation):
    """Run ``fusionlab train`` for two short epochs; returns its run folder."""

    def run(*argv: str) -> Path:
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        epochs = ["--trainer.max_epochs", "2", "--output", str(output)]
        train.main([*validation, *SHORT, *epochs, *argv])
        folders = set(output.glob("*")) - before
        return folders.pop() if folders else Path()

    return run
