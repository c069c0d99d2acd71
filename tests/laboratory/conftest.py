"""Experiments on tiny pairs of images, through the real main."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusionlab.laboratory.__main__ import main


def write_pairs(root: Path, names=("01D", "02N"), sources=("vi", "ir"), size=(12, 16)) -> Path:
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
    """Two infrared-visible pairs of 16x12 pixels, one by day and one by night."""
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def config(tmp_path):
    """Write a config; returns its path."""

    def write(text: str) -> Path:
        path = tmp_path / "experiment.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def run_experiment(tmp_path):
    """Run an experiment; returns its run folder."""

    def run(*argv: object) -> Path:
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        main([*map(str, argv), "--output", str(output), "--device", "cpu"])
        (folder,) = set(output.glob("*")) - before
        return folder

    return run
