"""UPerNet: unified perceptual parsing, a segmentation head on maps of several scales.

Xiao et al., ECCV 2018, https://arxiv.org/abs/1807.10221
Differs: group norm in place of batch norm, so that batches may be small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.tasks.backbone import create_backbone, normalised
from fusionlab.tasks.features import SourceHead
from fusionlab.tasks.segmentation import Segmenter

POOLS = (1, 2, 3, 6)  # cells along a side of the pyramid pooling


class UPerHead(nn.Module):
    """Maps, finest first, to scores of K classes at the finest.

    Args:
        channels: Of each map.
        classes: K.
        width: Channels in the head.
    """

    def __init__(self, channels: Sequence[int], classes: int, width: int = 128) -> None:
        super().__init__()
        *finer, last = channels
        self.pooled = nn.ModuleList(_block(last, width, 1) for _ in POOLS)
        self.bottleneck = _block(last + len(POOLS) * width, width, 3)
        self.lateral = nn.ModuleList(_block(one, width, 1) for one in finer)
        self.smooth = nn.ModuleList(_block(width, width, 3) for _ in finer)
        self.fuse = _block(len(channels) * width, width, 3)
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, F, h, w) each to (B, K, h₀, w₀)."""
        *finer, last = maps
        pooled = [
            _resized(block(F.adaptive_avg_pool2d(last, cells)), last)
            for cells, block in zip(POOLS, self.pooled, strict=True)
        ]
        levels = [self.bottleneck(torch.cat([last, *pooled], dim=1))]
        for block, one in zip(reversed(self.lateral), reversed(finer), strict=True):
            levels.insert(0, block(one) + _resized(levels[0], one))
        smooth = [block(one) for block, one in zip(self.smooth, levels[:-1], strict=True)]
        levels = [*smooth, levels[-1]]
        joined = torch.cat([_resized(one, levels[0]) for one in levels], dim=1)
        return self.classify(self.fuse(joined))


class UPerNet(Segmenter):
    """A backbone of timm with the head, on pictures of any size.

    Args:
        names: Of the classes.
        backbone: Name of the backbone in timm.
        width: Channels in the head.
        pretrained: Weights of the backbone to start from, see :func:`create_backbone`.
    """

    def __init__(
        self,
        names: Sequence[str],
        backbone: str = "convnext_tiny",
        width: int = 128,
        pretrained: str | None = None,
    ) -> None:
        super().__init__(names)
        self.options = {"names": list(names), "backbone": backbone, "width": width}
        self.backbone = create_backbone(backbone, pretrained)
        info = self.backbone.feature_info
        self.multiple = max(info.reduction())  # type: ignore[operator, union-attr]
        self.head = UPerHead(info.channels(), len(self.names), width)  # type: ignore[operator, union-attr]

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores (B, K, H, W); the picture is padded by its border to what the backbone takes."""
        height, width = pictures.shape[2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        padded = F.pad(normalised(pictures), padding, mode="replicate")
        scores = self.head(self.backbone(padded))
        return _to_size(scores, (padded.shape[2], padded.shape[3]))[:, :, :height, :width]

    def describe(self) -> dict[str, Any]:
        """Its name and options."""
        return {"name": "UPerNet", **self.options, **self.file}


class SourceSegmenter(SourceHead):
    """The head on the fused features of a fusion network: no picture is fused.

    Args:
        representation: The network as a backbone, ``network.representation``.
        names: Of the classes.
        width: Channels in the head.
        pyramid: Channels of the pyramid that tokens are spread to.
    """

    def __init__(
        self, representation: nn.Module, names: Sequence[str], width: int = 128, pyramid: int = 768
    ) -> None:
        super().__init__(representation, names, width, pyramid)
        self.head = UPerHead(self.channels, len(self.names), width)

    def of_maps(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Features of padded sources to scores (B, K, H, W) of sources of that size."""
        whole = tuple(-(-side // self.multiple) * self.multiple for side in size)
        scores = self.head(self.levels(maps))
        return _to_size(scores, (whole[0], whole[1]))[:, :, : size[0], : size[1]]


def _block(inside: int, outside: int, side: int) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, side, padding=side // 2, bias=False)
    # groups of 8 channels or more: one alone has no spread in a map of one cell
    groups = next((count for count in (16, 8, 4, 2) if outside % (8 * count) == 0), 1)
    return nn.Sequential(convolution, nn.GroupNorm(groups, outside), nn.ReLU())


def _resized(image: Tensor, like: Tensor) -> Tensor:
    return _to_size(image, (like.shape[2], like.shape[3]))


def _to_size(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size, mode="bilinear", align_corners=False)
