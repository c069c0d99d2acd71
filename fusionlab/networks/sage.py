"""SAGE: every SAM drop counts, the student network that fuses.

Wu et al., CVPR 2025, https://arxiv.org/abs/2503.01210
Authors' code: https://github.com/RollingPlain/SAGE_IVIF
Differs: nothing; the student's checkpoints.pt loads as published. The teacher, whose segment
anything model (SAM) only training needs, is not here. The authors round luma to 8 bits, and
take 127.5 for the neutral chroma, which is 128 in OpenCV: their pictures are a trace more purple,
and so are ours. That they round the chroma too is left out.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

WIDTH = 32


def _unit(channels_in: int, channels_out: int, kernel: int = 3) -> list[nn.Module]:
    """Convolution with zeros around the image, batch norm, LeakyReLU."""
    return [
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(0.01),
    ]


def _module(channels_in: int) -> nn.Sequential:
    """Three units in a row."""
    layers = (_unit(channels, WIDTH) for channels in (channels_in, WIDTH, WIDTH))
    return nn.Sequential(*(layer for unit in layers for layer in unit))


def _joined(coarse: Tensor, fine: Tensor) -> Tensor:
    """Coarse maps at the size of fine ones, and those: (N, 32, h, w), (N, 32, H, W) to 64."""
    size = fine.shape[-2:]
    return torch.cat([F.interpolate(coarse, size, mode="bilinear", align_corners=False), fine], 1)


class SAGE(FusionNetwork):
    """A U-Net of three scales on both sources at once.

    Takes two sources, visible first. RD scales what enters; the uni-source component of a source
    is the network with that source on both inputs.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}
    rounds_luma: ClassVar[bool] = True
    chroma_offset: ClassVar[float] = 0.5 / 255
    minimum_size: ClassVar[int] = 4
    bytes_per_pixel: ClassVar[int] = 900
    reach: ClassVar[int] = 40  # convolutions of 3 pixels at full size, a half and a quarter
    is_local: bool = True
    tile_multiple: ClassVar[int] = 4
    objective: ClassVar[str] = "sage"
    paper: ClassVar[str] = "Wu et al., CVPR 2025"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "checkpoints.pt",
            sha256="ecfde477ca4cd65401f207d5dc91ce6c475a49891d768dbdb7a66366255ee836",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.module1, self.module2, self.module3 = _module(2), _module(WIDTH), _module(WIDTH)
        self.adjust_channels4 = nn.Sequential(*_unit(2 * WIDTH, WIDTH, 1))
        self.module4 = _module(WIDTH)
        self.adjust_channels5 = nn.Sequential(*_unit(2 * WIDTH, WIDTH, 1))
        self.module5 = _module(WIDTH)
        self.final_decoder = nn.Sequential(nn.Conv2d(WIDTH, 1, 3, padding=1), nn.Tanh())

    def is_local_at(self, size: tuple[int, int]) -> bool:
        """Where halves are halves: else maps are stretched to the size of finer ones."""
        return not any(side % self.tile_multiple for side in size)

    def encode(self, sources: Tensor) -> Tensor:
        """The sources themselves, (B, 2, 1, H, W) in [0, 1], visible first."""
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 1, H, W), scaled by the gain, to (B, 2, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 2, H, W) to (B, 1, H, W) in (-1, 1)."""
        return self.final_decoder(self.scales(combined)[-1])

    def scales(self, x: Tensor) -> list[Tensor]:
        """The maps after each of the five modules, what the student learns from its teacher.

        Args:
            x: (B, 2, H, W).

        Returns:
            (B, 32, h, w) each; h and w are H and W, a half, a quarter, a half and H and W.
        """
        x1 = self.module1(x)
        x2 = self.module2(F.max_pool2d(x1, 2))
        x3 = self.module3(F.max_pool2d(x2, 2))
        x4 = self.module4(self.adjust_channels4(_joined(x3, x2)))
        x5 = self.module5(self.adjust_channels5(_joined(x4, x1)))
        return [x1, x2, x3, x4, x5]

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        twice = features.flatten(0, 1).unsqueeze(1).expand(-1, 2, -1, -1, -1)
        return self.decode(self.combine(twice), sources).unflatten(0, sources.shape[:2])
