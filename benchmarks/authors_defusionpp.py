"""DeFusion++ as its authors wrote it, with the names of our weights, which fit.

One pass for each source and block by block, attention as a matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.defusionpp import DeFusionPP, positions_at

PATCH = 16
Parts = tuple[Tensor, Tensor, list[Tensor], list[Tensor]]


class AuthorsDeFusionPP:
    """The authors' forward pass: common, unique and fused image, and that of a quarter of tokens.

    Args:
        network: A DeFusion++ of any size, with its residual.
    """

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, DeFusionPP)
        self.network, self.state = network, network.state_dict()
        self.depth = len(network.encoder.blocks)

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 3, H, W) to the fused image, (B, 3, H, W); the others are made and dropped."""
        padded = self.network.pad(sources)
        parts = common, common_skip, unique, unique_skip = self.parts(padded)
        self.image(common + common_skip, "decoder_common_blocks", padded)
        for own, skip in zip(unique, unique_skip, strict=True):
            self.image(own + skip, "decoder_unique_blocks", padded)
        self.masked_image(parts, padded)
        return self.network.crop(self.fused_image(parts, padded), sources)

    def linear(self, x: Tensor, key: str) -> Tensor:
        """A linear layer."""
        return F.linear(x, self.state[f"{key}.weight"], self.state[f"{key}.bias"])

    def norm(self, x: Tensor, key: str, eps: float = 1e-5) -> Tensor:
        """Of the values of each token."""
        weight, bias = self.state[f"{key}.weight"], self.state[f"{key}.bias"]
        return F.layer_norm(x, weight.shape, weight, bias, eps)

    def attention(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        """Three of (N, L, d) to one."""
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return (weights @ v).transpose(1, 2).flatten(2)

    def vit(self, x: Tensor, key: str, heads: int = 16, eps: float = 1e-5) -> Tensor:
        """A block of a vision transformer."""
        q, k, v = self.linear(self.norm(x, f"{key}.norm1", eps), f"{key}.attn.qkv").chunk(3, 2)
        x = x + self.linear(self.attention(q, k, v, heads), f"{key}.attn.proj")
        hidden = F.gelu(self.linear(self.norm(x, f"{key}.norm2", eps), f"{key}.mlp.fc1"))
        return x + self.linear(hidden, f"{key}.mlp.fc2")

    def cross(self, x1: Tensor, x2: Tensor, key: str, is_common: bool = False) -> Tensor:
        """A block of two inputs; queries of the second attend to values of the first."""
        inner = f"{key}.multi_input_self_attn"
        inputs = {"query": x2, "key": x2 if is_common else x1, "value": x1}
        weights = self.state[f"{inner}.multihead_attn.in_proj_weight"].chunk(3)
        biases = self.state[f"{inner}.multihead_attn.in_proj_bias"].chunk(3)
        q, k, v = (
            F.linear(self.linear(x, f"{inner}.{name}"), weight, bias)
            for (name, x), weight, bias in zip(inputs.items(), weights, biases, strict=True)
        )
        attended = self.linear(self.attention(q, k, v, 16), f"{inner}.multihead_attn.out_proj")
        x = self.norm(x2 + attended, f"{key}.norm1")
        hidden = self.linear(x, f"{key}.linear1").relu()
        return self.norm(x + self.linear(hidden, f"{key}.linear2"), f"{key}.norm2")

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 16h, 16w) to X and R, (B, L, d)."""
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        key = "encoder.patch_embed.proj"
        weight, bias = self.state[f"{key}.weight"], self.state[f"{key}.bias"]
        patches = F.conv2d((image - mean) / deviation, weight, bias, stride=PATCH).flatten(2).mT
        table = self.state["encoder.pos_embed"]
        table = positions_at(table, (image.shape[2] // PATCH, image.shape[3] // PATCH))
        first = (self.state["encoder.cls_token"] + table[:, :1]).expand(len(image), -1, -1)
        levels = [torch.cat([first, patches + table[:, 1:]], 1)]
        for k in range(self.depth):
            heads = 12 if k == self.depth - 1 else 6
            levels.append(self.vit(levels[-1], f"encoder.blocks.{k}", heads, 1e-6))
        start = self.norm(levels[0], "enc_norm1") + self.norm(levels[1], "enc_norm2")
        return levels[-1], start

    def parts(self, sources: Tensor) -> Parts:
        """Common tokens, those of the encoder's beginning, unique ones of each source, the same."""
        (x1, r1), (x2, r2) = (self.encode(source) for source in sources.unbind(1))
        unique, skip = "decoder_unique_blocks.0", "decoder_unique_skipconn"
        return (
            self.cross(x1, x2, "decoder_common_blocks.0", is_common=True),
            self.cross(r1, r2, "decode_common_skipconn", is_common=True),
            [
                self.cross(other, own, unique) + self.vit(own, "decoder_unique_residual")
                for other, own in ((x2, x1), (x1, x2))
            ],
            [
                self.cross(other, own, skip) + self.vit(own, "decoder_unique_residual_skipconn")
                for other, own in ((r2, r1), (r1, r2))
            ],
        )

    def fused_tokens(self, parts: Parts, gains: Tensor) -> tuple[Tensor, Tensor]:
        """F and F0; the gains are of each source and token, (2, B, L, 1)."""
        common, common_skip, unique, unique_skip = parts
        total = torch.zeros_like(common)
        for gain, own, skip in zip(gains, unique, unique_skip, strict=True):
            total = total + gain * self.cross(common, own, "decoder_fuse_blocks.0")
            total = total + gain * self.cross(common_skip, skip, "decoder_fuse_skipconn")
        tokens = total
        for k in range(2):
            tokens = self.vit(tokens, f"recon_blocks_mim_encoder.{k}")
        return tokens, total

    def fused_image(self, parts: Parts, sources: Tensor, gains: Tensor | None = None) -> Tensor:
        """The fused image of padded sources."""
        gains = torch.ones(2, 1, 1, 1) if gains is None else gains
        tokens, total = self.fused_tokens(parts, gains)
        return self.image(tokens + total, "decoder_fuse_blocks", sources)

    def masked_image(self, parts: Parts, sources: Tensor) -> Tensor:
        """The image of a quarter of the tokens, chosen at random."""
        batch, length, dim = parts[0].shape
        places = torch.rand(batch, length - 1).argsort(1)
        count = (length - 1) // 4
        index = torch.cat([torch.zeros(batch, 1), 1 + places[:, :count]], 1).long().unsqueeze(2)

        def kept(x: Tensor) -> Tensor:
            return x.gather(1, index.expand(-1, -1, dim))

        common, skip, unique, unique_skip = parts
        few = kept(common), kept(skip), [*map(kept, unique)], [*map(kept, unique_skip)]
        tokens, _ = self.fused_tokens(few, torch.ones(2, 1, 1, 1))
        masks = self.state["mask_token"].expand(batch, length - 1 - count, -1)
        whole = torch.cat([tokens[:, 1:], masks], 1)
        back = places.argsort(1).unsqueeze(2).expand(-1, -1, dim)
        size = sources.shape[3] // PATCH, sources.shape[4] // PATCH
        table = positions_at(self.state["decoder_pos_embed"], size)
        tokens = torch.cat([tokens[:, :1], whole.gather(1, back)], 1) + table
        for k in range(2):
            tokens = self.vit(tokens, f"mim_decoder_blocks.{k}")
        tokens = self.linear(self.norm(tokens, "mim_decoder_norm"), "mim_decoder_pred")
        return self.unpatchify(tokens[:, 1:], sources)

    def image(self, tokens: Tensor, key: str, like: Tensor) -> Tensor:
        """What the last block and the head of a branch make of tokens."""
        return self.unpatchify(self.linear(self.vit(tokens, f"{key}.1"), f"{key}.2")[:, 1:], like)

    def unpatchify(self, values: Tensor, like: Tensor) -> Tensor:
        """(B, h·w, 768) to (B, 3, 16h, 16w)."""
        grid = like.shape[3] // PATCH, like.shape[4] // PATCH
        patches = values.unflatten(2, (PATCH, PATCH, 3)).unflatten(1, grid)
        return torch.einsum("nhwpqc->nchpwq", patches).flatten(4).flatten(2, 3)
