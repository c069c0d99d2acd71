"""The U-Net of guided diffusion, the prior of DDFM.

Dhariwal and Nichol: Diffusion Models Beat GANs on Image Synthesis, NeurIPS 2021,
https://arxiv.org/abs/2105.05233
Authors' code: https://github.com/openai/guided-diffusion
Differs: only what their unconditional ImageNet model of 256x256 pixels is built of; fewer channels,
levels and blocks are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MULTIPLIERS = (1, 1, 2, 2, 4, 4)  # of the width, on each level
FIRST_ATTENTION = 3  # level from which blocks attend: 1/8 of the height and the width
HEAD = 64  # channels of a head
GROUPS = 32


class ResidualBlock(nn.Module):
    """Two convolutions, told the step of the diffusion between them.

    Args:
        channels_in: Channels that enter.
        channels_out: Channels that leave.
        embedded: Values of the step's embedding.
        resize: ``up`` or ``down`` by a factor of 2, or empty.
    """

    def __init__(
        self, channels_in: int, channels_out: int, embedded: int, resize: str = ""
    ) -> None:
        super().__init__()
        self.resize = resize
        self.in_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, channels_in),
            nn.SiLU(inplace=True),
            nn.Conv2d(channels_in, channels_out, 3, padding=1),
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedded, 2 * channels_out))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(GROUPS, channels_out),
            nn.SiLU(inplace=True),
            nn.Identity(),  # dropout in training
            nn.Conv2d(channels_out, channels_out, 3, padding=1),
        )
        same = channels_in == channels_out
        self.skip_connection = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, F, h, w) and (B, E) to (B, G, h', w')."""
        y = self.in_layers[2](self._resized(self.in_layers[:2](x)))
        scale, shift = self.emb_layers(embedding)[:, :, None, None].chunk(2, 1)
        y = torch.addcmul(shift, self.out_layers[0](y), 1 + scale)
        return self.skip_connection(self._resized(x)) + self.out_layers[1:](y)

    def _resized(self, x: Tensor) -> Tensor:
        if self.resize == "up":
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        return F.avg_pool2d(x, 2) if self.resize else x


class AttentionBlock(nn.Module):
    """Attention of all pixels to all others; the channels of a head hold its q, k and v."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD)
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, F, h, w) to the same; the embedding is of no use."""
        tokens = self.qkv(self.norm(x.flatten(2)))
        q, k, v = tokens.unflatten(1, (self.heads, -1)).mT.chunk(3, -1)  # (B, heads, h·w, 64)
        attended = F.scaled_dot_product_attention(q, k, v).mT.flatten(1, 2)
        return x + self.proj_out(attended).view(x.shape)


class First(nn.Conv2d):
    """The first convolution, which is not told the step either."""

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """(B, 3, h, w) to (B, F, h, w)."""
        return super().forward(x)


class UNet(nn.Module):
    """From noisy images and the step of the diffusion to their noise, and its variance.

    Args:
        width: Channels of the first level, a multiple of 32.
        levels: Number of levels, up to 6.
        blocks: Residual blocks on each level.
    """

    def __init__(self, width: int = 256, levels: int = 6, blocks: int = 2) -> None:
        super().__init__()
        self.width, embedded = width, 4 * width
        self.time_embed = nn.Sequential(
            nn.Linear(width, embedded), nn.SiLU(), nn.Linear(embedded, embedded)
        )

        def stage(channels_in: int, channels_out: int, level: int) -> list[nn.Module]:
            made: list[nn.Module] = [ResidualBlock(channels_in, channels_out, embedded)]
            return [*made, AttentionBlock(channels_out)] if level >= FIRST_ATTENTION else made

        channels = width
        stages: list[list[nn.Module]] = [[First(3, width, 3, padding=1)]]
        skipped = [width]
        for level in range(levels):
            for _ in range(blocks):
                stages.append(stage(channels, MULTIPLIERS[level] * width, level))
                channels = MULTIPLIERS[level] * width
                skipped.append(channels)
            if level < levels - 1:
                stages.append([ResidualBlock(channels, channels, embedded, "down")])
                skipped.append(channels)
        self.input_blocks = nn.ModuleList(nn.ModuleList(one) for one in stages)
        self.middle_block = nn.ModuleList(
            [
                ResidualBlock(channels, channels, embedded),
                AttentionBlock(channels),
                ResidualBlock(channels, channels, embedded),
            ]
        )
        stages = []
        for level in reversed(range(levels)):
            for block in range(blocks + 1):
                made = stage(channels + skipped.pop(), MULTIPLIERS[level] * width, level)
                channels = MULTIPLIERS[level] * width
                if level and block == blocks:
                    made.append(ResidualBlock(channels, channels, embedded, "up"))
                stages.append(made)
        self.output_blocks = nn.ModuleList(nn.ModuleList(one) for one in stages)
        self.out = nn.Sequential(
            nn.GroupNorm(GROUPS, channels), nn.SiLU(), nn.Conv2d(channels, 6, 3, padding=1)
        )

    def forward(self, x: Tensor, step: int) -> Tensor:
        """Noisy images, (B, 3, H, W) about in [-1, 1], at a step of 0 to 999, to (B, 6, H, W)."""
        embedding = self.time_embed(step_embedding(step, self.width).to(x))
        skipped = []
        x = x.contiguous(memory_format=torch.channels_last)  # faster
        for stage in self.input_blocks:
            x = _through(stage, x, embedding)
            skipped.append(x)
        x = _through(self.middle_block, x, embedding)
        for stage in self.output_blocks:
            x = _through(stage, torch.cat((x, skipped.pop()), 1), embedding)
        return self.out(x)


def step_embedding(step: int, dim: int) -> Tensor:
    """Cosines, then sines, of a step at rates from 1 down to 1/10000, (1, dim)."""
    half = dim // 2
    rates = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    return torch.cat(((step * rates).cos(), (step * rates).sin())).unsqueeze(0)


def _through(stage: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    for layer in stage.children():
        x = layer(x, embedding)
    return x
