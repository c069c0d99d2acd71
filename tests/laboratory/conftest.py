"""Experiments on tiny pairs of images, through the real main."""

from pathlib import Path

import pytest

from fusionlab.laboratory.__main__ import main

from ..programs.conftest import write_pairs as write_any_pairs

NAMES = ("01D", "02N")


def write_pairs(root: Path, names=NAMES, **options) -> Path:
    """Random grey images below ``root/<source>/<name>.png``."""
    return write_any_pairs(root, names, **options)


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
