"""Objectives as far as they hold an image against itself: what gradient-based TTD may follow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fusionlab.losses.cddfuse import reconstruction_terms
from fusionlab.losses.densefuse import GREY_LEVELS, DenseFuseObjective, ms_ssim

Reconstruction = Callable[[Tensor, Tensor], Tensor]
"""Components and sources, twice (B, M, C, H, W), to one loss for every source, (B, M)."""


def reconstruction_objective(network: str) -> Reconstruction | None:
    """What a network was trained with, for components in place of reconstructions.

    None for ifcnn, whose objective needs a ground truth, and piafusion, whose is of fused images
    and their illumination.
    """
    return {"cddfuse": cddfuse_reconstruction, "densefuse": densefuse_reconstruction}.get(network)


def cddfuse_reconstruction(components: Tensor, sources: Tensor) -> Tensor:
    """The first phase of :class:`CDDFuseObjective` but for the correlation of its features.

    As there the first, the visible source alone has a gradient term. Components have no residual.
    """
    rows = []
    for images, targets in zip(components.split(1), sources.split(1), strict=True):
        terms = reconstruction_terms(images, targets)
        for m in range(1, sources.shape[1] + 1):
            of_source = [value for name, value in terms.items() if name.endswith(f"_{m}")]
            rows.append(torch.stack(of_source).sum())
    return torch.stack(rows).view(sources.shape[:2])


def densefuse_reconstruction(components: Tensor, sources: Tensor) -> Tensor:
    """Squared error in grey levels and MS-SSIM, with the weight that is default.

    Raises:
        ValueError: If the images are too small for MS-SSIM.
    """
    weight = DenseFuseObjective().ssim_weight
    losses = []
    images, targets = (GREY_LEVELS * x.float().flatten(0, 1) for x in (components, sources))
    for image, target in zip(images.split(1), targets.split(1), strict=True):
        similarity = ms_ssim(image, target)
        losses.append((image - target).square().mean() + weight * (1 - similarity))
    return torch.stack(losses).view(sources.shape[:2])
