"""What the user is told on stderr beside the results: notes, and how far a program has come."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import TracebackType
from typing import Any

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quietly(quiet: bool) -> Iterator[None]:
    """Whether :func:`note` and progress bars are silent within the block."""
    token = _quiet.set(quiet)
    try:
        yield
    finally:
        _quiet.reset(token)


def note(line: str) -> None:
    """Print a line on stderr, once for all processes."""
    if not _quiet.get() and not _rank():
        print(line, file=sys.stderr)


def _rank() -> int:
    """Number of this process, as Lightning, torchrun and SLURM tell it."""
    for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0


@cache
def _console() -> Any:
    """The one console on stderr: bars within bars share it."""
    from rich.console import Console

    return Console(stderr=True)


class ProgressBar:
    """Shows on stderr how far a program has come, its rate and the time left.

    Args:
        title: What it does.
        total: Number of steps.
        unit: What a step is called, in the plural.
        done: Steps that an interrupted run has done.
        hidden: Whether only the lines are shown; so they are within :func:`quietly` too.
        transient: Whether it goes when it is done, for a part of what another bar shows; it is
            shown on a terminal alone.
    """

    def __init__(
        self,
        title: str,
        total: int,
        unit: str,
        done: int = 0,
        hidden: bool = False,
        transient: bool = False,
    ) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        passing = transient and not _console().is_terminal  # nothing would be left of it
        disable = hidden or passing or _quiet.get() or bool(_rank())
        self._progress = Progress(
            *columns, console=_console(), disable=disable, transient=transient
        )
        self._task = self._progress.add_task(title, total=total, completed=done, rate="")
        self._unit = unit

    def advance(self, steps: int = 1) -> None:
        """So many steps are done."""
        self._progress.advance(self._task, steps)
        speed = self._progress.tasks[0].speed
        rate = f"{speed:.2f} {self._unit}/s" if speed else ""
        self._progress.update(self._task, rate=rate)

    def say(self, line: str) -> None:
        """Print a line on stderr, above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()
