"""Lightning's logger for Weights & Biases, which no failing server or full disk lets stop a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from typing_extensions import override

from fusionlab.console import note

if TYPE_CHECKING:
    from wandb import Run

DATA_FOLDER = "WANDB_DATA_DIR"
STEPS = ".wandb-steps"  # file in the run folder: lines that its W&B run has
STEP = "trainer/global_step"  # what Lightning's logger calls it


class Tracker(WandbLogger):
    """Logs to one W&B run; after the first failure it says so and logs nothing more.

    Args:
        run: The run.
        folder: The run folder.
        place: The folder in which ``wandb/`` lies.
    """

    def __init__(self, run: Run, folder: Path, place: Path) -> None:
        super().__init__(experiment=run, project=run.project, save_dir=place, id=run.id)
        self.failed = False
        self._steps = folder / STEPS  # of an offline run only the folder knows how far it came
        self._resumed_at = _number_in(self._steps)

    def attempt(self, log: Callable[[Run], object]) -> None:
        """Call ``log`` with the run; a failure ends the logging, not the program."""
        if self.failed:
            return
        assert self.save_dir is not None
        try:
            with _kept_in(Path(self.save_dir, "wandb")):
                log(self.experiment)
        except failures() as reason:
            self.failed = True
            note(f"W&B: logging failed ({reason_line(reason)}); the run goes on without")
            if isinstance(reason, _service_died()):
                _forget_service()

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values, at a step of the training if there is one."""
        place = {} if step is None else {STEP: step}
        self.attempt(lambda run: self._log(run, {**metrics, **place}))

    def _log(self, run: Run, values: dict[str, float]) -> None:
        """Log behind what the run logged before it was interrupted: W&B drops smaller steps."""
        if run.step < self._resumed_at:
            run.log(values, step=self._resumed_at, commit=True)
        else:
            run.log(values)
        self._steps.write_text(str(run.step))

    @rank_zero_only
    def finish(self) -> None:
        """End the W&B run; say how to upload what lies on disk only."""
        self.attempt(lambda run: run.finish())
        settings = self.experiment.settings
        if settings.mode == "offline" and not self.failed:
            assert self.save_dir is not None
            folder = Path(self.save_dir, "wandb", Path(settings.sync_dir).name)
            note(f"W&B: logged offline; wandb sync {folder} uploads it")


def _number_in(path: Path) -> int:
    text = path.read_text("utf-8") if path.is_file() else ""
    return int(text) if text.isdecimal() else 0


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Artifacts and the images of tables wait for their upload there, not in the home folder."""
    if DATA_FOLDER in os.environ:
        yield
        return
    os.environ[DATA_FOLDER] = str(folder)  # W&B has no other way to be told
    try:
        yield
    finally:
        del os.environ[DATA_FOLDER]


def _service_died() -> tuple[type[Exception], ...]:
    from wandb.sdk.mailbox import MailboxClosedError

    return ConnectionError, MailboxClosedError


def _forget_service() -> None:
    """W&B's local process has died: its exit hook would end the program with a traceback."""
    import wandb

    with suppress(*failures()):
        wandb.teardown()


def reason_line(reason: BaseException) -> str:
    """The first line of why something failed."""
    return (str(reason).strip() or type(reason).__name__).splitlines()[0].rstrip(".")


@cache
def failures() -> tuple[type[Exception], ...]:
    """What W&B raises when its server, its service or the disk fails."""
    from pydantic import ValidationError  # of W&B's settings, as an environment variable
    from wandb import Error  # half a second: only who logs waits for it
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError
    from wandb.sdk.mailbox.mailbox_handle import ServerResponseError

    return (
        Error,
        OSError,
        ValidationError,
        MailboxClosedError,
        HandleAbandonedError,
        ServerResponseError,
    )
