"""U2Fusion, MUFusion and PMGI as their authors wrote them, with the weights of ours.

Layer by layer, every image padded by itself, features channel by channel in memory; MUFusion in
double precision, all tiles as one batch.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.mufusion import TILE, MUFusion, tile_places
from fusionlab.networks.u2fusion import WIDTH, U2Fusion


class AuthorsU2Fusion:
    """The graph of the TensorFlow original: reflected borders, the output before the input."""

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, U2Fusion)
        (self.first,) = _convolutions(network.conv_1)
        self.dense = [_reversed(one) for one in _convolutions(network.dense_layers)]
        first, *rest = _convolutions(network.sub)
        self.decoder = [_reversed(first), *rest]

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        x = F.leaky_relu(reflected(self.first, sources.flatten(1, 2)), 0.2)
        for layer in self.dense:
            x = torch.cat([F.leaky_relu(reflected(layer, x), 0.2), x], 1)
        for layer in self.decoder[:-1]:
            x = F.leaky_relu(reflected(layer, x), 0.2)
        return reflected(self.decoder[-1], x).tanh() / 2 + 0.5


class AuthorsMUFusion:
    """The tiles of the test script; smaller images whole.

    Args:
        network: Ours.
        dtype: Precision; the authors' is double.
    """

    def __init__(self, network: FusionNetwork, dtype: torch.dtype = torch.float64) -> None:
        assert isinstance(network, MUFusion)
        self.padding, self.dtype = network, dtype
        own = copy.deepcopy(network).to(dtype)
        self.layers = {name: _convolutions(one)[0] for name, one in own.named_children()}

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        padded = self.padding.pad(sources).flatten(1, 2).to(self.dtype)
        height, width = padded.shape[2:]
        if min(height, width) < TILE:
            return self.padding.crop(self.fuse(padded), sources).to(sources)
        places = list(tile_places(height, width))
        tiles = torch.cat([padded[..., rows, columns] for rows, columns in places])
        total, count = torch.zeros_like(padded[:, :1]), torch.zeros_like(padded[0, 0])
        fused = self.fuse(tiles).split(len(padded))
        for (rows, columns), tile in zip(places, fused, strict=True):
            total[..., rows, columns] += tile
            count[rows, columns] += 1
        return (total / count).to(sources)

    def fuse(self, x: Tensor) -> Tensor:
        """(N, 2, H, W) to (N, 1, H, W)."""
        g1 = self.layer("conv1", x)
        g2 = self.layer("conv2", g1)
        g3 = self.layer("conv3", torch.cat([g1, g2], 1))
        g4 = self.layer("conv4", g3)
        g5 = self.layer("conv5", torch.cat([g3, g4], 1))
        g6 = self.layer("conv6", torch.cat([g3, g4, g5], 1))
        d5 = self.layer("conv55", torch.cat([g5, self.layer("conv66", g6)], 1))
        d4 = self.layer("conv44", torch.cat([g4, d5], 1))
        d3 = self.layer("conv33", torch.cat([g3, d4], 1))
        up = F.interpolate(d3, scale_factor=2, mode="bicubic", align_corners=False)
        d2 = self.layer("conv22", torch.cat([g2, up], 1))
        return reflected(self.layers["conv11"], torch.cat([g1, d2], 1)).tanh()

    def layer(self, name: str, x: Tensor) -> Tensor:
        """A convolution with the border reflected, and ReLU."""
        return F.relu(reflected(self.layers[name], x))


class AuthorsPMGI:
    """The graph of the original: both streams, norms by the statistics of what they see."""

    def __init__(self, network: FusionNetwork) -> None:
        self.state = network.state_dict()

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        s1, s2 = (2 * sources - 1).unbind(1)
        a1 = self.unit("layer1", s1, s1, s2)
        b1 = self.unit("layer1_vi", s2, s2, s1)
        a2, b2 = self.unit("layer2", a1), self.unit("layer2_vi", b1)
        a23, b23 = self.unit("layer2_3", a2, b2), self.unit("layer2_3_vi", a2, b2)
        a3, b3 = self.unit("layer3", a1, a2, a23), self.unit("layer3_vi", b1, b2, b23)
        a34, b34 = self.unit("layer3_4", a3, b3), self.unit("layer3_4_vi", a3, b3)
        a4 = self.unit("layer4", a1, a2, a3, a34)
        b4 = self.unit("layer4_vi", b1, b2, b3, b34)
        every = torch.cat([a1, b1, a2, b2, a3, b3, a4, b4], 1)
        found = F.conv2d(every, self.state["layer5.weight"], self.state["layer5.bias"])
        return (found.tanh() + 1) / 2

    def unit(self, name: str, *maps: Tensor) -> Tensor:
        """Convolution of concatenated maps, norm, LeakyReLU."""
        weight, bias = self.state[f"{name}.conv.weight"], self.state[f"{name}.conv.bias"]
        x = F.conv2d(torch.cat(maps, 1), weight, bias, padding=weight.shape[-1] // 2)
        x = F.batch_norm(x, None, None, training=True, eps=1.001e-5)
        return F.leaky_relu(x, 0.2)


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [one for one in module.modules() if isinstance(one, nn.Conv2d)]


def _reversed(layer: nn.Conv2d) -> nn.Conv2d:
    """For features in the reverse order of the layers that made them."""
    layer = copy.deepcopy(layer)
    layer.weight = nn.Parameter(torch.cat(layer.weight.split(WIDTH, 1)[::-1], 1))
    return layer


def reflected(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 3x3 convolution behind a reflected border."""
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, layer.weight, layer.bias, layer.stride)
