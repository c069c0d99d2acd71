"""Time to read pairs of PNG files as samples, beside reading them with Pillow alone.

python -m benchmarks reading --pairs 1000
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measuring import clock_for
from fusionlab.data.folder import FolderDataset
from fusionlab.data.opening import open_data
from fusionlab.settings import Data

TURN = 50  # pairs that one way reads before the other


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks reading", description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of PyTorch")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_pairs(Path(folder), options.pairs, options.height, options.width)
        (dataset,) = open_data(Data(root=folder))
        assert isinstance(dataset, FolderDataset)
        ours, plain = seconds(dataset)
    print(
        f"{options.pairs} pairs of {options.width}x{options.height} PNG, {options.threads} "
        f"threads, in turns of {TURN}: as tensors {ours / plain:.2f} times Pillow alone "
        f"({1000 * ours / options.pairs:.1f} ms / {1000 * plain / options.pairs:.1f} ms a pair)"
    )


def write_pairs(folder: Path, pairs: int, height: int, width: int) -> None:
    """A coloured and a grey image each, smooth and rough parts as photographs have."""
    generator = np.random.default_rng(0)
    ramp = np.linspace(0, 200, width, dtype=np.float32)[None, :, None]
    for name, channels in (("vi", 3), ("ir", 1)):
        (folder / name).mkdir()
        for number in range(pairs):
            noise = generator.integers(0, 40, (height, width, channels))
            levels = (ramp + noise).astype(np.uint8)
            Image.fromarray(levels.squeeze()).save(folder / name / f"{number:04}.png")


def seconds(dataset: FolderDataset) -> tuple[float, float]:
    """Time of both ways over all samples, in turns."""
    clock = clock_for(torch.device("cpu"))
    ours = plain = 0.0
    for start in range(0, len(dataset), TURN):
        places = range(start, min(start + TURN, len(dataset)))
        paths = [p for k in places for p in dataset.listing.samples[k].sources.values()]
        begin = clock()
        for place in places:
            dataset.images(place)
        middle = clock()
        for path in paths:
            read_plainly(path)
        ours, plain = ours + middle - begin, plain + clock() - middle
    return ours, plain


def read_plainly(path: Path) -> torch.Tensor:
    """What anybody writes: (C, H, W) float in [0, 1]."""
    with Image.open(path) as image:
        levels = np.asarray(image, np.float32) / 255
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(levels).transpose(2, 0, 1)))
