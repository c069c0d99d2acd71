"""The objectives of StackMFF: to find the depth of every pixel of a focal stack.

Xie et al., EAAI 2025
Authors' code: https://github.com/Xinzhe99/StackMFF-V2
Differs: all stacks of a step have the same number of images, drawn anew for each step. The trainer
of V3 is not public; that it learns by cross-entropy which image is sharp is written in its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.focal_stacks import PhotographsWithDepth, focal_stack, open_depths
from fusionlab.data.photographs import PhotographFiles, open_photographs
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.stackmff import StackMFF, depth
from fusionlab.settings import Training

COUNTS = (8, 12, 16, 20, 24)


class StackMFFObjective(Objective):
    """V2: squared difference of depth; V3: cross-entropy of which image is sharp.

    Args:
        counts: Numbers of images of a stack, of which each step draws one.
        depth: Folder of the depth maps of the photographs in ``training.root``, named as these and
            0 where it is nearest (or farthest); without, depth is drawn.
    """

    trains: ClassVar[type[FusionNetwork]] = StackMFF
    smallest_crop: ClassVar[int] = 32
    whole_crops: ClassVar[bool] = True

    def __init__(self, counts: Sequence[int] = COUNTS, depth: str | None = None) -> None:
        super().__init__()
        if not counts or min(counts) < 2:
            raise InputError(f"training.options.counts must be at least 2 each, got {counts!r}")
        self.counts, self.depth = tuple(counts), depth

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """The term of a batch with ``photograph`` and ``depth``, (B, 1, S, S) in [0, 1]."""
        assert isinstance(network, StackMFF)
        count = int(np.random.default_rng(step.index).choice(self.counts))
        sources, sharp = focal_stack(batch["photograph"], batch["depth"], count)
        if network.version == "v2":
            found = depth(network.encode(sources).transpose(0, 2))  # stretched over the batch
            return {"depth": F.mse_loss(found, batch["depth"].transpose(0, 1))}
        return {"cross_entropy": F.cross_entropy(network.scorer(sources)[:, :, 0].float(), sharp)}

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Photographs with their depth."""
        if max(self.counts) > settings.crop_size:
            raise InputError(
                f"training.crop_size {settings.crop_size} is smaller than the blur of "
                f"{max(self.counts)} images; raise it or lower training.options.counts"
            )
        photographs = open_photographs(settings.root, 1, settings.limit)
        depths = None
        if self.depth is not None:
            if not isinstance(photographs, PhotographFiles):
                raise InputError("training.options.depth needs training.root, the photographs")
            depths = open_depths(self.depth, photographs, str(settings.root))
        return PhotographsWithDepth(photographs, settings.crop_size, depths, seed), None
