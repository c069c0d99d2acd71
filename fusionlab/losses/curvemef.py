"""The objective of CurveMEF: as near to both exposures as can be, and as similar in structure.

Peng, Jing, Pan, Liu and Song, Neurocomputing 596, 2024,
https://doi.org/10.1016/j.neucom.2024.127915
Authors' code: https://github.com/PiratePai/CurveMEF
Differs: the terms that the authors weigh with 0, squared error and exposure, are left out, and
there is no warm-up of the learning rate. They learn from whole images, not from patches.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.image import structural_similarity_index_measure

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.networks.base import FusionNetwork


class CurveMEFObjective(Objective):
    """Intensity and structure, weighted 2 and 1, each summed over both sources."""

    learns_from: ClassVar[Kind | None] = "pairs"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W)."""
        sources: Tensor = batch["sources"]
        return fusion_terms(network(sources).to(sources.dtype), sources)


def fusion_terms(fused: Tensor, sources: Tensor) -> dict[str, Tensor]:
    """Of (B, 1, H, W) and (B, 2, 1, H, W)."""
    first, second = sources.unbind(1)
    similar = _similarity(fused, first) + _similarity(fused, second)
    return {
        "intensity": 2 * (F.l1_loss(fused, first) + F.l1_loss(fused, second)),
        "structure": 2 - similar,
    }


def _similarity(fused: Tensor, source: Tensor) -> Tensor:
    """Mean SSIM of torchmetrics, 11x11 Gaussian window, for a range of 1."""
    found = structural_similarity_index_measure(fused, source, data_range=1.0)
    assert isinstance(found, Tensor)
    return found
