"""One sample through a network, as an evaluation fuses it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from fusionlab.data.batches import collate
from fusionlab.errors import InputError
from fusionlab.training.module import FusionModule


class Fused(NamedTuple):
    """What is made of a sample of M sources."""

    image: Tensor
    """What a viewer sees, (3, H, W) in [0, 1]; dynamic where the module is."""
    weights: Tensor | None
    """Relative Dominability, (M, H, W); None for the static network."""
    losses: Tensor | None
    """Reconstruction losses, (M, H, W), ≥ 0."""


@torch.inference_mode()
def fuse_sample(module: FusionModule, sample: dict[str, Any]) -> Fused:
    """Fuse a sample of a data set.

    Raises:
        InputError: If the result is not finite.
    """
    batch = {
        key: value.to(module.device) if isinstance(value, Tensor) else value
        for key, value in collate([sample]).items()
    }
    images, _, dynamic = module.fuse(batch)
    image = images["static" if dynamic is None else "ttd"]
    if not torch.isfinite(image).all():
        raise InputError(f"{sample['id']} fused to NaN or infinity; check the checkpoint")
    image = module.viewable(image, batch)[0]
    if dynamic is None:
        return Fused(image, None, None)
    return Fused(image, dynamic.weights[0, :, 0].float(), dynamic.losses[0, :, 0].float())
