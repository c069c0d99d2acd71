"""The objective of SESF-Fuse: reconstruct photographs.

Ma et al., Neural Computing and Applications 33, 2021, https://doi.org/10.1007/s00521-020-05358-9
Authors' code: https://github.com/Keep-Passion/SESF-Fuse
Differs: photographs are resized with the nearest neighbour, the authors' bilinearly.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.similarity import contrast_and_similarity
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.sesf import DEVIATION, MEAN, SESF


class SESFObjective(Objective):
    """Distance and SSIM of a photograph and itself, encoded and decoded, weighted 1 and 1000."""

    learns_from: ClassVar[Kind | None] = "photographs"
    trains: ClassVar[type[FusionNetwork]] = SESF

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 1, 1, S, S)."""
        assert isinstance(network, SESF)
        photographs = (batch["sources"][:, 0] - MEAN) / DEVIATION
        decoded = network.decoded(network.encoded(photographs))
        return reconstruction_terms(decoded.to(photographs.dtype), photographs)


def reconstruction_terms(decoded: Tensor, photographs: Tensor) -> dict[str, Tensor]:
    """The terms of normalised images, (B, 1, H, W); the distance is that of the whole batch."""
    similarity = contrast_and_similarity(decoded, photographs, size=5, padding=2)[1].mean()
    distance = (decoded - photographs).square().sum().sqrt()
    return {"distance": distance, "ssim": 1000 * (1 - similarity)}
