"""A progress bar on stderr with rate and time left."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressBar:
    """Shows how far a program has come; lines said meanwhile stand above it.

    Args:
        title: What it does.
        total: Number of steps.
        unit: What a step is called, in the plural.
        hidden: Whether only the lines are shown.
    """

    def __init__(self, title: str, total: int, unit: str, hidden: bool = False) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, disable=hidden)
        self._task = self._progress.add_task(title, total=total, rate="")
        self._unit = unit

    def advance(self) -> None:
        """One step is done."""
        self._progress.advance(self._task)
        speed = self._progress.tasks[0].speed
        rate = f"{speed:.2f} {self._unit}/s" if speed else ""
        self._progress.update(self._task, rate=rate)

    def say(self, line: str) -> None:
        """Print a line on stderr."""
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
