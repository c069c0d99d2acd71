"""What no run may be lost to: kills, full disks, damaged and changed files."""

import csv
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch

import evaluate
import train
from fusionlab.cli import report
from tests.conftest import write_pairs
from tests.training.conftest import SHORT

pytestmark = pytest.mark.slow
NOT_ALLOWED = 99  # exit code
IDS = [f"{k:02}" for k in range(6)]


# a fresh process to fork from: one that has trained cannot
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


def in_child(act, *arguments, kill: tuple[Path, str, float] | None = None) -> tuple[int, str]:
    """Run in a process of its own; its exit code and stderr.

    Args:
        act: A function of a module.
        *arguments: Its arguments.
        kill: Where its run folder comes, a file of it, and the most seconds after which it is
            killed once the file is there.
    """
    reading, writing = PROCESSES.Pipe(duplex=False)  # a file would be as limited as the disk
    child = PROCESSES.Process(target=_act, args=(writing, act, arguments))
    child.start()
    writing.close()
    if kill is not None:
        output, name, most = kill
        deadline = time.monotonic() + 120
        while not list(output.glob(f"*/{name}")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.Random(str(output)).uniform(0, most))
        child.kill()
    with os.fdopen(os.dup(reading.fileno())) as file:
        said = file.read()
    child.join()
    assert child.exitcode is not None
    return child.exitcode, said


def _act(writing, act, arguments) -> None:
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(writing.fileno(), 2)
        writing.close()
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        act(*arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def succeed(act, *arguments) -> None:
    code, said = in_child(act, *arguments)
    assert code == 0, said


@pytest.fixture
def data(tmp_path):
    return write_pairs(tmp_path / "data", names=IDS, size=(16, 20))


def options(data: Path, output: Path) -> list[str]:
    quick = ["--baselines", "false", "--report", "false", "--metrics.names", "[EN]", "--quiet"]
    cpu = ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]
    return ["--ttd", "--data.root", str(data), "--output", str(output), *quick, *cpu]


def values(folder: Path) -> list[tuple[str, str, str]]:
    """The rows by id and method, without time and memory."""
    with (folder / "per_image.csv").open(newline="") as file:
        return sorted((row["id"], row["method"], row["EN:paper"]) for row in csv.DictReader(file))


@pytest.fixture
def whole(data, tmp_path):
    evaluate.main(options(data, tmp_path / "whole"))
    (folder,) = (tmp_path / "whole").iterdir()
    return folder


def test_killed_evaluations_end_where_others_do(whole, data, tmp_path):
    began = 0
    for k in range(12):
        output = tmp_path / f"cut{k}"
        in_child(evaluate.main, options(data, output), kill=(output, "config.yaml", 1.0))
        found = list(output.glob("*/config.yaml"))
        if not found:
            continue
        began += 1
        folder = found[0].parent
        succeed(evaluate.main, ["--resume", str(folder)])
        assert values(folder) == values(whole)
    assert began


def evaluate_limited(size: int, arguments: list[str]) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    evaluate.main(arguments)


@pytest.mark.parametrize("size", [100, 300, 600, 1000, 2000, 3000, 4000, 6000, 9000, 14000])
def test_an_evaluation_without_room_ends_in_a_line_and_goes_on(size, whole, data, tmp_path):
    """A limit on the size of files fails as a full disk does, at another moment for each size."""
    output = tmp_path / "full"
    code, said = in_child(evaluate_limited, size, options(data, output))
    assert code in (0, 1)
    assert "Traceback" not in said
    if code:
        assert "ulimit -f" in said.splitlines()[-1]
    for folder in output.glob("*"):
        assert not list(folder.rglob("*.partial"))
        if (folder / "config.yaml").exists():
            succeed(evaluate.main, ["--resume", str(folder)])
            assert values(folder) == values(whole)


def evaluate_to(path: str, arguments: list[str]) -> None:
    os.dup2(os.open(path, os.O_WRONLY), 1)
    evaluate.main(arguments)


def evaluate_closed(arguments: list[str]) -> None:
    os.close(1)
    evaluate.main(arguments)


def evaluate_with_files(count: int, arguments: list[str]) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    evaluate.main(arguments)


WITHOUT_SHARED_MEMORY = f"""
import ctypes, sys
libc = ctypes.CDLL(None)
recursive, private, namespace = 0x4000, 0x40000, 0x20000
if (
    libc.unshare(namespace)
    or libc.mount(b"", b"/", None, recursive | private, None)
    or libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", 0, b"size=64k")
):
    sys.exit({NOT_ALLOWED})
import evaluate
evaluate.main(sys.argv[1:])
"""


def test_results_that_cannot_be_printed_are_shown_again(whole, data, tmp_path):
    code, said = in_child(evaluate_to, "/dev/full", options(data, tmp_path / "full"))
    assert code == 1
    assert said.splitlines()[-1].endswith("(No space left on device); free some space")
    assert "Traceback" not in said
    (folder,) = (tmp_path / "full").iterdir()
    succeed(evaluate.main, ["--resume", str(folder)])
    assert values(folder) == values(whole)
    succeed(evaluate_closed, options(data, tmp_path / "closed"))


