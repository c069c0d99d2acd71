"""Files that are written whole or not at all, whatever ends the program meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

PREVIOUS = ".previous"  # in the name of what a file was before


def replace_file(
    path: Path,
    content: bytes | Callable[[IO[bytes]], object],
    *,
    durable: bool = True,
    keep: Path | None = None,
) -> None:
    """Write a file beside its place, then put it there in one step.

    Args:
        path: The file. What it was stays until the new one is complete.
        content: Its bytes, or what writes them.
        durable: Whether to wait until the disk has it, so that not even a power cut leaves a part.
        keep: Where what it was is kept; None to drop it.

    Raises:
        OSError: If the disk is full or the like; nothing of the new file is left then.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        if callable(content):
            with partial.open("wb") as file:
                content(file)
        else:
            partial.write_bytes(content)
        if durable:
            _keep(partial)
        if keep is not None and path.exists():
            path.replace(keep)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    if durable:
        with suppress(OSError):  # not every file system can be asked for a folder's names
            _keep(path.parent)


def _keep(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
