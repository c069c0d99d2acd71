"""``fusionlab evaluate --resume``: an evaluation that was stopped in the middle goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import evaluate
from fusionlab.runs.run import Run

from ..conftest import write_pairs

ROOT = Path(__file__).parents[2]
NAMES = ("01", "02", "03", "04")


def results(folder: Path) -> list:
    """What an interruption must not change: everything but times and memory."""
    found = json.loads((folder / "summary.json").read_text())["results"]
    for result in found:
        del result["median_ms_per_image"], result["peak_megabytes"]
    return found


def values(folder: Path) -> list[str]:
    lines = (folder / "per_image.csv").read_text().splitlines()
    return [line.rsplit(",", 2)[0] for line in lines]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run on four pairs, two of them of another size."""
    place = tmp_path_factory.mktemp("finished")
    root = write_pairs(place / "pairs", names=NAMES[:2])
    write_pairs(root, names=NAMES[2:], size=(14, 15))
    argv = ["--ttd", "--theorem", "--data.root", str(root), "--data.batch_size", "2"]
    argv += ["--baselines", "false", "--trainer.accelerator", "cpu", "--wandb", "disabled"]
    evaluate.main([*argv, "--output", str(place / "runs")])
    (folder,) = (place / "runs").iterdir()
    return folder


@pytest.fixture
def whole(finished, tmp_path) -> Path:
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / finished.name, symlinks=True)


def interrupt(folder: Path, kept: int) -> None:
    """What is left of a run that was killed while it wrote a line."""
    path = folder / "per_image.csv"
    heading, *lines = path.read_text().splitlines(keepends=True)
    order = {name: k for k, name in enumerate(NAMES)}
    lines.sort(key=lambda line: order[line.split(",")[3]])  # as they are appended
    done = 4 * kept  # vi alone, ir alone, IFCNN, IFCNN+TTD
    path.write_text(heading + "".join(lines[:done]) + lines[done][:30])
    for path in (folder / "theorem.csv", folder / "rd.csv"):
        heading, *lines = path.read_text().splitlines(keepends=True)
        done = 2 * min(kept + 1, len(NAMES))  # vi, ir; written before
        path.write_text(heading + "".join(lines[:done]))
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, "results": []}))
    for name in NAMES[kept:]:
        for image in folder.glob(f"vif/**/{name}*"):
            image.unlink()


@pytest.mark.parametrize("kept", [0, 2, 3])  # with 3 a batch is done in part
def test_a_resumed_run_ends_like_an_uninterrupted_one(whole, kept):
    expected, rows = results(whole), values(whole)
    theorem = (whole / "theorem.csv").read_bytes()
    images = {path: path.read_bytes() for path in whole.glob("vif/**/*.png")}
    interrupt(whole, kept)
    done = Run.open(whole)
    assert not done.finished
    assert [sample.id for sample in done.samples] == list(NAMES[:kept])
    times = {path: path.stat().st_mtime_ns for path in whole.glob("vif/IFCNN/*.png")}
    evaluate.main(["--resume", str(whole), "--trainer.accelerator", "cpu"])
    assert results(whole) == expected
    assert values(whole) == rows
    assert (whole / "theorem.csv").read_bytes() == theorem
    assert {path: path.read_bytes() for path in whole.glob("vif/**/*.png")} == images
    again = [path.stem for path, at in times.items() if path.stat().st_mtime_ns != at]
    assert again == (["03"] if kept == 3 else [])


def test_a_finished_run_stays_as_it_is(whole):
    expected, theorem = values(whole), (whole / "theorem.csv").read_bytes()
    evaluate.main(["--resume", str(whole), "--trainer.accelerator", "cpu"])
    assert values(whole) == expected
    assert (whole / "theorem.csv").read_bytes() == theorem
    assert Run.open(whole).finished


@pytest.mark.parametrize("left", [0, 3])  # lines: none, or of one image and a half
def test_a_picture_without_its_theorem_is_not_done(whole, left):
    path = whole / "theorem.csv"
    theorem = path.read_bytes()
    path.write_bytes(b"".join(theorem.splitlines(keepends=True)[: 1 + left]))
    if not left:
        path.unlink()
    evaluate.main(["--resume", str(whole), "--trainer.accelerator", "cpu"])
    assert path.read_bytes() == theorem


@pytest.mark.parametrize(
    ("argv", "key"),
    [
        (["--ttd.temperature", "3"], "ttd"),
        (["--theorem", "false"], "theorem"),
        (["--network.options.rule", "mean"], "network"),
        (["--data.batch_size", "1"], "data.batch_size"),
        (["--metrics.preset", "vifb"], "metrics"),
        (["--trainer.limit_test_batches", "1"], "some batches"),
    ],
)
def test_nothing_else_can_be_computed(whole, argv, key, capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--resume", str(whole), *argv])
    assert stop.value.code == 2
    assert key in capsys.readouterr().err.splitlines()[-1]


def test_other_samples_are_refused(finished, whole, capsys):
    root = write_pairs(finished.parents[1] / "pairs", names=("05",))
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--resume", str(whole)])
    for path in root.glob("*/05.png"):
        path.unlink()
    assert stop.value.code == 2
    assert "other samples" in capsys.readouterr().err.splitlines()[-1]


def test_other_weights_are_refused(whole, capsys):
    path = whole / "summary.json"
    path.write_text(re.sub(r'"sha256": "....', '"sha256": "0000', path.read_text()))
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--resume", str(whole)])
    assert stop.value.code == 2
    assert "has changed since" in capsys.readouterr().err.splitlines()[-1]


def test_what_was_killed_before_its_summary_was_written_is_told(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--resume", str(tmp_path)])
    assert stop.value.code == 2
    assert "summary.json" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_leaves_what_it_did(tmp_path, run_evaluate, sign):
    root = write_pairs(tmp_path / "pairs", names=[f"{k:02d}" for k in range(40)], size=(120, 120))
    argv = ["--ttd", "--theorem", "--data.root", str(root), "--baselines", "false"]
    options = ["--trainer.accelerator", "cpu", "--output", str(tmp_path / "cut")]
    command = [sys.executable, str(ROOT / "evaluate.py"), *argv, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as many as the tests have
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, cwd=tmp_path)
    deadline = time.monotonic() + 120
    while not (rows := list(tmp_path.glob("cut/*/per_image.csv"))) or (
        rows[0].read_text().count("\n") < 20
        or '"id":' not in (rows[0].parent / "report" / "data.js").read_text()
    ):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(sign)
    error = process.communicate()[1].decode()
    folder = rows[0].parent
    done = Run.open(folder)
    assert not done.finished
    assert 4 <= len(done.samples) < 40
    data = (folder / "report" / "data.js").read_text()
    assert 1 <= data.count('"id":') <= len(done.samples) + 1
    for sample in done.samples:
        for path in (
            sample.picture("IFCNN+TTD"),
            sample.rd_map("IFCNN+TTD", "vi"),
            sample.source("ir"),
        ):
            Image.open(folder / path).verify()
    if sign == signal.SIGINT:
        assert f"fusionlab evaluate --resume {folder} goes on" in error
        assert "Traceback" not in error
    evaluate.main(["--resume", str(folder), "--trainer.accelerator", "cpu"])
    whole, _ = run_evaluate(*argv)
    assert results(folder) == results(whole)
    assert values(folder) == values(whole)
    assert (folder / "theorem.csv").read_bytes() == (whole / "theorem.csv").read_bytes()
