"""The objective of SeAFusion: as bright as the brighter source, as sharp as the sharper one.

Tang et al., Information Fusion 82, 2022, https://doi.org/10.1016/j.inffus.2021.12.004
Authors' code: https://github.com/Linfeng-Tang/SeAFusion
Differs: this is the first round, without a segmentation loss; the others are
:mod:`fusionlab.tasks.guided`. The authors learn from whole images, not from patches.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.sobel import edge_loss
from fusionlab.networks.base import FusionNetwork


class SeAFusionObjective(Objective):
    """Intensity and gradient, weighted 1 and 10."""

    learns_from: ClassVar[Kind | None] = "pairs"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W)."""
        sources: Tensor = batch["sources"]
        fused = network(sources).to(sources.dtype)
        return fusion_terms(fused, sources)


def fusion_terms(fused: Tensor, sources: Tensor) -> dict[str, Tensor]:
    """Of (B, 1, H, W) and (B, 2, 1, H, W)."""
    return {
        "intensity": F.l1_loss(fused, sources.amax(1)),
        "gradient": 10 * edge_loss(fused, sources),
    }
