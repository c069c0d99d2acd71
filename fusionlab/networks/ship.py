"""SHIP: probing synergistic high-order interaction in infrared and visible image fusion.

Zheng et al., CVPR 2024, https://doi.org/10.1109/CVPR52733.2024.02492
Authors' code: https://github.com/zheng980629/SHIP
Differs: the two central-difference convolutions of a block are one convolution, with the sum of
their kernels; the output is the same to rounding. SHIP_model.pth loads as published. In an
untrained network both central differences begin with the same weight, which the authors leave
uninitialised, and the image with a mean near 1/2: some starts would be black wherever the loss
looks, which clamps first, with no gradient to leave it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

WIDTH = 16  # channels of the features
THETA = 0.8  # share of the centre that a central difference takes away
CROSS, DIAGONALS = (1, 3, 4, 5, 7), (0, 2, 4, 6, 8)  # taps of a 3x3 kernel, row by row
ORDERS = 3  # of spatial and of channel interaction


def _two(channels_in: int, between: int, channels_out: int, kernel: int = 3) -> nn.Sequential:
    """Convolution, ReLU, convolution; zeros lie around the image."""
    return nn.Sequential(
        nn.Conv2d(channels_in, between, kernel, padding=kernel // 2),
        nn.ReLU(),
        nn.Conv2d(between, channels_out, kernel, padding=kernel // 2),
    )


class Taps(nn.Module):
    """Five of the nine weights of a 3x3 kernel, for every pair of channels."""

    def __init__(self, channels: int, taps: tuple[int, ...]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (1, 5), bias=False)  # holds the weights only
        self.taps = list(taps)

    def kernel(self) -> Tensor:
        """The kernel of the central difference, (F, F, 3, 3)."""
        weight = self.conv.weight[:, :, 0]
        kernel = weight.new_zeros(*weight.shape[:2], 9)
        kernel[..., self.taps] = weight
        kernel[..., 4] -= THETA * weight.sum(-1)
        return kernel.unflatten(2, (3, 3))


class CentralDifference(nn.Module):
    """Two central-difference convolutions, over cross and diagonals, in a learnt proportion."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.h_conv, self.d_conv = Taps(channels, CROSS), Taps(channels, DIAGONALS)
        self.HP_branch = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        share = self.HP_branch.sigmoid()
        kernel = share * self.h_conv.kernel() + (1 - share) * self.d_conv.kernel()
        return functional.conv2d(x, kernel, padding=1)


class EncoderBlock(nn.Module):
    """A convolution, with a residual and its central difference added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.process = nn.Conv2d(channels, channels, 3, padding=1)
        self.Res = _two(channels, channels, channels)
        self.CDC = CentralDifference(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        x = self.process(x)
        return self.Res(x) + self.CDC(x) + x


class Encoder(nn.Module):
    """Features of one modality."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 1)
        self.block1, self.block2 = EncoderBlock(channels), EncoderBlock(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) to (N, F, H, W)."""
        return self.block2(self.block1(self.conv(x)))


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        return self.body(x.movedim(1, -1)).movedim(-1, 1)


def circular_convolution(x: Tensor, y: Tensor) -> Tensor:
    """Each channel of x convolved with that of y around the image, (N, F, H, W).

    The product of their spectra; in single precision or better.
    """
    kind = torch.promote_types(x.dtype, torch.float32)
    product = torch.fft.rfft2(x.to(kind)) * torch.fft.rfft2(y.to(kind))
    return torch.fft.irfft2(product, s=x.shape[-2:])


class SpatialInteraction(nn.Module):
    """Visible features attend to infrared ones, in rising order."""

    norm1: ChannelNorm

    def __init__(self, channels: int) -> None:
        super().__init__()
        for order in range(1, ORDERS + 1):
            self.add_module(f"reflashInfrared{order}", _two(channels, channels, channels))
            self.add_module(f"reflashFused{order}", _two(channels, channels, channels))
        for number in range(1, ORDERS + 2):
            self.add_module(f"norm{number}", ChannelNorm(channels))

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Two of (N, F, H, W) to two of (N, F, H, W)."""
        fused = self.norm1(circular_convolution(visible, infrared)) * infrared
        for order in range(1, ORDERS + 1):
            infrared = self.get_submodule(f"reflashInfrared{order}")(infrared)
            fused = self.get_submodule(f"reflashFused{order}")(fused)
            fused = self.get_submodule(f"norm{order + 1}")(fused) * infrared
        return fused + visible, infrared


