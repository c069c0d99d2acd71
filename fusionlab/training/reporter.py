"""Keeps the HTML report of an evaluation up to date while it runs."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.report.html import write_report
from fusionlab.training.writer import RunWriter

SHARE = 0.05  # of the time at most is spent on it
SHORTEST = 0.5  # seconds from one report to the next


class ReportWriter(Callback):
    """Writes the report of what is done again and again, so that a killed evaluation leaves one.

    Args:
        writer: What writes the images and values; called before this.
    """

    def __init__(self, writer: RunWriter) -> None:
        self.writer = writer
        self._due = 0.0

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it before the first image is done."""
        self._write(trainer)

    def on_test_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Write it if it is time."""
        if time.monotonic() >= self._due:
            self._write(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write what was done before Ctrl-C or an image that cannot be used."""
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            start = time.monotonic()
            write_report(self.writer.folder)
            end = time.monotonic()
            self._due = end + max(SHORTEST, (end - start) / SHARE)
