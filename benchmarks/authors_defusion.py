"""DeFusion as its authors wrote it, with the names of our weights, which fit.

One pass for each source, all maps concatenated, features channel by channel in memory.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork


class AuthorsDeFusion:
    """The authors' static pass, and the maps before it.

    Args:
        network: A DeFusion of any width and depth, without ``skip``.
    """

    def __init__(self, network: FusionNetwork) -> None:
        self.network, self.state = network, network.state_dict()

    def __call__(self, sources: Tensor, rd: Tensor | None = None) -> Tensor:
        """(B, 2, 3, H, W), perhaps with RD, (B, 2, 1, H, W), to the fused image, (B, 3, H, W)."""
        first, second = (1, 1) if rd is None else (2 * self.network.pad(rd)).unbind(1)
        common, (e1, e2) = self.embeddings(self.network.pad(sources))
        return self.image(first * e1 + second * e2 + common, "fusion_rule")[..., 16:-16, 16:-16]

    def embeddings(self, sources: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The common and the unique embeddings of padded sources, (B, 16, H, W) each."""
        pyramids = [self.pyramid(source) for source in sources.unbind(1)]
        size = tuple(sources.shape[3:])
        eighth = [pyramid[2] for pyramid in pyramids]
        deepest = self.layer(torch.cat(eighth, 1), "common_encoder.0")

        def decode(name: str, skips: list[list[Tensor]]) -> Tensor:
            x = self.layer(torch.cat([deepest, *skips[2]], 1), f"decoder_{name}_layer1")
            x = self.layer(self.up(x, *skips[1]), f"decoder_{name}_layer2")
            x = self.layer(self.up(x, *skips[0]), f"decoder_{name}_layer3")
            return self.layer(self.up(x, size=size), f"decoder_{name}_layer4.0")

        common = decode("common", [list(maps) for maps in zip(*pyramids, strict=True)])
        return common, [decode("upper", [[x] for x in pyramid]) for pyramid in pyramids]

    def image(self, x: Tensor, key: str) -> Tensor:
        """What a projection makes of an embedding, (B, 3, H, W), ≥ 0."""
        weight, bias = self.state[f"{key}.0.weight"], self.state[f"{key}.0.bias"]
        return F.conv2d(x, weight, bias, padding=1).relu()

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) to maps of half to an eighth of the size."""
        x = self.layer(self.image(image, "encoder_upper"), "encoder_upper.2", pool=1)
        maps = [self.layer(F.max_pool2d(x, 3, 2, 1), "upper_encoder_layer1")]
        for k in (2, 3):
            maps.append(self.layer(maps[-1], f"upper_encoder_layer{k}", pool=2, stride=2))
        return maps

    def layer(self, x: Tensor, key: str, pool: int = 0, stride: int = 1) -> Tensor:
        """The blocks of a layer; the first one may pool."""
        pattern = re.compile(rf"{re.escape(key)}\.layer\.\d\.conv1\.weight")
        count = sum(pattern.fullmatch(name) is not None for name in self.state)
        for k in range(count):
            x = self.block(x, f"{key}.layer.{k}.", *((pool, stride) if k == 0 else (0, 1)))
        return x

    def block(self, x: Tensor, key: str, pool: int, stride: int) -> Tensor:
        """A ResNeSt bottleneck."""
        state, shortcut = self.state, x
        if stride == 2:
            shortcut = F.avg_pool2d(x, 2, 2, ceil_mode=True, count_include_pad=False)
        for place in (0, 1):
            weight = state.get(f"{key}downsample.{place}.weight")
            shortcut = shortcut if weight is None else F.conv2d(shortcut, weight)
        y = F.conv2d(x, state[f"{key}conv1.weight"]).relu_()
        y = F.conv2d(y, state[f"{key}conv2.conv.weight"], padding=1, groups=2).relu_()
        u1, u2 = y.chunk(2, 1)
        scores = (u1 + u2).mean((2, 3), keepdim=True)
        for fc in ("conv2.fc1", "conv2.fc2"):
            scores = F.conv2d(scores, state[f"{key}{fc}.weight"], state[f"{key}{fc}.bias"])
            scores = scores.relu_() if fc == "conv2.fc1" else scores
        a1, a2 = scores.unflatten(1, (2, -1)).softmax(1).unbind(1)
        y = a1 * u1 + a2 * u2
        y = F.avg_pool2d(y, 3, pool, padding=1, count_include_pad=True) if pool else y
        return (F.conv2d(y, state[f"{key}conv3.weight"]) + shortcut).relu_()

    def up(self, x: Tensor, *skips: Tensor, size: tuple[int, ...] = ()) -> Tensor:
        """Twice as large, then of the exact size by the nearest pixel; skips concatenated."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        size = size or tuple(skips[0].shape[2:])
        x = x if tuple(x.shape[2:]) == size else F.interpolate(x, size=size, mode="nearest")
        return torch.cat([x, *skips], 1)
