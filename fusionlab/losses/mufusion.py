"""The objective of MUFusion: each source where it is active, and what was fused an epoch before.

Cheng et al., Information Fusion 92, 2023, https://doi.org/10.1016/j.inffus.2022.11.010
Authors' code: https://github.com/AWCXV/MUFusion
Differs: what was fused is kept in memory, not in files; it is not in a checkpoint, so that the
first epoch after a resume learns as the very first one. Each process keeps its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.densefuse import ms_ssim
from fusionlab.losses.laplacian import laplacian
from fusionlab.losses.vgg import VGG
from fusionlab.networks.base import FusionNetwork


class Distance(NamedTuple):
    """Between two images: squared error, 1 − MS-SSIM, squared error of Laplacians; scalars."""

    mse: Tensor
    ssim: Tensor
    gradient: Tensor

    def total(self) -> Tensor:
        """Weighted 1, 10 and 10."""
        return self.mse + 10 * self.ssim + 10 * self.gradient


class MUFusionObjective(Objective):
    """Content and memory, weighted by how similar each is to the sources.

    Args:
        vgg: File or address of the weights of VGG-19, which measures activity.
        levels: Levels of VGG-19 whose activities are averaged: 5 for infrared-visible, 3 for
            medical images, 1 for focus; 0 for exposures, where both sources count everywhere and
            no VGG-19 is needed.
        window: Side of the window over which activity is averaged, odd; 19 for focus.
    """

    learns_from: ClassVar[Kind | None] = "pairs"

    def __init__(self, vgg: str | None = None, levels: int = 5, window: int = 7) -> None:
        super().__init__()
        if type(levels) is not int or not 0 <= levels <= 5:
            raise InputError(f"training.options.levels must be 0 to 5, got {levels!r}")
        if type(window) is not int or window < 1 or window % 2 == 0:
            raise InputError(f"training.options.window must be an odd number, got {window!r}")
        if vgg is not None and not levels:
            raise InputError("training.options.vgg is not read with training.options.levels 0")
        self.vgg = VGG(19, vgg) if levels else None
        self.levels, self.window = levels, window
        self.memory: dict[int, Tensor] = {}  # 8-bit images by the number of their patch

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W), in the order of the network."""
        sources: Tensor = batch["sources"]
        fused = network(sources).to(sources.dtype)
        remembered = self._remembered(fused.detach(), batch["index"].tolist())
        with torch.no_grad():
            masks = self.masks(sources)
            share = content_share(fused, remembered, sources)
        return {
            "content": share * content_loss(fused, sources, masks),
            "memory": (1 - share) * distance(fused, remembered).total(),
        }

    def masks(self, sources: Tensor) -> Tensor:
        """Where each source counts, (B, 2, 1, H, W), 0 or 1; of equal activities the second."""
        if self.vgg is None:
            return torch.ones_like(sources)
        first, second = self.activity(sources.flatten(0, 1)).view_as(sources).unbind(1)
        larger = first > second
        return torch.stack([larger, ~larger], 1).to(sources)

    def activity(self, images: Tensor) -> Tensor:
        """Mean over levels of the sum of the features about each pixel, (N, 1, H, W), ≥ 0."""
        assert self.vgg is not None
        size = images.shape[2:]
        found = []
        for x in self.vgg(images.expand(-1, 3, -1, -1), range(1, self.levels + 1)):
            total = x.float().sum(1, keepdim=True)
            total = F.interpolate(total, size, mode="bilinear", align_corners=True)
            found.append(F.avg_pool2d(total, self.window, 1, self.window // 2))
        return torch.stack(found).mean(0)

    def _remembered(self, fused: Tensor, index: list[int]) -> Tensor:
        """What was fused of these patches before, else what is now; keeps the latter."""
        kept = [self.memory.get(k) for k in index]
        for k, image in zip(index, to_file(fused).cpu(), strict=True):
            self.memory[k] = image
        images = [
            now if old is None else old.to(now) / 255 for old, now in zip(kept, fused, strict=True)
        ]
        return torch.stack(images)


def to_file(images: Tensor) -> Tensor:
    """(B, 1, H, W), each stretched from its minimum to its maximum over 0 … 255, uint8."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    scale = 255 / (high - low).where(high > low, 1)
    return ((images - low) * scale).round().to(torch.uint8)


def content_loss(fused: Tensor, sources: Tensor, masks: Tensor) -> Tensor:
    """Distance to each source where it counts: (B, 1, H, W), twice (B, 2, 1, H, W), to a scalar."""
    pairs = zip(masks.unbind(1), sources.unbind(1), strict=True)
    return torch.stack(
        [distance(mask * fused, mask * source).total() for mask, source in pairs]
    ).sum()


def content_share(fused: Tensor, remembered: Tensor, sources: Tensor) -> Tensor:
    """Share of the content beside the memory, in (0, 1): the larger, the better what is new."""
    quality = [sum(_similarity(x, y) for y in sources.unbind(1)) for x in (fused, remembered)]
    return torch.stack([x for x in quality if isinstance(x, Tensor)]).softmax(0)[0]


def distance(x: Tensor, y: Tensor) -> Distance:
    """Of (B, 1, H, W) and (B, 1, H, W)."""
    edges = F.mse_loss(laplacian(x), laplacian(y))
    return Distance(F.mse_loss(x, y), 1 - _similarity(x, y), edges)


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    return ms_ssim(x, y, as_published=True, shrinks=True)
