"""What a result says of the program that made it."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import fusionlab

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
