"""The objective of IFCNN.

Zhang et al., Information Fusion 54, 2020, https://doi.org/10.1016/j.inffus.2019.07.011
Differs: the first stage only, the mean squared error. The second stage adds a perceptual loss on
features of an ImageNet ResNet-101, whose weights would have to be downloaded.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.networks.base import FusionNetwork


class IFCNNObjective(Objective):
    """Mean squared error between the fused image and the sharp one."""

    learns_from: ClassVar[Kind | None] = "multi_focus"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, M, C, H, W) and ``reference`` (B, C, H, W)."""
        return {"mse": F.mse_loss(network(batch["sources"]), batch["reference"])}
