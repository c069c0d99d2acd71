"""A job of SLURM that is preempted saves between two steps, never within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from fusionlab.training.checkpoints import epoch_is_complete


class SaveBetweenSteps(Callback):
    """Hands SLURM's signal to Lightning once a step, or the validation after it, is done.

    Lightning saves and asks for requeue where the signal finds it, perhaps between the change of
    the weights and the count of the step: a training that goes on from there repeats the step.
    Processes agree on the step, as each gets the signal at a moment of its own.
    """

    def __init__(self) -> None:
        self.answer: Any = None
        self.received = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signal, where Lightning answers one."""
        answer = signal.getsignal(signal.SIGUSR1)
        if callable(answer) and threading.current_thread() is threading.main_thread():
            self.answer = answer
            signal.signal(signal.SIGUSR1, self._note)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Answer within an epoch, when no gradients are kept for the next batch."""
        is_step = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if is_step and not epoch_is_complete(trainer):
            self._answer(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Answer after an epoch, and its validation."""
        self._answer(trainer)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True

    def _answer(self, trainer: Trainer) -> None:
        if self.answer is None:
            return
        if trainer.strategy.reduce_boolean_decision(self.received, all=False):
            self.received = False
            self.answer(signal.SIGUSR1, None)
