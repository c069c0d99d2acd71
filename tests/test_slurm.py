"""A job of SLURM that is preempted: saved, queued again, and going on by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import write_pairs
from tests.training.conftest import SHORT

pytestmark = pytest.mark.slow
VARIABLES = {
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_NODELIST": "localhost",
    **dict.fromkeys(("SLURM_NTASKS", "SLURM_NTASKS_PER_NODE", "SLURM_STEP_NUM_TASKS"), "1"),
    **dict.fromkeys(("SLURM_NODEID", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_ID"), "0"),
}
# SLURM's signal in the middle of a step, whose weights are changed and which is not counted yet
PREEMPTED = """
import os, signal, sys
from torch.optim.optimizer import register_optimizer_step_post_hook
import train

def after(*_):
    global steps
    steps += 1
    if steps == 3:
        os.kill(os.getpid(), signal.SIGUSR1)
    if steps == 6:
        os.kill(os.getpid(), signal.SIGTERM)

steps = 0
register_optimizer_step_post_hook(after)
train.main(sys.argv[1:])
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Start the training of a job as ``srun`` does; ``scontrol`` only writes down its words."""
    data = write_pairs(tmp_path / "data", names=list("abcdef"), size=(16, 20))
    control = tmp_path / "bin" / "scontrol"
    control.parent.mkdir()
    control.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\n')
    control.chmod(0o755)
    monkeypatch.setenv("PATH", str(control.parent), prepend=os.pathsep)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    place = ["--data.root", str(data), "--data.task", "vif", "--output", str(tmp_path / "runs")]
    cpu = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--metrics.names", "[EN]"]
    long = ["--trainer.max_epochs", "15", "--training.samples_every", "0"]
    settings = [*place, *cpu, *long, *SHORT]

    def start(number: int, restarts: int = 0, preempted: bool = False) -> subprocess.Popen:
        own = {"SLURM_JOB_ID": str(number), "SLURM_RESTART_COUNT": str(restarts)}
        program = ["-c", PREEMPTED] if preempted else ["-m", "fusionlab", "train"]
        command = [sys.executable, *program, *settings]
        return subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.DEVNULL)

    return start


def test_a_preempted_job_goes_on_where_it_was(job, tmp_path):
    folder = tmp_path / "runs" / "train-slurm-7"
    assert job(7, preempted=True).wait(120) == 143
    assert (tmp_path / "said").read_text() == "requeue 7\n"
    assert not (folder / "summary.json").exists()
    (left,) = folder.glob("hpc_ckpt_*.ckpt")
    assert torch.load(left, weights_only=True)["global_step"] == 3
    (folder / "last.ckpt").unlink()  # of the epochs after it

    assert job(7, restarts=1).wait(120) == 0
    assert job(8).wait(120) == 0
    one, other = weights(folder), weights(folder.with_name("train-slurm-8"))
    assert all(torch.equal(one[key], other[key]) for key in other)

    saved = (folder / "last.ckpt").stat().st_mtime_ns
    assert job(7, restarts=2).wait(120) == 0  # it has finished
    assert (folder / "last.ckpt").stat().st_mtime_ns == saved
    assert {one.name for one in folder.parent.iterdir()} == {"train-slurm-7", "train-slurm-8"}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
