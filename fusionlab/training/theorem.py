"""What the theorem of TTD is measured on in an evaluation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fusionlab.data.colour import to_luma
from fusionlab.metrics import AgainstTruth
from fusionlab.ttd import DynamicFusion, TestTimeDynamicFusion, reconstruction_loss


def uni_source(
    wrapper: TestTimeDynamicFusion, dynamic: DynamicFusion, features: Any, sources: Tensor
) -> tuple[Tensor, Tensor]:
    """Uni-source components and their losses; decoded here where TTD compared the fused image.

    Args:
        wrapper: What fused.
        dynamic: What it gave.
        features: What it fused.
        sources: (B, M, C, H, W) in [0, 1], as the network takes them.

    Returns:
        Components, (B, M, C, H, W), unclamped, and their losses, (B, M, 1, H, W).
    """
    if wrapper.compare == "components":
        return dynamic.components, dynamic.losses
    components = wrapper.network.components(features, sources)
    return components, reconstruction_loss(components, sources, wrapper.map_loss)


def against_truth(
    batch: dict[str, Any], images: dict[str, Tensor], components: Tensor
) -> AgainstTruth | None:
    """Luma of the network's output, unclamped, beside the ground truth; None without one.

    Luma is linear, so that it changes nothing in what Eq. 4 supposes.

    Args:
        batch: The batch.
        images: The network's output by row, (B, C, H, W).
        components: (B, M, C, H, W).
    """
    if "reference" not in batch:
        return None
    return AgainstTruth(
        truth=batch["reference"].float() / 255,
        components=_luma(components.flatten(0, 1)).unflatten(0, components.shape[:2]),
        static=_luma(images["static"]),
        dynamic=_luma(images["ttd"]),
    )


def _luma(images: Tensor) -> Tensor:
    """(B, C, H, W) to (B, 1, H, W)."""
    return torch.stack([to_luma(image) for image in images.float()])
