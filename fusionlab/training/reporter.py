"""Keeps the HTML report of an evaluation up to date while it runs."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.report.html import write_report
from fusionlab.training.writer import RunWriter

INTERVAL = 10.0  # seconds, so that an evaluation that is killed leaves a report


class ReportWriter(Callback):
    """Writes the report of what is done every few seconds, and when the evaluation fails.

    Args:
        writer: What writes the images and values; called before this.
    """

    def __init__(self, writer: RunWriter) -> None:
        self.writer = writer
        self._due = 0.0

    def on_test_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Write it if it is time."""
        if trainer.is_global_zero and time.monotonic() >= self._due:
            write_report(self.writer.folder)
            self._due = time.monotonic() + INTERVAL

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write what was done before Ctrl-C or an image that cannot be used."""
        if trainer.is_global_zero:
            write_report(self.writer.folder)
