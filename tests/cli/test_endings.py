"""How programs end on signals and failures from outside."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fusionlab.cli.parser import ending_in_one_line, new_parser
from fusionlab.ending import OutsideFailure, outside_failure
from fusionlab.errors import InputError
from fusionlab.runs.folder import check_links, locked

ENDED_WITH: list = []  # the handler of SIGTERM at the end of the last program


def ended(act, capsys) -> tuple[int, str]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as stop, ending_in_one_line(new_parser("evaluate", "", "")):
            act()
        ENDED_WITH[:] = [signal.getsignal(signal.SIGTERM)]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    (line,) = capsys.readouterr().err.splitlines()
    return int(stop.value.code or 0), line


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_with_the_code_of_shells(number, code, capsys):
    assert ended(lambda: os.kill(os.getpid(), number), capsys)[0] == code
    after = signal.SIG_IGN if number == signal.SIGTERM else signal.SIG_DFL
    assert [after] == ENDED_WITH  # a second SIGTERM does not disturb the end


FAILURES = [
    (OSError(errno.ENOSPC, "No space left on device", "x.csv"), "x.csv"),
    (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
    (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
    (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "data.workers"),
    (RuntimeError("DataLoader timed out after 300 seconds"), "data.workers"),
    (RuntimeError("unable to write to file </torch_1_2>"), "--shm-size"),
    (RuntimeError("[gloo] Connection closed by peer [127.0.0.1]"), "another process"),
    (MemoryError(), "smaller batches"),
    (OutsideFailure("no more"), "no more"),
]


@pytest.mark.parametrize(("fault", "remedy"), FAILURES, ids=lambda one: str(one)[:30])
def test_a_failure_from_outside_is_one_line_with_a_remedy(fault, remedy, capsys, monkeypatch):
    monkeypatch.setattr("fusionlab.cli.parser.drop_output", lambda: None)

    def act():
        raise fault

    code, line = ended(act, capsys)
    assert code == 1
    assert remedy in line


def test_a_fault_of_the_program_is_not_hidden():
    assert outside_failure(RuntimeError("shape mismatch")) == ""
    with pytest.raises(RuntimeError), ending_in_one_line(new_parser("evaluate", "", "")):
        raise RuntimeError("shape mismatch")


def test_one_program_at_a_time_writes_to_a_folder(tmp_path):
    code = "import sys; from fusionlab.runs.folder import locked; from pathlib import Path\n"
    code += "with locked(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"locked\n"
    with pytest.raises(InputError, match="another program writes to"), locked(tmp_path):
        pass
    process.kill()
    process.wait()
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_links_out_of_a_run_folder_are_refused(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    other.mkdir()
    (run / "inside").symlink_to(run)
    check_links(run)
    (run / "vif").symlink_to(other)
    with pytest.raises(InputError, match="leads out of the run folder"):
        check_links(run)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("times", [1, 2])
def test_an_evaluation_ends_with_the_resume_line(number, code, times, pairs, tmp_path):
    options = ["--data.root", pairs, "--output", tmp_path / "runs", "--trainer.accelerator", "cpu"]
    options += ["--conditions.repeats", "100000", "--wandb", "disabled", "--baselines", "false"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fusionlab", "evaluate", *map(str, options), "--report", "false"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("runs/*/config.yaml")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05)
    _, said = process.communicate(timeout=200)
    assert process.returncode == code
    assert "Traceback" not in said
    assert re.search(r"fusionlab evaluate --resume \S+ goes on", said)
