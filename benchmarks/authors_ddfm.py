"""DDFM as its authors wrote it, with the weights of ours.

Colours to YCbCr and back, complex Fourier transforms, noise drawn in every step and multiplied by
0; attention with its scores in memory, features channel by channel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.ddfm import DDFM, LAMBDA, RHO, SHOWN, TINY, schedule
from fusionlab.networks.guided_diffusion import GROUPS, HEAD, step_embedding

TO_YCBCR = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
OFFSETS = (16.0, 128.0, 128.0)


class AuthorsDDFM:
    """The sampler, with an EM step after each prediction."""

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, DDFM)
        self.network, self.prior = network, AuthorsUNet(network)
        self.matrix = torch.tensor(TO_YCBCR) / 255
        self.inverse = self.matrix.inverse()
        self.offsets = torch.tensor(OFFSETS).view(3, 1, 1) / 255

    def __call__(self, sources: Tensor) -> Tensor:
        """(1, 2, 1, H, W) to (1, 1, H, W)."""
        pair = 2 * ((255 * self.network.pad(sources)).round() / 255) - 1
        first, second = pair.unbind(1)
        state: dict[str, Any] = {"f": [torch.zeros_like(first)] * 2}
        state["tau"] = [first.new_ones(())] * 2
        kept, shares = schedule(self.network.steps)
        x = self.network.noise(pair)
        for k in reversed(range(self.network.steps)):
            share, before = float(shares[k]), float(shares[k - 1]) if k else 1.0
            noise = self.prior(x, kept[k])[:, :3]
            clean = ((1 / share) ** 0.5 * x - (1 / share - 1) ** 0.5 * noise).clamp(-1, 1)
            colours = torch.einsum("ij,bjhw->bihw", self.matrix, clean) + self.offsets
            likely = em_step(colours[:, :1], first, second, state)
            colours = torch.cat([likely, colours[:, 1:]], 1) - self.offsets
            clean = torch.einsum("ij,bjhw->bihw", self.inverse, colours)
            noise = ((1 / share) ** 0.5 * x - clean) / (1 / share - 1) ** 0.5
            x = before**0.5 * clean + (1 - before) ** 0.5 * noise + 0 * torch.randn_like(x)
        luma = (x.new_tensor(SHOWN).view(3, 1, 1) * x).sum(1, keepdim=True)
        return self.network.crop((luma + 1) / 2, sources)


def em_step(fused: Tensor, first: Tensor, second: Tensor, state: dict[str, Any]) -> Tensor:
    """The luma of a prediction, (1, 1, H, W), made more likely."""
    y, x = first - second, fused - second
    tau_a, tau_b = state["tau"]
    d = (2 / (tau_b * (x**2 + TINY))) ** 0.5
    c = (2 / (tau_a * (y - x + TINY) ** 2)) ** 0.5
    d = torch.minimum(d, 2 * c)
    state["tau"] = [
        (1 / (c + 1e-10) + tau_a / 2).mean(),
        (1 / (d + 1e-10) + tau_b / 2).mean(),
    ]
    height, width = y.shape[2:]
    k1 = torch.zeros_like(y)
    k1[..., 0, 0], k1[..., 0, -1] = -1, 1
    k2 = torch.zeros_like(y)
    k2[..., 0, 0], k2[..., -1, 0] = -1, 1
    transfers = [torch.fft.fft2(k) for k in (k1, k2)]
    spectrum = torch.fft.fft2(y - x)
    for transfer, gradient in zip(transfers, state["f"], strict=True):
        spectrum = spectrum + transfer.conj() * torch.fft.fft2(gradient)
    total = 1 + transfers[0].abs() ** 2 + transfers[1].abs() ** 2
    h = torch.fft.ifft2(spectrum / total).real
    columns, rows = h.clone(), h.clone()
    columns[..., : width - 1] -= h[..., 1:]
    rows[..., : height - 1, :] -= h[..., 1:, :]
    state["f"] = [RHO / (2 * LAMBDA + RHO) * one for one in (columns, rows)]
    return first - (2 * c * y + RHO * (y - h)) / (2 * c + 2 * d + RHO)


class AuthorsUNet:
    """The U-Net of guided diffusion, with its tensors by name."""

    def __init__(self, network: DDFM) -> None:
        self.prior, self.state = network.prior, network.prior.state_dict()

    def __call__(self, x: Tensor, step: int) -> Tensor:
        """(1, 3, H, W) to (1, 6, H, W)."""
        embedding = step_embedding(step, self.prior.width)
        embedding = self.linear("time_embed.0", embedding)
        embedding = self.linear("time_embed.2", F.silu(embedding))
        skipped = []
        for k in range(len(self.prior.input_blocks)):
            x = self.stage(f"input_blocks.{k}", x, embedding)
            skipped.append(x)
        x = self.stage("middle_block", x, embedding)
        for k in range(len(self.prior.output_blocks)):
            x = torch.cat([x, skipped.pop()], 1)
            x = self.stage(f"output_blocks.{k}", x, embedding)
        return self.convolution("out.2", F.silu(self.norm("out.0", x)))

    def stage(self, name: str, x: Tensor, embedding: Tensor) -> Tensor:
        """Layers of one name, one after the other."""
        for k, layer in self.prior.get_submodule(name).named_children():
            key = f"{name}.{k}"
            if f"{key}.emb_layers.1.weight" in self.state:
                x = self.residual(key, x, embedding, str(layer.resize))
            elif f"{key}.qkv.weight" in self.state:
                x = self.attention(key, x)
            else:
                x = self.convolution(key, x)
        return x

    def residual(self, name: str, x: Tensor, embedding: Tensor, resize: str) -> Tensor:
        """Two convolutions, told the step between them."""
        h = F.silu(self.norm(f"{name}.in_layers.0", x))
        if resize == "up":
            h, x = (F.interpolate(one, scale_factor=2, mode="nearest") for one in (h, x))
        elif resize == "down":
            h, x = F.avg_pool2d(h, 2, 2), F.avg_pool2d(x, 2, 2)
        h = self.convolution(f"{name}.in_layers.2", h)
        told = self.linear(f"{name}.emb_layers.1", F.silu(embedding))[..., None, None]
        scale, shift = told.chunk(2, 1)
        h = self.norm(f"{name}.out_layers.0", h) * (1 + scale) + shift
        h = self.convolution(f"{name}.out_layers.3", F.silu(h))
        if f"{name}.skip_connection.weight" in self.state:
            x = self.convolution(f"{name}.skip_connection", x)
        return x + h

    def attention(self, name: str, x: Tensor) -> Tensor:
        """Of all pixels to all others."""
        tokens = x.flatten(2)
        heads = max(1, tokens.shape[1] // HEAD)
        qkv = F.conv1d(
            self.norm(f"{name}.norm", tokens),
            self.state[f"{name}.qkv.weight"],
            self.state[f"{name}.qkv.bias"],
        )
        q, k, v = qkv.reshape(len(x) * heads, -1, tokens.shape[2]).chunk(3, 1)
        scale = q.shape[1] ** -0.25
        shares = torch.einsum("bct,bcs->bts", q * scale, k * scale).softmax(-1)
        found = torch.einsum("bts,bcs->bct", shares, v).reshape(tokens.shape)
        weight, bias = self.state[f"{name}.proj_out.weight"], self.state[f"{name}.proj_out.bias"]
        return (tokens + F.conv1d(found, weight, bias)).view_as(x)

    def convolution(self, name: str, x: Tensor) -> Tensor:
        """With zeros around the image."""
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)

    def norm(self, name: str, x: Tensor) -> Tensor:
        """Group norm."""
        return F.group_norm(x, GROUPS, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def linear(self, name: str, x: Tensor) -> Tensor:
        """A linear layer."""
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])
