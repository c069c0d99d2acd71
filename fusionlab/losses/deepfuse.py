"""The objective of DeepFuse: the structure of the sources by MEF-SSIM, as its port computes it.

Prabhakar et al., ICCV 2017, https://doi.org/10.1109/ICCV.2017.505; Ma et al., IEEE TIP 24(11), 2015
Port to PyTorch: https://github.com/SunnerLi/DeepFuse.pytorch
Differs: nothing from the port; the authors' loss was not published. As in the port, norms are taken
over the whole batch, and the brightness is that of the second source and the mean.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.similarity import contrast_and_similarity
from fusionlab.networks.base import FusionNetwork

TINY = 1e-8


class DeepFuseObjective(Objective):
    """1 − SSIM of the fused image and the one that MEF-SSIM wants."""

    learns_from: ClassVar[Kind | None] = "pairs"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W)."""
        sources: Tensor = 2 * batch["sources"] - 1
        fused = 2 * network(batch["sources"]).to(sources.dtype) - 1
        return {"mef_ssim": structure_loss(fused, wanted_image(sources))}


def wanted_image(sources: Tensor) -> Tensor:
    """The image that has the strongest contrast and the mean structure of two sources.

    Args:
        sources: (B, 2, 1, H, W) in [−1, 1].

    Returns:
        (B, 1, H, W).
    """
    first, second = sources.unbind(1)
    mean = (first + second) / 2
    details = [image - mean for image in (first, second)]
    lengths = [_norm(detail) for detail in details]
    weights = [_norm(image) for image in (first, second)]
    structure = sum(
        weight * detail / length
        for weight, detail, length in zip(weights, details, lengths, strict=True)
    ) / sum(weights)
    assert isinstance(structure, Tensor)
    contrast = torch.maximum(*lengths)
    return contrast * structure / _norm(structure) + (second + mean) / 2


def structure_loss(fused: Tensor, wanted: Tensor) -> Tensor:
    """1 − SSIM of (B, 1, H, W) in [−1, 1]; zeros around the images, range 1 as in the port."""
    return 1 - contrast_and_similarity(fused, wanted, padding=5)[1].mean()


def _norm(images: Tensor) -> Tensor:
    return (images + TINY).square().sum().sqrt()
