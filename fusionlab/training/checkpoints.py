"""Checkpoints that survive kills, full disks and a move of their folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from fusionlab.console import note
from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import read_pytorch
from fusionlab.writing import PREVIOUS, replace_file

LAST, BEST = "last.ckpt", "best.ckpt"
_PARTS: dict[str, type] = {  # what Lightning restores, and of which type it must be
    "epoch": int,
    "global_step": int,
    "state_dict": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "loops": dict,
    "callbacks": dict,
    "pytorch-lightning_version": str,
}


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints beside their place, then there; keeps the last but one ``last.ckpt``."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write it, whatever may end the program meanwhile."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        keep = previous(path) if path.name == LAST else None
        replace_file(path, lambda file: torch.save(checkpoint, file), keep=keep)


class KeepLast(ModelCheckpoint):
    """Keeps ``last.ckpt``: after every epoch, and where a training stops within one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder,
            filename=Path(LAST).stem,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save where the training is about to stop; the epoch goes on from here when resumed."""
        if trainer.should_stop and not epoch_is_complete(trainer):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save, unless the epoch was left in the middle."""
        if epoch_is_complete(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """There is nothing to remember: its file is the state."""


class KeepBest(ModelCheckpoint):
    """Keeps ``best.ckpt``, the epoch with the highest validated value.

    Which that is stands in the file itself, so that a folder may be moved or copied, and an
    interruption between two files forgets nothing.

    Args:
        folder: The run folder.
        monitor: What the log calls the value.
    """

    def __init__(self, folder: Path, monitor: str) -> None:
        super().__init__(
            dirpath=folder,
            filename=Path(BEST).stem,
            monitor=monitor,
            mode="max",
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the score of the best epoch from its file."""
        path = Path(str(self.dirpath), BEST)
        if not path.exists():
            if state_dict.get("best_model_path"):
                note(f"{path} is gone; the best of the epochs that follow is kept")
            return
        try:
            score = _score(read_pytorch(path), self.state_key)
        except InputError as fault:
            note(f"{fault}; the best of the epochs that follow is kept")
            return
        self.best_model_path = self.kth_best_model_path = str(path)
        self.best_model_score = self.kth_value = self.current_score = score
        self.best_k_models = {str(path): score}


def last_checkpoint(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The checkpoint with which the training of a folder goes on, and its content.

    Where the last one is damaged, the one before. One that a job of SLURM left when it was
    preempted counts, if it is the newest.

    Raises:
        InputError: If none can be used.
    """
    path = folder / LAST
    left = [one for one in (*folder.glob("hpc_ckpt_*.ckpt"), path) if one.is_file()]
    newest = max(left, key=lambda one: one.stat().st_mtime_ns, default=path)
    if newest != path:
        try:
            return newest, _whole(newest)
        except InputError as fault:
            note(f"{fault}; going on with {LAST}")
    try:
        return path, _whole(path)
    except InputError as fault:
        before = previous(path)
        if not before.is_file():
            raise
        content = _whole(before)
        note(f"{fault}; going on with {before.name}, an epoch earlier")
        return before, content


def check_fits(path: Path, content: Mapping[str, Any], module: LightningModule) -> None:
    """Refuse a checkpoint of another training, or one whose weights were changed.

    Raises:
        InputError: Naming the first weight that does not fit.
    """
    expected, found = module.state_dict(), content["state_dict"]
    for key in [*expected, *found]:
        one, other = expected.get(key), found.get(key)
        same = isinstance(one, Tensor) and isinstance(other, Tensor) and one.shape == other.shape
        if not same:
            raise InputError(f"{path}: {key} does not fit this training; start anew")


def previous(path: Path) -> Path:
    """Where a checkpoint is kept when a newer one has taken its place."""
    return path.with_name(f"{path.stem}{PREVIOUS}{path.suffix}")


def epoch_is_complete(trainer: Trainer) -> bool:
    """Whether the batch that is done, or about to be, is the last one of its epoch."""
    return trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def _whole(path: Path) -> dict[str, Any]:
    """A training checkpoint with everything that Lightning restores.

    Raises:
        InputError: If it is not there, damaged, or something else.
    """
    if not path.is_file():
        raise InputError(f"no {path.name} in {path.parent}; set resume to the folder of a training")
    content = read_pytorch(path)
    for name, kind in _PARTS.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            raise InputError(f"{path} is no whole checkpoint of a training ({name} is missing)")
    return content


def _score(content: Any, key: str) -> Tensor:
    """The value of the best epoch, (), as its own file states it.

    Raises:
        InputError: If it does not.
    """
    try:
        score = content["callbacks"][key]["best_model_score"]
    except (LookupError, TypeError):
        score = None
    if not isinstance(score, Tensor) or score.numel() != 1:
        raise InputError(f"{BEST} does not state its score")
    return score
