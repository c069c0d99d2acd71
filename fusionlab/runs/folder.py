"""The folder of one run."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from fusionlab.errors import InputError


def run_folder(output: str, program: str) -> Path:
    """A path that no other run has, below ``output``: ``<program>-<date>-<time>-<process>``."""
    name = f"{program}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    taken = len(list(Path(output).glob(f"{name}*")))  # by this process, within this second
    return Path(output) / (f"{name}-{taken + 1}" if taken else name)


def make(folder: Path) -> None:
    """Make the folder before anything is computed for it.

    Raises:
        InputError: If that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise InputError(f"cannot make {folder} ({reason.strerror}); set output") from None


def file_stem(name: str) -> str:
    """A name of a method or condition without what a file system or shell gives a meaning."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:100] or "unnamed"
