"""Two machines: two agents of torchrun on this one, and what a rank that dies ends."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import evaluate
import train
from tests.conftest import write_pairs

IDS = [f"{k:02}" for k in range(4)]
CPU = ("--trainer.accelerator", "cpu", "--trainer.devices", "1")
APART = ("--trainer.num_nodes", "2", "--trainer.strategy", "ddp")
QUICK = ("--metrics.names", "[EN, SSIM]", "--wandb", "disabled", "--quiet")
LONGEST = 30  # seconds from the death of a process to the end of all


@pytest.fixture
def data(tmp_path) -> Path:
    names = ("vi", "ir")
    return write_pairs(tmp_path / "data", names=IDS, sources=names, size=(16, 20))


class Machines:
    """Two agents of torchrun, each with a process of the program.

    Args:
        folder: Where what they print is kept.
        argv: Arguments of the program.
    """

    def __init__(self, folder: Path, *argv: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            endpoint = f"127.0.0.1:{free.getsockname()[1]}"
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
        torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", "test"]
        self.said = [folder / f"machine{k}.txt" for k in range(2)]
        self.agents = [
            subprocess.Popen(
                [*torchrun, "-m", "fusionlab", *argv],
                stdout=path.open("w"),
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "FUSIONLAB_THREADS": "1"},
            )
            for path in self.said
        ]

    def end(self, seconds: float = 240) -> list[int]:
        """Their exit codes; one that does not end in time is killed and fails the test."""
        try:
            return [agent.wait(seconds) for agent in self.agents]
        finally:
            for agent in self.agents:
                agent.kill()

    def text(self) -> str:
        return "\n".join(path.read_text() for path in self.said)

    def kill_rank(self, rank: int) -> None:
        for agent in self.agents:
            children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
            for child in children:
                told = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                if f"RANK={rank}".encode() in told:
                    os.kill(int(child), signal.SIGKILL)


def the_folder(output: Path) -> Path:
    (folder,) = output.iterdir()
    return folder


def values(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    return [{k: v for k, v in row.items() if k not in ("data", "ms", "MB")} for row in rows]


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_two_machines_evaluate_as_one_does(data, tmp_path, one_thread):
    argv = ["--data.root", str(data), "--ttd", "--baselines", "false", "--report", "false"]
    argv += [*QUICK, *CPU]
    machines = Machines(tmp_path, "evaluate", *argv, *APART, "--output", str(tmp_path / "two"))
    assert machines.end() == [0, 0], machines.text()
    evaluate.main([*argv, "--output", str(tmp_path / "one")])
    assert values(the_folder(tmp_path / "two")) == values(the_folder(tmp_path / "one"))


@pytest.mark.slow
def test_two_machines_train_as_one_does_also_after_one_has_died(data, tmp_path, one_thread):
    argv = ["--data.root", str(data), "--data.task", "vif", "--training.samples_every", "0", *QUICK]
    argv += ["--training.batches_per_epoch", "2", "--training.hold_batch_norm", "0", *CPU]
    argv += ["--training.schedule", "constant"]
    two = [*argv, "--training.batch_size", "2", "--trainer.max_epochs", "60", *APART]
    output = tmp_path / "two"
    machines = Machines(tmp_path, "train", *two, "--output", str(output))
    while not list(output.glob("*/last.ckpt")):
        time.sleep(0.05)
    machines.kill_rank(1)
    died = time.monotonic()
    codes = machines.end(LONGEST)
    assert time.monotonic() - died < LONGEST
    assert 0 not in codes
    folder = the_folder(output)
    assert f"interrupted; fusionlab train --resume {folder} goes on" in machines.text()
    reached = torch.load(folder / "last.ckpt", weights_only=True)["epoch"]
    assert reached < 59, "it was killed before its end"
    epochs = ["--trainer.max_epochs", str(reached + 2)]

    machines = Machines(tmp_path, "train", "--resume", str(folder), *epochs)
    assert machines.end() == [0, 0], machines.text()
    kept = ["--network.checkpoint", str(folder / "ifcnn.safetensors"), "--baselines", "false"]
    test = ["--data.root", str(data), "--report", "false", *QUICK, *CPU, *kept]
    evaluate.main([*test, "--output", str(tmp_path / "test")])
    found = {(row["id"], row["method"]): row for row in values(the_folder(tmp_path / "test"))}
    assert values(folder) == [found[row["id"], row["method"]] for row in values(folder)]

    train.main([*argv, "--training.batch_size", "4", *epochs, "--output", str(tmp_path / "one")])
    alone = torch.load(the_folder(tmp_path / "one") / "last.ckpt", weights_only=True)["state_dict"]
    together = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    for key, value in alone.items():  # means of means are rounded otherwise than means
        torch.testing.assert_close(together[key], value, rtol=0, atol=1e-5)


STARTED = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}
SLURM = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "train"}
SLURM |= dict.fromkeys(("SLURM_NODEID", "SLURM_PROCID", "SLURM_LOCALID"), "0")
MISTAKES = {
    "torchrun": (STARTED, (), r"torchrun has started 4 .* on 2 .*num_nodes 2 .*devices 2 .*ddp"),
    "srun": (
        {**SLURM, "SLURM_STEP_NUM_TASKS": "2"},
        (),
        r"srun has started 2 .* on 1 .*num_nodes 1 and trainer.devices 2",
    ),
    "no srun": (SLURM, ("--trainer.devices", "2", "--trainer.strategy", "ddp"), "put srun before"),
    "no launcher": ({}, ("--trainer.num_nodes", "2"), "start it with torchrun or srun"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("program", [evaluate, train])
def test_a_wrong_number_of_processes_is_refused_before_a_folder_is_made(
    name, program, data, tmp_path, monkeypatch, capsys
):
    told, argv, line = MISTAKES[name]
    for key, value in told.items():
        monkeypatch.setenv(key, value)
    output = tmp_path / "runs"
    given = ["--data.root", str(data), *QUICK, *CPU, *argv, "--output", str(output)]
    with pytest.raises(SystemExit) as stop:
        program.main([*given, *(["--data.task", "vif"] if program is train else [])])
    assert stop.value.code == 2
    assert re.search(line, capsys.readouterr().err.splitlines()[-1])
    assert not output.exists()
