"""How long a training lasts, and stopping it after so many steps, in the middle of an epoch too."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback


class StopAtStep(Callback):
    """Stops a training after so many steps of the optimiser.

    In place of Lightning's ``max_steps``, with which a checkpoint from the middle of an epoch
    counts the epoch as done: a training that goes on from it would skip the rest of the batches.

    Args:
        steps: Of the whole training, those before an interruption included.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once where a resumed training has made them already."""
        self._stop(trainer)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop after the batch with the last of them."""
        self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        if trainer.global_step >= self.steps:
            trainer.should_stop = True


def total_steps(trainer: Trainer) -> float:
    """Steps of the optimiser until the end of a training; infinite if it has none."""
    limits = (one.steps for one in stops(trainer))
    return min([trainer.estimated_stepping_batches, *limits])


def stops(trainer: Trainer) -> list[StopAtStep]:
    """What stops it after a number of steps."""
    callbacks: list[Callback] = getattr(trainer, "callbacks", [])
    return [one for one in callbacks if isinstance(one, StopAtStep)]
