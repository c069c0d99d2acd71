"""MUFusion: a general unsupervised image fusion network based on a memory unit.

Cheng et al., Information Fusion 92, 2023, https://doi.org/10.1016/j.inffus.2022.11.010
Authors' code: https://github.com/AWCXV/MUFusion
Differs: float32 in place of the authors' double precision. Their five checkpoints load as
published. Images with a side below 128 pixels, which their script does not take, are fused whole.
The chroma of exposures and of focus, which they merge about the wrong neutral point, is merged as
everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

TILE, STRIDE = 128, 124  # pixels


def _unit(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution with the border reflected, ReLU."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride)
    return nn.Sequential(nn.ReflectionPad2d(1), convolution, nn.ReLU(inplace=True))


class MUFusion(FusionNetwork):
    """An encoder of both sources at two scales, and a decoder with the maps of the encoder.

    Takes two sources: infrared, visible; under-, over-exposed; PET, MRI. Images are fused in tiles
    of 128x128 pixels, which overlap by 4 or more and are averaged there. RD scales what enters; the
    uni-source component of a source is the network with that source on both inputs.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("ir", "vi"),
        "mif": ("pet", "spect", "ct", "mri"),
        "mef": ("under", "over"),
    }
    min_max_stretch: bool = True
    stretches_grey_only: ClassVar[bool] = True
    minimum_size: ClassVar[int] = 3
    size_multiple: int = 2
    no_export: str = "it goes over tiles of 128 pixels, as many as an image needs"
    bytes_per_pixel: ClassVar[int] = 60  # it goes over its own tiles one by one
    objective: ClassVar[str] = "mufusion"
    paper: ClassVar[str] = "Cheng et al., Information Fusion 2023"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "ir_vis_TNO.model",
            sha256="5d96ad1812c61e005edb439c85e341bac91c7bf275f1a41cd20a0a62769b2dbb",
            tasks=("vif",),
        ),
        Published(
            "ir_vis_RoadScene.model",
            sha256="8c358e4869092fb0bb553947674ee1b04bfffe06eb200354c3a62ee005f093fd",
            tasks=("vif",),
        ),
        Published(
            "medical_harvard.model",
            sha256="f8537a378d5b980fc190897eb94981fc74ab8afb5d362e7aada86b672455584d",
            tasks=("mif",),
        ),
        Published(
            "multi-exposure_Final.model",
            sha256="d48691ab1f3e2ae64d381bfd6d3cc85554936c30de3fbc6fcd3a5820e1791575",
            tasks=("mef",),
        ),
        Published(
            "multi-focus_Final.model",
            sha256="2c1bcfb97a27d9f8f2fe52c907b821d0e01cf5d50ad7e2cbb04014baa0b5d491",
            tasks=("mff",),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = _unit(2, 32), _unit(32, 32)
        self.conv3, self.conv4 = _unit(64, 64, stride=2), _unit(64, 64)
        self.conv5, self.conv6 = _unit(128, 64), _unit(192, 64)
        self.conv66, self.conv55 = _unit(64, 64), _unit(128, 64)
        self.conv44, self.conv33 = _unit(128, 64), _unit(128, 64)
        self.conv22 = _unit(96, 32)
        self.conv11 = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(64, 1, 3), nn.Tanh())

    def pad(self, images: Tensor, value: float | None = None) -> Tensor:
        """To even sides; tiles need none."""
        return images if min(images.shape[-2:]) >= TILE else super().pad(images, value)

    def encode(self, sources: Tensor) -> Tensor:
        """The sources themselves, (B, 2, 1, H, W) in [0, 1]."""
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 1, H, W), scaled by the gain, to (B, 2, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 2, H, W) to (B, 1, H, W) in (-1, 1), the mean of the tiles at each pixel."""
        height, width = combined.shape[2:]
        if min(height, width) < TILE:
            return self.fuse_tile(combined)
        total, count = torch.zeros_like(combined[:, :1]), combined.new_zeros(height, width)
        for rows, columns in tile_places(height, width):
            total[..., rows, columns] += self.fuse_tile(combined[..., rows, columns])
            count[rows, columns] += 1
        return total / count

    def fuse_tile(self, x: Tensor) -> Tensor:
        """Two images, (N, 2, H, W) with even sides, to (N, 1, H, W) in (-1, 1)."""
        g1 = self.conv1(x.contiguous(memory_format=torch.channels_last))
        g2 = self.conv2(g1)
        g3 = self.conv3(torch.cat([g1, g2], 1))
        g4 = self.conv4(g3)
        g5 = self.conv5(torch.cat([g3, g4], 1))
        d = self.conv66(self.conv6(torch.cat([g3, g4, g5], 1)))
        d = self.conv55(torch.cat([g5, d], 1))
        d = self.conv44(torch.cat([g4, d], 1))
        d = self.conv33(torch.cat([g3, d], 1))
        d = F.interpolate(d, scale_factor=2, mode="bicubic", align_corners=False)
        d = self.conv22(torch.cat([g2, d], 1))
        return self.conv11(torch.cat([g1, d], 1))

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        twice = features.flatten(0, 1).unsqueeze(1).expand(-1, 2, -1, -1, -1)
        return self.decode(self.combine(twice), sources).unflatten(0, sources.shape[:2])


def tile_places(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles: every 124 pixels, and flush with the lower and right side."""
    for top in _starts(height):
        for left in _starts(width):
            yield slice(top, top + TILE), slice(left, left + TILE)


def _starts(size: int) -> list[int]:
    return [*range(0, size - TILE + 1, STRIDE), size - TILE]
