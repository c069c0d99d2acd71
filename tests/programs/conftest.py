"""Small data sets on disk, and a run of a program with what it printed."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate


def write_pairs(root: Path, names=("01", "02"), sources=("vi", "ir"), size=(12, 16)) -> Path:
    """Random grey images below ``root/<source>/<name>.png``."""
    rng = np.random.default_rng(0)
    for source in sources:
        (root / source).mkdir(parents=True, exist_ok=True)
        for name in names:
            pixels = rng.integers(0, 256, size, dtype=np.uint8)
            Image.fromarray(pixels).save(root / source / f"{name}.png")
    return root


@pytest.fixture
def pairs(tmp_path) -> Path:
    """Two infrared-visible pairs of 16x12 pixels."""
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def run_evaluate(tmp_path):
    """Run evaluate.py; returns its run folder and the summary that it wrote."""

    def run(*argv: str):
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        evaluate.main([*argv, "--output", str(output), "--trainer.accelerator", "cpu"])
        (folder,) = set(output.glob("*")) - before
        return folder, json.loads((folder / "summary.json").read_text())

    return run


@pytest.fixture
def refused(tmp_path, capsys):
    """Run a program that must refuse its input; returns the one line that it prints."""

    def run(program, *argv: str) -> str:
        output = tmp_path / "refused"
        with pytest.raises(SystemExit) as stop:
            program.main(["--output", str(output), "--trainer.accelerator", "cpu", *argv])
        printed = capsys.readouterr()
        assert stop.value.code == 2
        assert printed.out == ""
        assert not output.exists(), "something was written although the input was refused"
        *_, line = printed.err.splitlines()
        assert line.startswith(f"{program.__name__}.py: error: ")
        assert "Traceback" not in printed.err
        return line

    return run
