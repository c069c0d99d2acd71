"""Memory and time of ``fusionlab fuse`` on one large pair, in a process of its own.

python -m benchmarks large --width 6000 --height 4000 --tile 1024
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks large", description=__doc__)
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--network", default="ifcnn")
    parser.add_argument("--tile", type=int, help="default as fuse chooses; 0 fuses it whole")
    parser.add_argument("--static", action="store_true", help="without TTD")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        sources = _pair(Path(folder), options.height, options.width)
        command = [sys.executable, "-m", "fusionlab", "fuse", *map(str, sources)]
        command += ["--task", "vif", "--network.name", options.network, "-o", f"{folder}/fused.png"]
        command += [] if options.static else ["--ttd"]
        command += [] if options.tile is None else ["--tile", str(options.tile)]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # of KiB
    name = options.network + ("" if options.static else "+TTD")
    tile = "automatic" if options.tile is None else options.tile
    print(
        f"fuse {name}, {options.width}x{options.height}, tile {tile}: "
        f"peak {peak:.2f} GiB, {seconds:.0f} s"
    )


def _pair(folder: Path, height: int, width: int) -> list[Path]:
    """Noise, which compresses least."""
    generator = np.random.default_rng(0)
    paths = [folder / "vi.png", folder / "ir.png"]
    for path in paths:
        levels = generator.integers(0, 256, (height, width), np.uint8)
        Image.fromarray(levels).save(path, compress_level=1)
    return paths
