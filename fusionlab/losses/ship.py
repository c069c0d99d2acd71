"""The objective of SHIP: salient parts of the visible image, brightness, edges.

Zheng et al., CVPR 2024, https://doi.org/10.1109/CVPR52733.2024.02492
Authors' code: https://github.com/zheng980629/SHIP
Differs: the authors made the saliency maps of M3FD beforehand, with a script that is not in their
code; here the saliency is Zhai and Shah's, of each patch. They also flip and rotate the patches.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.sobel import edge_loss
from fusionlab.networks.base import FusionNetwork

LEVELS = 256


class SHIPObjective(Objective):
    """Saliency, intensity and gradient, weighted 3, 10 and 10. The first source is visible."""

    learns_from: ClassVar[Kind | None] = "pairs"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W), visible first."""
        sources: Tensor = batch["sources"]
        fused = network(sources).to(sources.dtype).clamp(0, 1)
        return fusion_terms(fused, sources, visual_saliency(sources[:, 0]))


def fusion_terms(fused: Tensor, sources: Tensor, saliency: Tensor) -> dict[str, Tensor]:
    """The terms of fused images in [0, 1].

    Where the visible image is as salient as can be, infrared is compared with black.

    Args:
        fused: (B, 1, H, W).
        sources: (B, 2, 1, H, W), visible first.
        saliency: Of the visible images, (B, 1, H, W) in [0, 1].
    """
    visible, infrared = sources.unbind(1)
    not_salient = (saliency != 1).to(infrared.dtype)
    of_visible = F.l1_loss(fused, saliency * visible)
    of_infrared = F.l1_loss(fused, not_salient * infrared)
    return {
        "saliency": 3 * (of_visible + of_infrared),
        "intensity": 10 * F.l1_loss(fused, sources.amax(1)),
        "gradient": 10 * edge_loss(fused, sources),
    }


def visual_saliency(images: Tensor) -> Tensor:
    """How much each pixel's grey level differs from those of all pixels.

    Convention: 256 levels; the sum of absolute differences of a pixel from all, stretched from its
    minimum to its maximum over [0, 1]; 0 where an image is flat.

    Args:
        images: (B, 1, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) in [0, 1].

    Source: Zhai and Shah, ACM Multimedia 2006.
    """
    levels = (images.clamp(0, 1) * (LEVELS - 1)).round().long().flatten(1)
    counts = torch.stack([one.bincount(minlength=LEVELS) for one in levels]).to(images.dtype)
    steps = torch.arange(LEVELS, device=images.device, dtype=images.dtype)
    distances = (counts[:, None] * (steps[:, None] - steps).abs()).sum(2)  # autocast leaves it
    found = distances.gather(1, levels)
    low, high = found.amin(1, keepdim=True), found.amax(1, keepdim=True)
    found = (found - low) / (high - low).where(high > low, 1)
    return found.view(images.shape)
