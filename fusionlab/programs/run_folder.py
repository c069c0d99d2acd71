"""The folder of one run."""

from __future__ import annotations

import time
from pathlib import Path

from fusionlab.errors import InputError


def new_run_folder(output: str, program: str) -> Path:
    """A path for this run below ``output``, not yet made: ``<program>-<date>-<time>``.

    Raises:
        InputError: If ``output`` is a file.
    """
    parent = Path(output)
    if parent.exists() and not parent.is_dir():
        raise InputError(f"{parent} is a file; set output to a folder")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = parent / f"{program}-{stamp}"
    count = 1
    while folder.exists():
        count += 1
        folder = parent / f"{program}-{stamp}-{count}"
    return folder
