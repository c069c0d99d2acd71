"""What an evaluation costs with W&B (offline) and the HTML report, beside one without either.

The two run alternately, as programs of their own, on the built-in scenes or on your data; printed
is the median of the ratios of their wall times.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import torch

from benchmarks.measuring import interleaved

PROGRAM = (sys.executable, "-m", "fusionlab", "evaluate")
WITH = ("--wandb", "offline", "--report", "true")
WITHOUT = ("--wandb", "disabled", "--report", "false")


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks logging", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("rest", nargs="*", help="after --, what fusionlab evaluate gets; --ttd")
    options = parser.parse_args(arguments)
    if options.pairs < 1:
        parser.error(f"--pairs must be at least 1, got {options.pairs}")
    rest = options.rest or ["--ttd"]
    print(f"fusionlab evaluate {' '.join(rest)}, {options.threads} threads, {options.pairs} pairs")
    with tempfile.TemporaryDirectory() as folder:
        ratio, first, second = interleaved(
            lambda: _evaluate([*rest, *WITH], folder, options.threads),
            lambda: _evaluate([*rest, *WITHOUT], folder, options.threads),
            options.pairs,
            torch.device("cpu"),
        )
    print(f"  with W&B and report / without: {ratio:.2f} ({first:.1f} s / {second:.1f} s)")


def _evaluate(arguments: Sequence[str], folder: str, threads: int) -> None:
    command = [*PROGRAM, *arguments, "--output", folder]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
