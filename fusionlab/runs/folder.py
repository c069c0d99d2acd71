"""The folder of one run."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fusionlab.console import note
from fusionlab.errors import InputError


def run_folder(output: str, program: str) -> Path:
    """A path that no other run has, below ``output``: ``<program>-<date>-<time>-<process>``.

    A training that SLURM starts has ``train-slurm-<job>``, again when the job is queued again.
    """
    if (job := os.environ.get("SLURM_JOB_ID", "")).isdecimal() and program == "train":
        own = Path(output) / f"{program}-slurm-{job}"  # found again when the job is queued again
        if not own.exists() or os.environ.get("SLURM_RESTART_COUNT", "0") != "0":
            return own
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


def check_links(folder: Path) -> None:
    """Refuse a run folder in which a symbolic link leads out of it: writing would follow it.

    Raises:
        InputError: Naming the link.
    """
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if "wandb" in path.relative_to(folder).parts:
                continue  # W&B links its logs; we write nothing there
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise InputError(f"{path} is a link that leads out of the run folder; remove it")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let no other program write to a run folder within the block.

    The lock is on the folder itself and is gone with the process, in whatever way that ends.

    Raises:
        InputError: If another program has it, or a link leads out of the folder.
    """
    check_links(folder)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as reason:
        if reason.errno == errno.EWOULDBLOCK:
            os.close(opened)
            raise InputError(
                f"another program writes to {folder}; let it end, or end it, then try again"
            ) from None
        note(f"{folder} cannot be locked ({reason.strerror}); start no second program on it")
    try:
        yield
    finally:
        os.close(opened)


def file_stem(name: str) -> str:
    """A name of a method or condition without what a file system or shell gives a meaning."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:100] or "unnamed"
