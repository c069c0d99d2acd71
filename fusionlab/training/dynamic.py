"""Test-time dynamic fusion of a data set, with what it needs to know of the whole of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fusionlab.data.batches import collate
from fusionlab.data.dataset import FusionDataset
from fusionlab.losses.reconstruction import reconstruction_objective
from fusionlab.networks import FusionNetwork
from fusionlab.ttd import TestTimeDynamicFusion, cached_choice

CALIBRATION_IMAGES = 4


def seen_by(network: FusionNetwork, sources: Tensor) -> Tensor:
    """The sources as the network takes them, (B, M, C, H, W)."""
    return sources.expand(-1, -1, 3, -1, -1) if network.luma_thrice else sources


def dynamic_fusion(network: FusionNetwork, options: dict[str, Any]) -> TestTimeDynamicFusion:
    """TTD by the settings, with the network's own objective where it has one for sources alone."""
    objective = reconstruction_objective(network.name)
    return TestTimeDynamicFusion(network, **options, objective=objective)


@torch.no_grad()
def calibrated_channel(
    dynamic: TestTimeDynamicFusion, dataset: FusionDataset, device: torch.device
) -> int:
    """The channel for a data set, chosen without labels on its first four images."""
    count = min(CALIBRATION_IMAGES, len(dataset))
    batches = (collate([dataset[index]])["sources"].to(device) for index in range(count))
    sources = [seen_by(dynamic.network, batch) for batch in batches]
    return cached_choice(dynamic, sources).channel