class DenseUnit(nn.Module):
    """Two convolutions beside a 1x1 convolution; half of the channels are instance-normalised."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.identity = nn.Conv2d(channels_in, channels_out, 1)
        self.conv_1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm = nn.InstanceNorm2d(channels_out // 2, affine=True)
        self.conv_2 = nn.Conv2d(channels_out, channels_out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        normed, others = self.conv_1(x).chunk(2, 1)
        y = functional.leaky_relu(torch.cat([self.norm(normed), others], 1), 0.1)
        return functional.leaky_relu(self.conv_2(y), 0.1) + self.identity(x)


class DenseBlock(nn.Module):
    """A function of an invertible block, which itself need not be invertible."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.conv1 = DenseUnit(channels, growth)
        self.conv2 = DenseUnit(growth, growth)
        self.conv3 = nn.Conv2d(channels + 2 * growth, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        first = functional.leaky_relu(self.conv1(x), 0.2)
        second = functional.leaky_relu(self.conv2(first), 0.2)
        return functional.leaky_relu(self.conv3(torch.cat([x, first, second], 1)), 0.2)


class InvertibleConvolution(nn.Module):
    """A 1x1 convolution whose matrix is a product of a permutation and two triangles."""

    p: Tensor
    sign_s: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels)).Q
        p, lower, upper = torch.linalg.lu(rotation)
        scale = upper.diagonal()
        self.register_buffer("p", p)
        self.register_buffer("sign_s", scale.sign())
        self.lower = nn.Parameter(lower)
        self.log_s = nn.Parameter(scale.abs().log())
        self.upper = nn.Parameter(upper.triu(1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        lower = self.lower.tril(-1) + torch.eye(len(self.p)).to(self.p)
        upper = self.upper.triu(1) + torch.diag(self.sign_s * self.log_s.exp())
        return functional.conv2d(x, (self.p @ (lower @ upper))[:, :, None, None])


class InvertibleBlock(nn.Module):
    """Two halves of the channels that change each other."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.F = DenseBlock(channels // 2, growth)
        self.G = DenseBlock(channels // 2, growth)
        self.H = DenseBlock(channels // 2, growth)
        self.invconv = InvertibleConvolution(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        a, b = self.invconv(x).chunk(2, 1)
        a = a + self.F(b)
        scale = 0.8 * (2 * self.H(a).sigmoid() - 1)
        return torch.cat([a, b * scale.exp() + self.G(a)], 1)


class ChannelInteraction(nn.Module):
    """Channels of both modalities weighed against one another, in rising order."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        both = 2 * channels
        self.chaAtten = _two(both, channels, both, 1)
        for order in range(1, ORDERS + 1):
            self.add_module(f"reflashChaAtten{order}", _two(both, channels, both, 1))
            self.add_module(f"reflashFused{order}", _two(both, both, both))
        self.postprocess = nn.Sequential(
            InvertibleBlock(both, channels), nn.Conv2d(both, channels, 1)
        )

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Two of (N, F, H, W) to one."""
        x = torch.cat([visible, infrared], 1)
        weight = self.chaAtten(x.mean((2, 3), keepdim=True)).softmax(1)
        x = x * weight
        for order in range(1, ORDERS + 1):
            weight = self.get_submodule(f"reflashChaAtten{order}")(weight).softmax(1)
            x = self.get_submodule(f"reflashFused{order}")(x) * weight
        return self.postprocess(x) + visible


class Interaction(nn.Module):
    """Spatial, then channel interaction."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = SpatialInteraction(channels)
        self.channel = ChannelInteraction(channels)

    def forward(self, visible: Tensor, infrared: Tensor) -> tuple[Tensor, Tensor]:
        """Two of (N, F, H, W) to two of (N, F, H, W)."""
        visible, infrared = self.spatial(visible, infrared)
        return self.channel(visible, infrared), infrared


class MeanAttention(nn.Module):
    """Adds to each channel a constant, made of the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.process = _two(channels, channels, channels)
        self.conv_du = _two(channels, channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F, H, W)."""
        means = self.process(x).mean((2, 3), keepdim=True)
        return x + self.conv_du(means).sigmoid() * means


class Reconstruction(nn.Module):
    """From features to the image, without an activation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.process = nn.Sequential(MeanAttention(channels), MeanAttention(channels))
        self.conv_last = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, 1, H, W)."""
        return self.conv_last(self.process(self.conv_in(x)))


class SHIP(FusionNetwork):
    """An encoder per modality and three interactions of high order between them.

    Takes two sources, visible first. The spectra, norms and means are of whole images: a part of an
    image fuses differently alone. The uni-source component of a source is the network with that
    source on both inputs, each half of the features made by its own encoder.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}
    output_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    minimum_size: ClassVar[int] = 2
    bytes_per_pixel: ClassVar[int] = 1600
    objective: ClassVar[str] = "ship"
    paper: ClassVar[str] = "Zheng et al., CVPR 2024"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "SHIP_model.pth",
            sha256="e61783e79144d5c9da6681b833ad64624ed2e61f6a533fd18ab896349e3f7329",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.vis, self.inf = Encoder(WIDTH), Encoder(WIDTH)
        self.interaction1 = Interaction(WIDTH)
        self.interaction2 = Interaction(WIDTH)
        self.interaction3 = Interaction(WIDTH)
        self.postprocess = nn.Sequential(
            InvertibleBlock(3 * WIDTH, WIDTH), nn.Conv2d(3 * WIDTH, WIDTH, 1)
        )
        self.reconstruction = Reconstruction(WIDTH)
        nn.init.constant_(self.reconstruction.conv_last.bias, 0.5)  # type: ignore[arg-type]

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The weights, which lie below ``params``."""
        if isinstance(content, dict) and isinstance(content.get("params"), dict):
            return content["params"]
        return content

    def encode(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) in [0, 1], visible first, to (B, 2, 16, H, W)."""
        visible, infrared = sources.unbind(1)
        return torch.stack([self.vis(visible), self.inf(infrared)], 1)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 16, H, W), scaled by the gain, to (B, 32, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 32, H, W) to (B, 1, H, W), unclamped."""
        visible, infrared = combined.chunk(2, 1)
        found = []
        for interaction in (self.interaction1, self.interaction2, self.interaction3):
            visible, infrared = interaction(visible, infrared)
            found.append(visible)
        return self.reconstruction(self.postprocess(torch.cat(found, 1)))

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        crossed = self.encode(sources.flip(1))  # infrared seen as visible, visible as infrared
        pairs = (
            torch.stack([features[:, 0], crossed[:, 1]], 1),
            torch.stack([crossed[:, 0], features[:, 1]], 1),
        )
        return torch.stack([self.decode(self.combine(pair), sources) for pair in pairs], 1)
