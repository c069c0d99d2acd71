"""Pairs of several tasks side by side, for networks that learn them in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from fusionlab.data.opening import open_data
from fusionlab.data.patches import PairPatches
from fusionlab.errors import InputError
from fusionlab.settings import Data, Training

TASKS = ("vif", "mef", "mff")


class TaskRounds(Dataset[dict[str, Any]]):
    """Patches in colour of a pair of each task.

    Args:
        patches: By task. Where one has fewer than another, its patches come again.
    """

    def __init__(self, patches: Mapping[str, PairPatches]) -> None:
        self.patches = dict(patches)

    def __len__(self) -> int:
        return max(map(len, self.patches.values()))

    def __getitem__(self, index: int) -> dict[str, Any]:
        """By task (2, 3, S, S) in [0, 1], and ``index``; of more sources the first and the last."""
        found = {task: one[index % len(one)]["rgb"] for task, one in self.patches.items()}
        return {"index": index, **{task: rgb[[0, -1]] for task, rgb in found.items()}}


def open_rounds(settings: Training, orders: Mapping[str, Sequence[str]]) -> TaskRounds:
    """Patches of ``vif/``, ``mef/`` and ``mff/`` in the folder, or of the built-in scenes.

    Args:
        settings: The ``training`` group of the config.
        orders: Names of the sources by task, in the order of the network.

    Raises:
        InputError: If a folder is missing or cannot be used.
    """
    patches = {}
    for task in TASKS:
        root = None if settings.root is None else Path(settings.root) / task
        if root is not None and not root.is_dir():
            raise InputError(f"no folder {root}; training.root must hold {', '.join(TASKS)}")
        where = None if root is None else str(root)
        (dataset,) = open_data(Data(root=where, task=task))  # type: ignore[arg-type]
        side = settings.crop_size
        patches[task] = PairPatches(
            dataset,
            side,
            settings.stride or side,
            settings.contrast,
            settings.limit,
            orders.get(task, ()),
        )
    return TaskRounds(patches)
