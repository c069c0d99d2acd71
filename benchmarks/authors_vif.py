"""SwinFuse and DIVFusion as their authors wrote them, with the weights of ours.

SwinFuse tile by tile, all windows of a tile at once, one pass for each source; DIVFusion with its
fixed filters as dense kernels from every channel to every channel.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.divfusion import DIVFusion
from fusionlab.networks.swinfuse import HEADS, WINDOW, SwinFuse


class AuthorsSwinFuse:
    """The windows of its first blocks, on the tiles of the test script."""

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, SwinFuse)
        self.network, self.state = network, network.state_dict()
        index = network.EN1_0.blocks[0].attn.relative_position_index  # type: ignore[union-attr]  # nn.Module as its stub has it
        self.index = index.flatten()  # type: ignore[operator]  # the stub: Tensor or Module

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        padded, tile = self.network.pad(sources), self.network.tile
        fused = torch.zeros_like(padded[:, 0])
        for top in range(0, padded.shape[3], tile):
            for left in range(0, padded.shape[4], tile):
                place = (..., slice(top, top + tile), slice(left, left + tile))
                fused[place] = self.fuse(padded[place])
        return self.network.crop(fused, sources)

    def fuse(self, sources: Tensor) -> Tensor:
        """A tile, (B, 2, 1, T, T) to (B, 1, T, T)."""
        first, second = (self.encode(2 * source - 1) for source in sources.unbind(1))
        total = torch.zeros_like(first)
        for dims in ((2, 3), 1):
            one, other = (x.abs().mean(dims, keepdim=True).exp() for x in (first, second))
            total = total + first * (one / (one + other + 1e-5))
            total = total + second * (other / (one + other + 1e-5))
        found = F.conv2d(total, self.state["conv.weight"], self.state["conv.bias"])
        return found.tanh() / 2 + 0.5

    def encode(self, image: Tensor) -> Tensor:
        """(B, 1, T, T) to (B, F, T, T)."""
        side = image.shape[2]
        x = F.conv2d(
            image, self.state["patch_embed.proj.weight"], self.state["patch_embed.proj.bias"]
        )
        x = self.norm("patch_embed.norm", x.flatten(2).transpose(1, 2))
        for k, heads in enumerate(HEADS, 1):
            x = x + self.block(f"EN{k}_0.blocks.0", x, heads, side)
        return self.norm("norm", x).transpose(1, 2).unflatten(2, (side, side)).contiguous()

    def block(self, name: str, x: Tensor, heads: int, side: int) -> Tensor:
        """Tokens, (B, T·T, F), to the same."""
        batch, count, dim = x.shape
        windows = self.norm(f"{name}.norm1", x)
        windows = windows.view(batch, side // WINDOW, WINDOW, side // WINDOW, WINDOW, dim)
        windows = windows.transpose(2, 3).reshape(-1, WINDOW**2, dim)
        y = self.attention(f"{name}.attn", windows, heads)
        y = y.view(batch, side // WINDOW, side // WINDOW, WINDOW, WINDOW, dim)
        x = x + y.transpose(2, 3).reshape(batch, count, dim)
        hidden = F.gelu(self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.norm2", x)))
        return x + self.linear(f"{name}.mlp.fc2", hidden)

    def attention(self, name: str, x: Tensor, heads: int) -> Tensor:
        """Windows, (N, 49, F), to the same."""
        shape = (*x.shape[:2], 3, heads, x.shape[2] // heads)
        q, k, v = self.linear(f"{name}.qkv", x).view(shape).permute(2, 0, 3, 1, 4)
        table = self.state[f"{name}.relative_position_bias_table"]
        bias = table[self.index].view(WINDOW**2, WINDOW**2, heads).permute(2, 0, 1)
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias
        y = (weights.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        return self.linear(f"{name}.proj", y)

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Of the values of each token."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, x.shape[-1:], weight, bias)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """Of the values of each token."""
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])


class AuthorsDIVFusion:
    """The graph of the test script, batch norms by the statistics of what they see."""

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, DIVFusion)
        self.state = network.state_dict()

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        x = sources.flatten(1, 2)
        for k in range(4):
            x = self.layer(f"encoder.{k}", x)
        x = self.layer(
            "layer", torch.cat([self.shares(n, x) * x for n in ("CAM_IR", "CAM_VI_E")], 1)
        )
        sharp = x + stretched(filtered(x, [[0, 1, 0], [1, -4, 1], [0, 1, 0]]))
        for k in range(3):
            sharp = self.layer(f"laplacian.{k}", sharp, activates=k < 2)
        across, down = (filtered(x, one) for one in ([[0, 0], [-1, 1]], [[0, -1], [0, 1]]))
        edges = self.layer("sobel", stretched(across) + stretched(down), activates=False)
        x = torch.cat([sharp, edges], 1)
        x = torch.cat([self.layer(f"contrast.{k}", x) for k in range(4)], 1)
        x = x * x.std((2, 3), correction=0, keepdim=True)
        for k in range(4):
            x = self.layer(f"decoder.{k}", x, activates=k < 3)
        return x.sigmoid()

    def shares(self, name: str, x: Tensor) -> Tensor:
        """Of each channel, (B, F, 1, 1)."""
        found = self.layer(f"{name}.second", self.layer(f"{name}.first", x), activates=False)
        return found.mean((2, 3), keepdim=True).softmax(1)

    def layer(self, name: str, x: Tensor, activates: bool = True) -> Tensor:
        """Convolution, norm, LeakyReLU."""
        weight, bias = self.state[f"{name}.conv.weight"], self.state[f"{name}.conv.bias"]
        x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        scale, shift = self.state[f"{name}.gamma"], self.state[f"{name}.beta"]
        x = F.batch_norm(x, None, None, scale, shift, training=True, eps=1.001e-5)
        return F.leaky_relu(x, 0.2) if activates else x


def filtered(x: Tensor, kernel: list[list[int]]) -> Tensor:
    """A fixed kernel from every channel to every channel; zeros lie around, or right and below."""
    weight = x.new_tensor(kernel).expand(x.shape[1], x.shape[1], -1, -1).contiguous()
    sides = (1, 1, 1, 1) if len(kernel) == 3 else (0, 1, 0, 1)
    return F.conv2d(F.pad(x, sides), weight).abs()


def stretched(x: Tensor) -> Tensor:
    """From the least to the largest value."""
    return (x - x.min()) / (x.max() - x.min() + 1e-4)
