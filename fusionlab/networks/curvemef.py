"""CurveMEF: multi-exposure fusion via curve embedding network.

Peng, Jing, Pan, Liu and Song, Neurocomputing 596, 2024,
https://doi.org/10.1016/j.neucom.2024.127915
Authors' code: https://github.com/PiratePai/CurveMEF
Differs: nothing in the network of luma; CurveMEF_y.pth loads as published, without the last
convolution, which its authors never apply; their network of RGB is not here. The authors give it
luma in [16, 235] out of a MATLAB script, and so they stretch every fused image to the full range.
Here luma has the full range to begin with, and a stretch lowers the PSNR of most scenes by several
dB: ``stretch`` true does what they do.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

POLE = 2 / (2 - 2**0.5) + 1e-6  # e in the curves: the darkening one ends there
TINY = 1e-6  # where both weights are 0
UNUSED = ("conv_end.0.weight", "conv_end.0.bias")


class Separable(nn.Module):
    """A 3x3 convolution of each channel, zeros around the image, then a 1x1 convolution."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.dw_conv = nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in)
        self.conv1x1 = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        return self.conv1x1(self.dw_conv(x))


class Unit(nn.Module):
    """Two convolutions with a shortcut, which is left out where the channels change."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(Separable(channels_in, channels_out), nn.ReLU())
        self.conv2 = nn.Conv2d(channels_out, channels_out, 1)
        self.has_shortcut = channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W), ≥ 0."""
        y = self.conv2(self.conv1(x))
        return F.relu(x + y if self.has_shortcut else y)


class Similarity(nn.Module):
    """A 1x1 convolution and ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W), ≥ 0."""
        return F.relu(self.conv(x))


class Growth(nn.Module):
    """Half of the channels grow to three times as many; the mean of the others weighs them.

    Args:
        channels: Channels of its input; half as many again leave it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.dense1, self.dense2 = Unit(half, half), Unit(half, half)
        self.sim1 = Similarity(half, 3 * half)
        self.merge = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(3 * half, 3 * half, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, 3F/2, H, W), ≥ 0."""
        grown, weighing = x.chunk(2, dim=1)
        first = self.dense1(grown)
        every = torch.cat([grown, first, self.dense2(first)], 1)
        return every * self.merge(self.sim1(weighing))


class Encoder(nn.Module):
    """Features of both sources at once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = Unit(2, 12)
        self.up_1, self.up_2 = Growth(12), Growth(18)
        self.dropout = nn.Dropout(0.3)
        self.conv_end = nn.Sequential(Separable(27, 27), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(B, 2, H, W) to (B, 27, H, W), ≥ 0."""
        return self.conv_end(self.dropout(self.up_2(self.up_1(self.conv_stem(x)))))


class ChannelMixer(nn.Module):
    """Features weighed pixel by pixel, by one map for all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.se = nn.Sequential(
            nn.Conv2d(channels, 6, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(6, 1, 1, bias=False),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to the same."""
        return x + x * self.se(x)


class Decoder(nn.Module):
    """The four maps of the curves."""

    def __init__(self) -> None:
        super().__init__()
        self.channel_mixer = ChannelMixer(27)
        self.conv1 = nn.Sequential(Separable(27, 18), nn.ReLU())
        self.conv2 = nn.Sequential(Separable(18, 4), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, 27, H, W) to (B, 4, H, W) in (0, 1)."""
        return self.conv2(self.conv1(self.channel_mixer(x)))


def fused_by_curves(sources: Tensor, maps: Tensor) -> Tensor:
    """The over-exposed source darkened, the under-exposed one brightened, and their mean.

    Args:
        sources: (B, 2, H, W) in [0, 1], over-exposed first.
        maps: (B, 4, H, W) in [0, 1]: how much the first is darkened and the second brightened, and
            their weights.

    Returns:
        (B, 1, H, W).
    """
    over, under = sources.split(1, dim=1)
    darkening, brightening, *weights = maps.split(1, dim=1)
    over = over - darkening * over.square() / (POLE - over)
    under = under + brightening * under * (1 - under) * (1 - under / (2 * POLE))
    first, second = weights
    return (first * over + second * under) / (first + second + TINY)


class CurveMEF(FusionNetwork):
    """Each source is bent by a curve of its own at each pixel, then both are averaged.

    Takes two sources, over-exposed first. RD scales what enters; the uni-source component of a
    source is the network with that source on both inputs, which returns it almost: RD of the
    published weights is nearly uniform.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"mef": ("over", "under")}
    bytes_per_pixel: ClassVar[int] = 1000
    objective: ClassVar[str] = "curvemef"
    paper: ClassVar[str] = "Peng et al., Neurocomputing 2024"
    tasks: ClassVar[tuple[str, ...]] = ("mef",)
    licence: ClassVar[str] = "Apache-2.0"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "CurveMEF_y.pth",
            sha256="65e830b0f7ae536ff8d42374821a3af87f68d14da43496118fe31a6d04d368b0",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """Without the convolution that is never applied."""
        if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
            return content
        weights = {key: x for key, x in content["state_dict"].items() if key not in UNUSED}
        return {**content, "state_dict": weights}

    def encode(self, sources: Tensor) -> Tensor:
        """The sources themselves, (B, 2, 1, H, W) in [0, 1], over-exposed first."""
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 1, H, W), scaled by the gain, to (B, 2, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 2, H, W) to (B, 1, H, W)."""
        return fused_by_curves(combined, self.maps(combined))

    def maps(self, combined: Tensor) -> Tensor:
        """The maps of the curves of both sources, (B, 2, H, W) to (B, 4, H, W) in (0, 1)."""
        return self.decoder(self.encoder(combined))

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The network with each source on both inputs, (B, 2, 1, H, W)."""
        twice = features.flatten(0, 1).unsqueeze(1).expand(-1, 2, -1, -1, -1)
        return self.decode(self.combine(twice), sources).unflatten(0, sources.shape[:2])
