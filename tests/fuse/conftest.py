"""Small sources on disk, and the program with what it printed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.cli.fuse import main

H, W = 12, 16


def write(path: Path, seed: int, colour: bool = False, deep: bool = False, size=(H, W)) -> Path:
    """A random image of any extension: grey or RGB, 8 bit, or 16 bit grey."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    top, kind = (65536, np.uint16) if deep else (256, np.uint8)
    pixels = rng.integers(0, top, (*size, 3) if colour else size, dtype=kind)
    Image.fromarray(pixels).save(path)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def smooth_frames(seed: int, count: int = 8, size=(32, 48), colour: bool = True) -> list:
    """Waves of colour that move, which a codec keeps well, (H, W, 3) uint8."""
    rows, columns = np.mgrid[: size[0], : size[1]] / 12 + seed
    frames = []
    for k in range(count):
        waves = [np.sin(columns + k / 9), np.cos(rows - k / 9), np.sin(rows + columns + k / 5)]
        pixels = 128 + 70 * np.stack(waves if colour else waves[:1] * 3, -1)
        frames.append(pixels.round().astype(np.uint8))
    return frames


@pytest.fixture
def run(capsys):
    """Run the program on some arguments; returns its exit code and what it printed."""

    def call(*argv) -> tuple[int, str, str]:
        code = 0
        try:
            main([str(argument) for argument in argv])
        except SystemExit as stop:
            code = stop.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def refused(run, tmp_path):
    """Run the program, which must refuse its input; returns its one line."""

    def call(*argv) -> str:
        before = sorted(tmp_path.rglob("*"))
        code, out, err = run(*argv)
        assert code == 2
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("fusionlab fuse: error: ")
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        return err

    return call


@pytest.fixture
def broken_weights(tmp_path) -> Path:
    """A checkpoint whose network does not give numbers."""
    from fusionlab.networks import create_network, save_checkpoint

    network = create_network("ifcnn", "bundled")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1e30)  # its products overflow
    path = tmp_path / "weights" / "broken.safetensors"
    path.parent.mkdir()
    save_checkpoint(network, path)
    return path
