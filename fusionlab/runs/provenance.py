"""What a result says of the program that made it."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import fusionlab

THREADS = "FUSIONLAB_THREADS"
_PACKAGES = ("torch", "lightning", "torchmetrics", "numpy", "scikit-image")


@cache
def provenance() -> dict[str, Any]:
    """Versions, the commit of the checkout (None outside one), and the platform."""
    return {
        "fusionlab": fusionlab.__version__,
        "commit": _commit(),
        "versions": {name: version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "devices": [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())],
    }


def threads_of_each_process() -> int:
    """How many threads each process of a run computes with, as many as one process alone would.

    The order of sums, and so the last bits of a result, depends on it. ``FUSIONLAB_THREADS`` sets
    it; the processes that this one starts find it there.
    """
    given = os.environ.get(THREADS, "")
    threads = int(given) if given.isdecimal() and int(given) else torch.get_num_threads()
    os.environ[THREADS] = str(threads)
    return threads


def _commit() -> str | None:
    folder = Path(fusionlab.__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", "__init__.py"],
            capture_output=True,
            check=True,
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None  # no git, or installed somewhere inside another project's checkout
    return found.stdout.strip() if tracked.returncode == 0 else None
