"""The objective of WeightNet: the picture that the sources were made of.

Ours. Exposures and focal planes are made of photographs, so that the truth is known. Each task has
a network of its own, which learns from its own pairs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

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
from fusionlab.networks.weightnet import WeightNet
from fusionlab.settings import Training

PAIRS = {"mef": exposure_pair, "mff": focus_pair}
SCALES = {"mef": (0.25, 1.0), "mff": (0.4, 1.0)}
WINDOW = 7  # of SSIM
SSIM_WEIGHT = 0.2


class WeightNetObjective(Objective):
    """Absolute difference from the truth, and 1 − SSIM, of pairs of each task.

    Args:
        tasks: What is learned, of mef and mff.
    """

    trains: ClassVar[type[FusionNetwork]] = WeightNet
    unused_parameters: ClassVar[bool] = True

    def __init__(self, tasks: Sequence[str] = ("mef", "mff")) -> None:
        super().__init__()
        if not tasks or set(tasks) - set(PAIRS):
            raise InputError(f"training.options.tasks must be of mef and mff, got {tasks!r}")
        self.tasks = tuple(tasks)

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``<task>_sources`` (B, 2, 1, S, S), ``<task>_reference``."""
        terms = {}
        for task in self.tasks:
            truth = batch[f"{task}_reference"]
            fused = network(batch[f"{task}_sources"], task=task)
            terms[f"{task}_l1"] = F.l1_loss(fused, truth)
            terms[f"{task}_ssim"] = SSIM_WEIGHT * (1 - ssim(fused, truth, WINDOW).mean())
        return terms

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Luma of crops of photographs."""
        photographs = open_photographs(settings.root, settings.crop_size, settings.limit)
        size = settings.crop_size
        crops = {
            task: LumaCrops(photographs, size, PAIRS[task], SCALES[task], seed=seed)
            for task in self.tasks
        }
        return TaskCrops(crops), None
