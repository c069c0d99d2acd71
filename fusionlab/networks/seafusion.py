"""SeAFusion: image fusion in the loop of high-level vision tasks.

Tang et al., Information Fusion 82, 2022, https://doi.org/10.1016/j.inffus.2021.12.004
Authors' code: https://github.com/Linfeng-Tang/SeAFusion
Differs: nothing; fusionmodel_final.pth loads as published, without the batch norms of its decoder,
which its authors never apply.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published


class Convolution(nn.Module):
    """A convolution that keeps the size; zeros lie around the image."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        return self.conv(x)


class DenseLayers(nn.Module):
    """Two convolutions; what each finds is appended to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = Convolution(channels, channels)
        self.conv2 = Convolution(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, 3 F, H, W)."""
        x = torch.cat([x, F.leaky_relu(self.conv1(x), 0.2)], 1)
        return torch.cat([x, F.leaky_relu(self.conv2(x), 0.2)], 1)


class GradientMagnitude(nn.Module):
    """Sum of the absolute values of two convolutions, channel by channel.

    They begin as Sobel operators and learn like all others.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
        self.convx = self._convolution(channels, sobel)
        self.convy = self._convolution(channels, sobel.T)

    @staticmethod
    def _convolution(channels: int, kernel: Tensor) -> nn.Conv2d:
        layer = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        with torch.no_grad():
            layer.weight.copy_(kernel)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W), ≥ 0."""
        return self.convx(x).abs() + self.convy(x).abs()


class GradientDenseBlock(nn.Module):
    """Gradient residual dense block (GRDB): dense layers, and gradients beside them."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.dense = DenseLayers(channels_in)
        self.convdown = Convolution(3 * channels_in, channels_out, 1)
        self.sobelconv = GradientMagnitude(channels_in)
        self.convup = Convolution(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        return F.leaky_relu(self.convdown(self.dense(x)) + self.convup(self.sobelconv(x)), 0.1)


class SeAFusion(FusionNetwork):
    """An encoder per modality and a decoder that learns the rule, trained to serve segmentation.

    Takes two sources, visible first. The uni-source component of a source is the network with
    that source on both inputs, each half of the features made by its own encoder.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}
    min_max_stretch: bool = True
    stretches_colour: ClassVar[bool] = True
    bytes_per_pixel: ClassVar[int] = 1600
    reach: ClassVar[int] = 9  # nine 3x3 convolutions
    is_local: bool = True
    objective: ClassVar[str] = "seafusion"
    paper: ClassVar[str] = "Tang et al., Information Fusion 2022"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "MIT"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "fusionmodel_final.pth",
            sha256="8d65a7f9a50f36349803368cf9920f40420776995e7e8cc8a56d8d30e499431d",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.vis_conv, self.inf_conv = Convolution(1, 16), Convolution(1, 16)
        self.vis_rgbd1, self.inf_rgbd1 = GradientDenseBlock(16, 32), GradientDenseBlock(16, 32)
        self.vis_rgbd2, self.inf_rgbd2 = GradientDenseBlock(32, 48), GradientDenseBlock(32, 48)
        self.decode4 = Convolution(96, 64)
        self.decode3 = Convolution(64, 32)
        self.decode2 = Convolution(32, 16)
        self.decode1 = Convolution(16, 1)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """Without the batch norms of the decoder."""
        if not isinstance(content, dict):
            return content
        norm = re.compile(
            r"decode[1-4]\.bn\.(weight|bias|running_mean|running_var|num_batches_tracked)"
        )
        return {key: value for key, value in content.items() if not norm.fullmatch(str(key))}

    def encode(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) in [0, 1], visible first, to (B, 2, 48, H, W)."""
        visible, infrared = sources.unbind(1)
        visible = self.vis_rgbd1(F.leaky_relu(self.vis_conv(visible), 0.2))
        infrared = self.inf_rgbd1(F.leaky_relu(self.inf_conv(infrared), 0.2))
        return torch.stack([self.vis_rgbd2(visible), self.inf_rgbd2(infrared)], 1)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 48, H, W), scaled by the gain, to (B, 96, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 96, H, W) to (B, 1, H, W) in (0, 1)."""
        x = F.leaky_relu(self.decode4(combined), 0.2)
        x = F.leaky_relu(self.decode3(x), 0.2)
        x = F.leaky_relu(self.decode2(x), 0.2)
        return self.decode1(x).tanh() / 2 + 0.5

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        crossed = self.encode(sources.flip(1))  # infrared seen as visible, visible as infrared
        pairs = (
            torch.stack([features[:, 0], crossed[:, 1]], 1),
            torch.stack([crossed[:, 0], features[:, 1]], 1),
        )
        return torch.stack([self.decode(self.combine(pair), sources) for pair in pairs], 1)
