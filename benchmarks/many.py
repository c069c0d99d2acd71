"""CPU time and memory of an evaluation of many small pairs, in a process of its own.

python -m benchmarks many --pairs 3000 -- --ttd

What follows -- is given to evaluate. With one thread, so that nothing else is measured than the
program's own road: reading, fusing, metrics, rows, pictures, progress and the report.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

FEW = 10  # of so many parts one, for what does not depend on their number


class Cost(NamedTuple):
    """What a process took."""

    seconds: float
    """CPU time."""
    peak: float
    """Most resident memory, MiB."""


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks many", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--side", type=int, default=64, help="height and width, pixels")
    parser.add_argument("evaluate", nargs="*", help="arguments of evaluate, after --")
    options = parser.parse_args(arguments)
    few = max(1, options.pairs // FEW)
    if few == options.pairs:
        parser.error(f"--pairs must be at least 2, got {options.pairs}")
    with tempfile.TemporaryDirectory() as folder:
        some = _evaluate(Path(folder, "some"), few, options.side, options.evaluate)
        every = _evaluate(Path(folder, "every"), options.pairs, options.side, options.evaluate)
    more = 1000 * (every.seconds - some.seconds) / (options.pairs - few)
    print(
        f"evaluate, {options.pairs} pairs of {options.side}x{options.side}, one thread: "
        f"{1000 * every.seconds / options.pairs:.1f} ms CPU per pair, {more:.1f} ms per further "
        f"pair; peak {every.peak:.0f} MiB, of {few} pairs {some.peak:.0f} MiB"
    )


def _evaluate(folder: Path, pairs: int, side: int, arguments: Sequence[str]) -> Cost:
    generator = np.random.default_rng(0)
    for name in ("vi", "ir"):
        (folder / name).mkdir(parents=True)
        for k in range(pairs):
            image = Image.fromarray(_waves(generator, side))
            image.save(folder / name / f"{k:05}.png", compress_level=1)
    command = [sys.executable, "-m", "fusionlab", "evaluate", "--data.root", str(folder)]
    command += ["--output", f"{folder}/runs", "--wandb", "disabled", "--trainer.accelerator", "cpu"]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if process.returncode:
        raise SystemExit(f"{' '.join(process.args)} ended with {process.returncode}")  # type: ignore[arg-type]  # all are words
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 2**10)  # of KiB


def _waves(generator: np.random.Generator, side: int) -> np.ndarray:
    """Smooth, and noisy: (H, W), uint8."""
    y, x = np.mgrid[:side, :side] / generator.uniform(4, 12, (2, 1, 1))
    waves = 127 + 55 * np.sin(x) + 50 * np.cos(y) + generator.normal(0, 8, (side, side))
    return waves.clip(0, 255).astype(np.uint8)
