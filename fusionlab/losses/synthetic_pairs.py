"""The objective of the bundled networks: the picture that the sources were made of.

Ours. Pairs of each task are made of photographs, so that what should be fused of them is known:
the exposure in the middle, or the sharp picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from kornia.metrics import ssim
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.crops import LumaCrops, TaskCrops
from fusionlab.data.photographs import open_photographs
from fusionlab.data.synthetic_pairs import exposure_pair, focus_pair
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import Training

PAIRS = {"mef": exposure_pair, "mff": focus_pair}
SCALES = {"mef": (0.25, 1.0), "mff": (0.4, 1.0)}  # of the photographs
WINDOW = 7  # of SSIM
SSIM_WEIGHT = 0.2


class SyntheticPairsObjective(Objective):
    """Absolute difference from the truth, and 1 − SSIM, of pairs of each task.

    Args:
        tasks: What is learned, of mef and mff.
    """

    unused_parameters: ClassVar[bool] = True

    def __init__(self, tasks: Sequence[str] = ("mef", "mff")) -> None:
        super().__init__()
        if not tasks or set(tasks) - set(PAIRS):
            known = ", ".join(PAIRS)
            raise InputError(f"training.options.tasks must be of {known}, got {tasks!r}")
        self.tasks = tuple(tasks)

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``<task>_sources`` (B, 2, 1, S, S), ``<task>_reference``."""
        terms = {}
        for task, fused in self._fused(network, batch).items():
            truth = batch[f"{task}_reference"]
            terms[f"{task}_l1"] = F.l1_loss(fused, truth)
            terms[f"{task}_ssim"] = SSIM_WEIGHT * (1 - ssim(fused, truth, WINDOW).mean())
        return terms

    def _fused(self, network: FusionNetwork, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Pairs of all tasks at once where the network is not told the task, for its norms."""
        sources = [batch[f"{task}_sources"] for task in self.tasks]
        if network.uses_task:
            each = [network(x, task=task) for x, task in zip(sources, self.tasks, strict=True)]
        else:
            each = list(network(torch.cat(sources)).split([len(x) for x in sources]))
        return dict(zip(self.tasks, each, strict=True))

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Crops of photographs."""
        photographs = open_photographs(settings.root, settings.crop_size, settings.limit)
        size = settings.crop_size
        crops = {
            task: LumaCrops(photographs, size, PAIRS[task], SCALES[task], seed=seed)
            for task in self.tasks
        }
        return TaskCrops(crops), None
