"""The objective of the bundled networks: the picture that the sources were made of.

Ours. Pairs of each task are made of photographs, so that what should be fused of them is known:
the exposure in the middle, or the sharp picture. Of two sensors no picture is the truth: there the
objective is SeAFusion's, of the pair without its noise, and the similarity to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from kornia.metrics import ssim
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.crops import LumaCrops, PhotographCrops, TaskCrops
from fusionlab.data.photographs import open_photographs
from fusionlab.data.synthetic_pairs import exposure_pair, focus_pair, sensor_pair
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, Step
from fusionlab.losses.seafusion import fusion_terms
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import Training

PAIRS = {"mef": exposure_pair, "mff": focus_pair, "vif": sensor_pair}
SCALES = {"mef": (0.25, 1.0), "mff": (0.4, 1.0), "vif": (0.4, 1.0)}  # of the photographs
CROPS = {"mef": LumaCrops, "mff": LumaCrops, "vif": PhotographCrops}  # sensors see colours
WINDOW = 7  # of SSIM
SSIM_WEIGHT = 0.2
SENSORS_SSIM_WEIGHT = 1.0


class SyntheticPairsObjective(Objective):
    """Absolute difference from the truth, and 1 − SSIM, of pairs of each task.

    Of two sensors the intensity and the gradient of the stronger one, and 1 − SSIM to each.

    Args:
        tasks: What is learned, of mef, mff and vif.
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
        """Terms of a batch with ``<task>_sources`` (B, 2, 1, S, S), ``<task>_reference``.

        The reference is (B, 1, S, S), of ``vif`` the sources without noise.
        """
        terms: dict[str, Tensor] = {}
        for task, fused in self._fused(network, batch).items():
            truth = batch[f"{task}_reference"]
            own = _sensor_terms(fused, truth) if task == "vif" else _truth_terms(fused, truth)
            terms |= {f"{task}_{name}": term for name, term in own.items()}
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
            task: CROPS[task](photographs, size, PAIRS[task], SCALES[task], seed=seed)
            for task in self.tasks
        }
        return TaskCrops(crops), None


def _truth_terms(fused: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """Of (B, 1, S, S) both."""
    alike = ssim(fused, truth, WINDOW).mean()
    return {"l1": F.l1_loss(fused, truth), "ssim": SSIM_WEIGHT * (1 - alike)}


def _sensor_terms(fused: Tensor, sources: Tensor) -> dict[str, Tensor]:
    """Of (B, 1, S, S) and (B, 2, 1, S, S) without noise."""
    alike = torch.stack([ssim(fused, one, WINDOW).mean() for one in sources.unbind(1)])
    return {**fusion_terms(fused, sources), "ssim": SENSORS_SSIM_WEIGHT * (1 - alike.mean())}
