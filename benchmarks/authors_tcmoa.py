"""TC-MoA as its authors wrote it, with the weights of ours.

One pass of each block for each stream, both to the end, attention with its scores in memory,
experts on the tokens that they are chosen for, the output of twice the size of which every second
pixel is kept; images of more than 448 pixels as one batch of windows. Shifts are 0, as ours.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.tcmoa import (
    CHOSEN,
    DEVIATION,
    EXPERTS,
    MEAN,
    PATCH,
    PERIOD,
    SIZES,
    TILE,
    WINDOW,
    TCMoA,
    positions_at,
    relative_positions,
    window_starts,
)

TINY = 2.2e-16


class AuthorsTCMoA:
    """Infrared and visible images, task 0."""

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, TCMoA)
        self.network, self.state = network, network.state_dict()
        size = SIZES[network.options.get("size", "base")]
        self.heads = {"blocks": size.heads, "decoder_blocks": size.decoder_heads}
        self.index = relative_positions().flatten()

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 3, H, W) to (B, 3, H, W)."""
        mean, deviation = (sources.new_tensor(x).view(3, 1, 1) for x in (MEAN, DEVIATION))
        images = (self.network.pad(sources) - mean) / deviation
        height, width = images.shape[3:]
        if min(height, width) <= TILE:
            return self.network.crop(self.fuse(images) * deviation + mean, sources)
        places = [
            (..., slice(top, top + TILE), slice(left, left + TILE))
            for top in window_starts(height)
            for left in window_starts(width)
        ]
        found = self.fuse(torch.cat([images[place] for place in places]))
        fused = torch.empty_like(images[:, 0])
        for place, window in zip(places, found.split(len(images)), strict=True):
            fused[place] = window
        return fused * deviation + mean

    def fuse(self, pairs: Tensor) -> Tensor:
        """Normalised pairs, (N, 2, 3, H, W), to (N, 3, H, W)."""
        first, second = (self.embed(image) for image in pairs.unbind(1))
        size = (pairs.shape[3] * 2 // PATCH, pairs.shape[4] * 2 // PATCH)
        streams = self.through("blocks", "en", (first, second), size)
        table = positions_at(self.state["decoder_pos_embed"], size)
        first, second = (
            self.linear("decoder_embed", self.norm("norm", x, 1e-6)) + table for x in streams
        )
        first, second = self.through("decoder_blocks", "de", (first, second), size)
        x = self.linear("decoder_pred", self.norm("decoder_norm", first, 1e-6))
        x = x.view(-1, *size, PATCH, PATCH, 3).permute(0, 5, 1, 3, 2, 4)
        double = x.reshape(-1, 3, size[0] * PATCH, size[1] * PATCH)
        return F.interpolate(double, scale_factor=0.5, mode="nearest")

    def embed(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to tokens."""
        double = F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)
        weight, bias = self.state["patch_embed.proj.weight"], self.state["patch_embed.proj.bias"]
        maps = F.conv2d(double, weight, bias, stride=PATCH)
        size = (maps.shape[2], maps.shape[3])
        return maps.flatten(2).transpose(1, 2) + positions_at(self.state["pos_embed"], size)

    def through(
        self, blocks: str, part: str, streams: tuple[Tensor, Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Blocks and mixtures of the encoder (``en``) or the decoder (``de``)."""
        layers = "FusionLayer" if part == "en" else "de_FusionLayer"
        shares = self.state["Alpha_encoder" if part == "en" else "Alpha_decoder"]
        count = len(self.network.get_submodule(blocks))  # type: ignore[arg-type]  # the stub says Module
        for i in range(count):
            bias = self.state[f"{part}_relative_position.{i // 2}.relative_position_bias_table"]
            first, second = (
                self.block(f"{blocks}.{i}", x, size, bias, i % 2 == 1) for x in streams
            )
            streams = (first, second)
            if i % PERIOD == 1:
                k = i // PERIOD
                prompts = self.prompts(f"{blocks}_MoA.{k}", first, second)
                fused = self.layer(f"{layers}.{k}", first * prompts[0] + second * prompts[1], size)
                first, second = (shares[k] * fused + (1 - shares[k]) * x for x in streams)
                if part == "de":
                    first, second = (
                        _standardised(first, streams[0]),
                        _standardised(second, streams[1]),
                    )
                streams = (first, second)
        return streams

    def block(
        self, name: str, x: Tensor, size: tuple[int, int], table: Tensor, shifted: bool
    ) -> Tensor:
        """Tokens, (N, h·w, dim), to the same."""
        (height, width), (batch, count, dim) = size, x.shape
        rows, columns, half = height // WINDOW, width // WINDOW, WINDOW // 2
        grid = self.norm(f"{name}.norm1", x, 1e-6).view(batch, height, width, dim)
        if shifted:
            grid = torch.roll(grid, (-half, -half), (1, 2))
        windows = grid.view(batch, rows, WINDOW, columns, WINDOW, dim).transpose(2, 3)
        y = self.attention(name, windows.reshape(-1, WINDOW**2, dim), table)
        y = y.view(batch, rows, columns, WINDOW, WINDOW, dim).transpose(2, 3)
        y = y.reshape(batch, height, width, dim)
        if shifted:
            y = torch.roll(y, (half, half), (1, 2))
        x = x + y.view(batch, count, dim)
        hidden = F.gelu(self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.norm2", x, 1e-6)))
        return x + self.linear(f"{name}.mlp.fc2", hidden)

    def attention(self, name: str, x: Tensor, table: Tensor) -> Tensor:
        """Windows, (N, 196, dim), to the same."""
        heads = self.heads[name.partition(".")[0]]
        shape = (*x.shape[:2], 3, heads, x.shape[2] // heads)
        q, k, v = self.linear(f"{name}.attn.qkv", x).view(shape).permute(2, 0, 3, 1, 4)
        bias = table[self.index].view(WINDOW**2, WINDOW**2, heads).permute(2, 0, 1)
        scores = (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5 + bias
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        return self.linear(f"{name}.attn.proj", y)

    def prompts(self, name: str, first: Tensor, second: Tensor) -> list[Tensor]:
        """Of both streams, (N, n, 1) each."""
        both = self.norm(f"{name}.norm1", torch.cat([first, second], 2), 1e-5)
        y = F.linear(both, self.state[f"{name}.dimReduction.weight"])
        tokens = self.norm(f"{name}.norm2", y, 1e-5).flatten(0, 1)
        highest, chosen = (tokens @ self.state[f"{name}.MoA.w_gate"][0]).topk(CHOSEN, 1)
        gates = highest.softmax(1)
        total = torch.zeros_like(tokens)
        for e in range(EXPERTS):
            places, ranks = (chosen == e).nonzero(as_tuple=True)
            hidden = F.relu(self.linear(f"{name}.MoA.experts.{e}.fc1", tokens[places]))
            found = self.linear(f"{name}.MoA.experts.{e}.fc2", hidden).exp()
            total.index_add_(0, places, found * gates[places, ranks].unsqueeze(1))
        total[total == 0] = TINY
        halves = total.log().view_as(y).chunk(2, 2)
        return [half.mean(2, keepdim=True).sigmoid() for half in halves]

    def layer(self, name: str, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Three convolutions on the grid of patches."""
        x = tokens.transpose(1, 2).unflatten(2, size)
        for k in (1, 2, 3):
            x = F.conv2d(x, self.state[f"{name}.conv{k}.weight"], padding=int(k == 2))
        return x.flatten(2).transpose(1, 2)

    def norm(self, name: str, x: Tensor, epsilon: float) -> Tensor:
        """Layer norm of tokens."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x, x.shape[2:], weight, bias, epsilon)

    def linear(self, name: str, x: Tensor) -> Tensor:
        """A linear layer."""
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])


def _standardised(tokens: Tensor, before: Tensor) -> Tensor:
    """With the mean and the deviation of other tokens."""
    mean, deviation = tokens.mean((1, 2), keepdim=True), tokens.std((1, 2), keepdim=True) + 1e-12
    unit = (tokens - mean) / deviation
    return unit * before.std((1, 2), keepdim=True) + before.mean((1, 2), keepdim=True)