@pytest.mark.parametrize("count", [8, 14])
def test_too_few_open_files_end_in_a_line(count, whole, data, tmp_path):
    output = tmp_path / "few"
    given = [*options(data, output), "--data.workers", "2"]
    code, said = in_child(evaluate_with_files, count, given)
    assert code in (0, 1), said
    if code:
        assert re.search(r"ulimit -n|data\.workers", said.splitlines()[-1]), said
    assert "Traceback" not in said
    for folder in output.glob("*"):
        if (folder / "config.yaml").exists():
            succeed(evaluate.main, ["--resume", str(folder)])
            assert values(folder) == values(whole)


def test_too_little_shared_memory_ends_soon_in_a_line(tmp_path):
    data = write_pairs(tmp_path / "data", names=IDS, size=(64, 64))
    given = [*options(data, tmp_path / "shm"), "--data.workers", "2", "--wandb", "disabled"]
    command = [sys.executable, "-c", WITHOUT_SHARED_MEMORY, *given]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode == NOT_ALLOWED:
        pytest.skip("mounting needs more rights")
    assert ended.returncode == 1
    said = ended.stderr.splitlines()
    assert "Traceback" not in ended.stderr
    assert "docker run --shm-size=2g" in said[-1]
    assert any(line.startswith("interrupted; fusionlab evaluate --resume") for line in said)


def train_limited(size: int, arguments: list[str]) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    train.main(arguments)


TRAINED_IN = [500, 1_500, 3_000, 8_000, 20_000, 50_000, 150_000, 300_000, 400_000, 700_000]


@pytest.mark.parametrize("size", TRAINED_IN)
def test_a_training_without_room_ends_in_a_line(size, data, tmp_path):
    """At its config, at its first checkpoint, at its weights alone; the last size suffices."""
    code, said = in_child(train_limited, size, trained(data, tmp_path / "full"))
    assert code == (0 if size == TRAINED_IN[-1] else 1)
    assert "Traceback" not in said
    if code:
        assert "ulimit -f" in said.splitlines()[-1]
    assert not list(tmp_path.rglob("*.partial"))


DAMAGED = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "noise": lambda content: random.Random(0).randbytes(len(content)),
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("name", ["summary.json", "per_image.csv", "rd.csv", "config.yaml"])
def test_a_damaged_file_is_named_or_made_again(name, damage, whole):
    (whole / name).write_bytes(DAMAGED[damage]((whole / name).read_bytes()))
    for main, arguments in (
        (evaluate.main, ["--resume", str(whole)]),
        (report.main, [str(whole)]),
    ):
        code, said = in_child(main, arguments)
        assert code in (0, 2)
        assert "Traceback" not in said, said


def paths_in(value, at=()):
    yield at
    if not isinstance(value, (dict, list)):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from paths_in(inner, (*at, key))


def test_a_summary_that_somebody_changed_never_ends_in_a_traceback(whole, capsys):
    about = json.loads((whole / "summary.json").read_text())
    chance = random.Random(0)
    places = [place for place in paths_in(about) if place and place[0] != "settings"]
    for place in chance.sample(places, 80):
        changed = json.loads(json.dumps(about))
        inner = changed
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = chance.choice([None, [], {}, "x", "../../x", 10**30, -1, [[1]]])
        (whole / "summary.json").write_text(json.dumps(changed))
        code = 0
        try:
            report.main([str(whole)])
        except SystemExit as end:
            code = end.code
        assert code in (0, 2), place
        assert "Traceback" not in capsys.readouterr().err


def test_what_changed_since_the_kill_is_refused(whole, data, capsys):
    lines = (whole / "per_image.csv").read_text().splitlines(keepends=True)
    (whole / "per_image.csv").write_text("".join(lines[:-2]))
    about = json.loads((whole / "summary.json").read_text())
    (whole / "summary.json").write_text(json.dumps({**about, "results": []}))
    other = write_pairs(data.parent / "other", names=[*IDS, "more"], size=(16, 20))
    shutil.copy(other / "vi" / "more.png", data / "vi" / "03.png")
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--resume", str(whole)])
    assert stop.value.code == 2
    assert "03 in data has changed since" in capsys.readouterr().err.splitlines()[-1]


def trained(data: Path, output: Path) -> list[str]:
    quick = ["--metrics.names", "[EN]", "--training.samples_every", "0", "--quiet"]
    cpu = ["--trainer.accelerator", "cpu", "--trainer.devices", "1", "--trainer.max_epochs", "6"]
    root = ["--data.root", str(data), "--data.task", "vif", "--output", str(output)]
    return [*root, *quick, *cpu, *SHORT]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def test_killed_trainings_end_where_others_do(data, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/dev/shm")  # another file system than the run folder's
    succeed(train.main, trained(data, tmp_path / "whole"))
    (whole,) = (tmp_path / "whole").iterdir()
    went_on = 0
    for k in range(6):
        output = tmp_path / f"cut{k}"
        in_child(train.main, trained(data, output), kill=(output, "last.ckpt", 2.5))
        found = list(output.glob("*/last.ckpt"))
        if not found:
            continue
        went_on += 1
        folder = found[0].parent
        succeed(train.main, ["--resume", str(folder)])
        one, other = weights(folder), weights(whole)
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert went_on
