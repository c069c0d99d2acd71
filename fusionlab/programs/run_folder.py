"""The folder of one run."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from fusionlab.errors import InputError


def run_folder(output: str, program: str) -> Path:
    """A path that no other run has, below ``output``: ``<program>-<date>-<time>-<process>``."""
    name = f"{program}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    taken = len(list(Path(output).glob(f"{name}*")))  # by this process, within this second
    return Path(output) / (f"{name}-{taken + 1}" if taken else name)


@rank_zero_only
def make(folder: Path) -> None:
    """Make the folder, once, before anything is computed for it.

    Raises:
        InputError: If that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise InputError(f"cannot make {folder} ({reason.strerror}); set output") from None
