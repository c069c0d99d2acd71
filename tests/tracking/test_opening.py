"""Where a run is logged, and that nothing about it stops a program."""

import subprocess
import sys

import pytest

from fusionlab.tracking.identity import Identity
from fusionlab.tracking.opening import open_tracker

from .conftest import read_back, state_of

IDENTITY = Identity("set-1234", "ifcnn-set", ("vif", "baseline"), {"seed": 1})

KILLED = """
import subprocess, sys, time
from pathlib import Path
started = []
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        started.append(self)
subprocess.Popen = Popen
from fusionlab.tracking.identity import Identity
from fusionlab.tracking.opening import open_tracker
tracker = open_tracker("offline", Path(sys.argv[1]), "train", Identity("g", "n", (), {}))
for service in started:
    service.kill()
time.sleep(0.2)
for step in range(3):
    tracker.log_metrics({"a": 1.0}, step)
    time.sleep(0.2)
tracker.finish()
print("done")
"""


def opened(folder, mode=None, job_type="evaluate"):
    folder.mkdir(exist_ok=True)
    return open_tracker(mode, folder, job_type, IDENTITY)


@pytest.mark.slow
def test_without_an_account_it_is_offline_without_a_word(no_account, tmp_path, capfd):
    tracker = opened(tmp_path / "run")
    assert tracker.experiment.settings.mode == "offline"
    tracker.log_metrics({"a": 1.5}, step=3)
    assert capfd.readouterr() == ("", "")
    tracker.finish()
    out, err = capfd.readouterr()
    (folder,) = (tmp_path / "run" / "wandb").glob("offline-run-*")
    assert (out, err) == ("", f"W&B: logged offline; wandb sync {folder} uploads it\n")
    state, records = read_back(tmp_path / "run")
    assert (state["run_id"], state["name"], state["project"]) == ("run", "ifcnn-set", "fusionlab")
    assert state["config"] == {"seed": 1}
    assert state["tags"] == ["vif", "baseline"]
    assert state["summary"]["a"] == 1.5
    assert state["summary"]["trainer/global_step"] == 3
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert (run["run_group"], run["job_type"]) == ("set-1234", "evaluate")


def test_online_without_an_account_says_so_once_and_goes_on_offline(no_account, tmp_path, capfd):
    tracker = opened(tmp_path / "run", "online")
    assert tracker.experiment.settings.mode == "offline"
    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("W&B: no account")
    assert line.endswith("logging offline")


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_is_given_up_soon(no_account, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("fusionlab.tracking.opening.SECONDS_TO_CONNECT", 0.5)
    tracker = opened(tmp_path / "run", "online")
    assert tracker.experiment.settings.mode == "offline"
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("W&B: no connection")
    tracker.finish()
    assert state_of(tmp_path / "run")["run_id"] == "run"


def test_the_same_folder_is_the_same_run(no_account, tmp_path):
    for _ in range(2):
        tracker = opened(tmp_path / "run", "offline")
        assert tracker.experiment.id == "run"
        tracker.finish()


@pytest.mark.parametrize("mode", ["disabled", None])
def test_disabled_leaves_no_trace(mode, no_account, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online" if mode else "disabled")
    assert opened(tmp_path / "run", mode) is None
    assert list((tmp_path / "run").iterdir()) == []


def test_only_the_first_process_logs(no_account, tmp_path, monkeypatch):
    monkeypatch.setattr("fusionlab.tracking.opening.rank_zero_only.rank", 1)
    assert opened(tmp_path / "run", "offline") is None


def test_an_unknown_mode_in_the_environment_is_named(no_account, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    assert opened(tmp_path / "run") is None
    assert "WANDB_MODE is sometimes" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"), [("WANDB_BASE_URL", "notaurl"), ("WANDB_SILENT", "maybe")]
)
def test_an_invalid_setting_of_wandb_is_one_line(
    name, value, no_account, tmp_path, capfd, monkeypatch
):
    monkeypatch.setenv(name, value)
    assert opened(tmp_path / "run") is None
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("W&B")]
    assert "nothing is logged" in line


def test_a_failure_is_one_line_and_the_end_of_logging(no_account, tmp_path, capfd):
    tracker = opened(tmp_path / "run", "offline")
    calls = []

    def fail(run):
        calls.append(run)
        raise OSError("No space left on device")

    tracker.attempt(fail)
    tracker.attempt(fail)
    tracker.log_metrics({"a": 1.0})
    tracker.finish()
    assert len(calls) == 1
    expected = "W&B: logging failed (No space left on device); the run goes on without\n"
    assert capfd.readouterr().err == expected


@pytest.mark.slow  # a process of its own
def test_when_the_service_dies_the_program_ends_in_peace(no_account, tmp_path):
    (tmp_path / "run").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "run")], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith("W&B: logging failed (")


def test_a_mistake_of_ours_is_not_hidden(no_account, tmp_path):
    tracker = opened(tmp_path / "run", "offline")
    with pytest.raises(ZeroDivisionError):
        tracker.attempt(lambda run: 1 / 0)


def test_the_variables_of_wandb_go_before_what_we_would_choose(no_account, tmp_path, monkeypatch):
    given = {"NAME": "own-name", "RUN_GROUP": "own-group", "RUN_ID": "own-id", "TAGS": "own,tag"}
    for name, value in given.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "own-dir"))
    tracker = opened(tmp_path / "run", "offline")
    run = tracker.experiment
    assert (run.name, run.group, run.id) == ("own-name", "own-group", "own-id")
    assert set(run.tags) == {"vif", "baseline", "own", "tag"}
    tracker.finish()
    assert list((tmp_path / "own-dir" / "wandb").glob("offline-run-*-own-id"))


def test_an_offline_run_that_goes_on_continues_its_steps(no_account, tmp_path):
    for steps in (range(3), range(3, 5)):
        tracker = opened(tmp_path / "run", "offline", "train")
        for step in steps:
            tracker.log_metrics({"a": float(step)}, step)
        last = tracker.experiment.step
        tracker.finish()
    assert last == 5
