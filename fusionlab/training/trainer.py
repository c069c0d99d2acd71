"""Lightning's Trainer as both programs use it."""

from __future__ import annotations

import logging
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.strategies import DDPStrategy

from fusionlab.errors import InputError
from fusionlab.settings import Trainer

FIND_UNUSED = "_find_unused_parameters_true"  # ending of Lightning's strategies that look for them


def build_trainer(
    settings: Trainer,
    callbacks: list[Callback],
    root: Path,
    logger: Any = False,
    unused_parameters: bool = False,
    quiet: bool = False,
) -> L.Trainer:
    """A Trainer with our callbacks, a progress bar on stderr, and no loader of its own.

    Args:
        settings: The ``trainer`` group of the config.
        callbacks: In their order.
        root: Folder of whatever Lightning writes.
        logger: Lightning's argument.
        unused_parameters: Whether some step leaves parameters without a gradient, which DDP has to
            know.
        quiet: Whether there is no progress bar.

    Raises:
        InputError: If Lightning refuses a setting.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*DistributedSampler.*")  # ours repeats nothing
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # ours, just made
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
    warnings.filterwarnings("ignore", message=".*called before the ``update`` method.*")
    try:
        bar = [] if quiet else [_ProgressBar(console_kwargs={"stderr": True})]
        callbacks = [*callbacks, *bar]
        trainer = _build(settings, callbacks, root, logger)
        if unused_parameters and isinstance(trainer.strategy, DDPStrategy):
            named = "ddp" if settings.strategy == "auto" else settings.strategy
            told = replace(settings, strategy=named.split("_find")[0] + FIND_UNUSED)
            trainer = _build(told, callbacks, root, logger)
        return trainer
    except (MisconfigurationException, ValueError, RuntimeError) as reason:
        text = " ".join(str(reason).split())
        raise InputError(f"trainer: Lightning refuses the settings: {text}") from None


def _build(settings: Trainer, callbacks: list[Callback], root: Path, logger: Any) -> L.Trainer:
    return L.Trainer(
        **asdict(settings),
        callbacks=callbacks,
        enable_progress_bar=any(isinstance(one, _ProgressBar) for one in callbacks),
        logger=logger,
        default_root_dir=root,
        use_distributed_sampler=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
    )


class _ProgressBar(RichProgressBar):
    """Without the number of the log's version."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
