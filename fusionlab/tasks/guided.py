"""SeAFusion's later rounds: a fusion network learns with a segmenter that looks at its pictures.

Tang et al., Information Fusion 82, 2022, https://doi.org/10.1016/j.inffus.2021.12.004
Authors' code: https://github.com/Linfeng-Tang/SeAFusion
Differs: a round is a training of its own (four commands, see docs/tasks.md), the segmenter is
UPerNet where the authors' is BiSeNet, whose auxiliary output it does not have, and it learns from
pieces of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.classes import IGNORED
from fusionlab.data.colour import with_chroma
from fusionlab.errors import InputError
from fusionlab.fusing import Fuser
from fusionlab.losses.base import ParameterGroup, Step
from fusionlab.losses.seafusion import fusion_terms
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.seafusion import SeAFusion
from fusionlab.tasks.learning import FUSED, SegmentObjective
from fusionlab.tasks.opening import open_segmenter
from fusionlab.tasks.upernet import UPerNet

SURE = 0.7  # probability of the right class above which a pixel is easy
HARD = 8  # at least one pixel in so many is learnt from


class SeAFusionSegmentObjective(SegmentObjective):
    """SeAFusion's terms, and ``round`` times those of a segmenter that stays as it is.

    Args:
        segmenter: Its weights, of a ``segment`` training on ``fused`` pictures.
        round: Number of the round, 1 to 3 in the paper.
        split: Part of ``training.root``, e.g. ``train``.
        labels: Folder of the labels, as ``data.labels``.
        data_classes: Classes of the label files, as ``data.classes``.

    Raises:
        InputError: If there is no segmenter, or it is not UPerNet.
    """

    trains: ClassVar[type[FusionNetwork]] = SeAFusion
    next_command: str = ""

    def __init__(
        self,
        segmenter: str | None = None,
        round: int = 1,
        split: str | None = None,
        labels: str | None = None,
        data_classes: Sequence[str] | None = None,
    ) -> None:
        if segmenter is None:
            raise InputError(
                "set training.options.segmenter to what a training with training.objective: "
                "segment wrote"
            )
        model = open_segmenter(segmenter)
        if not isinstance(model, UPerNet):
            raise InputError(f"{segmenter} holds no UPerNet; see training.objective: segment")
        super().__init__(
            model.names,
            FUSED,
            backbone=str(model.options["backbone"]),
            split=split,
            labels=labels,
            data_classes=data_classes,
        )
        self.round, self.model = round, model.requires_grad_(False)

    def train(self, mode: bool = True) -> SeAFusionSegmentObjective:
        """The segmenter stays as it evaluates."""
        super().train(mode)
        assert self.model is not None
        self.model.eval()
        return self

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """The fusion network alone."""
        return [ParameterGroup("network", list(network.parameters()))]

    def save(self, folder: Path) -> Path | None:
        """Nothing: the segmenter has not changed."""
        return None

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch of :class:`~fusionlab.tasks.pictures.LabelledPieces`."""
        assert isinstance(self.model, UPerNet)
        named = {**batch, "source_names": self._names(batch)}
        sources = Fuser(network, self.task).ordered_input(named)
        fused = network(sources).to(sources.dtype)
        pictures = 255 * with_chroma(fused, batch["chroma"]).clamp(0, 1)
        segmentation = hard_cross_entropy(self.model(pictures), batch["mask"])
        return {**fusion_terms(fused, sources), "segmentation": self.round * segmentation}


def hard_cross_entropy(scores: Tensor, mask: Tensor) -> Tensor:
    """The mean over the pixels that are not easy (OHEM, Shrivastava et al., CVPR 2016).

    Args:
        scores: (B, K, H, W).
        mask: (B, H, W), 0 to K − 1; 255 where nothing is labelled.

    Returns:
        The mean of the losses of pixels whose class has a probability below 0.7, but of an eighth
        of all pixels at least; a scalar.
    """
    each = F.cross_entropy(scores, mask, ignore_index=IGNORED, reduction="none").flatten()
    each = each.sort(descending=True).values
    least = max(1, each.numel() // HARD)
    count = max(least, int((each > -math.log(SURE)).sum()))
    return each[:count].mean()
