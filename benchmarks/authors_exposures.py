"""DeepFuse and HoLoCo as their authors wrote them, with the weights of ours.

One pass for each source, features channel by channel in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork

LUMA = (0.299, 0.587, 0.114)


class AuthorsDeepFuse:
    """The Theano original: LeakyReLU after every layer, the sum of both sources, a stretch."""

    def __init__(self, network: FusionNetwork) -> None:
        self.encoder = [p for p in network.get_submodule("encoder").parameters() if p.ndim == 4]
        self.decoder = [p for p in network.get_submodule("decoder").parameters() if p.ndim == 4]

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        first, second = (self.layers(255 * source, self.encoder) for source in sources.unbind(1))
        found = self.layers(first + second, self.decoder)
        low, high = found.min(), found.max()
        return (found - low) / (high - low)

    @staticmethod
    def layers(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Convolutions with zeros around the image."""
        for weight in weights:
            x = F.leaky_relu(F.conv2d(x, weight, padding=weight.shape[-1] // 2), 0.01)
        return x


class AuthorsHoLoCo:
    """Both attention networks and both U-Nets of the test script, in the size of the images."""

    def __init__(self, network: FusionNetwork) -> None:
        self.padding, self.state = network, network.state_dict()

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 3, H, W) to (B, 3, H, W)."""
        under, over = self.padding.pad(sources).unbind(1)
        x = self.attention("A_1", under) * under + self.attention("A_2", over) * over
        grey = LUMA[0] * x[:, :1] + LUMA[1] * x[:, 1:2] + LUMA[2] * x[:, 2:]
        divided = x / (self.unet("G_A", x, grey).sigmoid() + 1e-5)
        added = self.unet("G_B", x, grey) + x
        return self.padding.crop(0.6 * divided + 0.4 * added, sources)

    def convolution(self, key: str, x: Tensor) -> Tensor:
        """With zeros around the image."""
        weight, bias = self.state[f"{key}.weight"], self.state[f"{key}.bias"]
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def attention(self, name: str, image: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 3, H, W)."""
        x = image
        for key in ("fe1", "fe2", "sAtt_1"):
            x = F.leaky_relu(self.convolution(f"{name}.{key}", x), 0.1)
        pooled = torch.cat([F.max_pool2d(x, 3, 2, 1), F.avg_pool2d(x, 3, 2, 1)], 1)
        for key in ("sAtt_2", "sAtt_L1"):
            pooled = F.leaky_relu(self.convolution(f"{name}.{key}", pooled), 0.1)
        size = image.shape[2:]
        x = x + F.interpolate(pooled, size, mode="bilinear", align_corners=False)
        return self.convolution(f"{name}.sAtt_5", x).sigmoid()

    def unet(self, name: str, image: Tensor, grey: Tensor) -> Tensor:
        """(B, 3, H, W) and its luma to (B, 3, H, W)."""
        maps, x = [grey], torch.cat([image, grey], 1)
        for _ in range(4):
            maps.append(F.max_pool2d(maps[-1], 2))
        skips = []
        for n in range(1, 5):
            x = self.unit(name, f"{n}_2", self.unit(name, f"{n}_1", x))
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self.unit(name, "5_2", self.unit(name, "5_1", x) * maps[4])
        for n in range(6, 10):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.convolution(f"{name}.deconv{n - 1}", x)
            x = torch.cat([x, skips[9 - n] * maps[9 - n]], 1)
            x = self.unit(name, f"{n}_2", self.unit(name, f"{n}_1", x))
        return self.convolution(f"{name}.conv10", x) * grey

    def unit(self, name: str, key: str, x: Tensor) -> Tensor:
        """Convolution, LeakyReLU, and batch norm, which the last one lacks."""
        x = F.leaky_relu(self.convolution(f"{name}.conv{key}", x), 0.2)
        norm = f"{name}.bn{key}"
        if f"{norm}.weight" not in self.state:
            return x
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, scale, shift = (self.state[f"{norm}.{one}"] for one in names)
        return F.batch_norm(x, mean, variance, scale, shift)
