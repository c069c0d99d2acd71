"""CDDFuse: correlation-driven dual-branch feature decomposition for image fusion.

Zhao et al., CVPR 2023, https://arxiv.org/abs/2211.14461
Authors' code: https://github.com/Zhaozixiang1228/MMIF-CDDFuse
Differs: all sources are encoded as one batch (large ones, without gradients, a few at a time to
save memory) with features channels last in memory; two convolutions in a row without anything
between them are one, and the attention map is multiplied with the projection behind it before it
meets the image; the output is the same to rounding. The authors' stretch of the output to its
minimum and maximum is done in evaluation. Images of one row or column, which the detail branch
cannot reflect, are refused. The sum over more than two sources is ours. Untrained weights are
PyTorch's defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

FEATURES = 64
HEADS = 8

PIXELS = 2**17  # of all images that a part works on at once, where no gradients are kept

RESIDUALS = ("first", "sum", "none")

PUBLISHED_NAMES = {  # parts of our keys, in the authors' words
    "encoder.embed": "DIDF_Encoder.patch_embed.proj",
    "encoder.blocks": "DIDF_Encoder.encoder_level1",
    "encoder.base": "DIDF_Encoder.baseFeature",
    "encoder.detail": "DIDF_Encoder.detailFeature.net",
    "decoder.reduce": "DIDF_Decoder.reduce_channel",
    "decoder.blocks": "DIDF_Decoder.encoder_level2",
    "decoder.output": "DIDF_Decoder.output",
    "base_fusion": "BaseFuseLayer",
    "detail_fusion": "DetailFuseLayer.net.0",
    ".norm1.": ".norm1.body.",
    ".norm2.": ".norm2.body.",
    ".phi.": ".theta_phi.bottleneckBlock.",
    ".rho.": ".theta_rho.bottleneckBlock.",
    ".eta.": ".theta_eta.bottleneckBlock.",
    ".mix.": ".shffleconv.",
}
PUBLISHED_PARTS = ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")


def channel_attention(qkv: Tensor, scale: Tensor, projection: Tensor) -> Tensor:
    """Attention of the 8 channels of a head to each other over the whole image, then a 1x1.

    Queries and keys are of length 1 over the pixels, so their products are cosines. All heads are
    one map of 64 x 64, zero between heads.

    Args:
        qkv: Queries, keys and values, (N, 3·64, H, W).
        scale: What the cosines of each head are multiplied by, (8, 1, 1).
        projection: Weight of the 1x1 convolution that follows, (64, 64, 1, 1).

    Returns:
        (N, 64, H, W).
    """
    q, k, v = qkv.permute(0, 2, 3, 1).flatten(1, 2).chunk(3, dim=2)  # (N, H*W, 64)
    with torch.autocast(qkv.device.type, enabled=False):  # sums over an image overflow float16
        q, k = q.float(), k.float()
        q_length, k_length = (x.square().sum(1).clamp_min(1e-24).sqrt() for x in (q, k))
        cosines = (q.mT @ k) / q_length[:, :, None] / k_length[:, None]
        head = torch.arange(HEADS, device=qkv.device).repeat_interleave(FEATURES // HEADS)
        logits = cosines * scale.flatten(1).repeat_interleave(FEATURES // HEADS, dim=0)
        attention = logits.masked_fill(head[:, None] != head, -torch.inf).softmax(-1)
    projected = v @ (projection.flatten(1) @ attention.to(v.dtype)).mT
    return projected.unflatten(1, qkv.shape[2:]).permute(0, 3, 1, 2)


class PixelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to the same."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Pointwise(nn.Conv2d):
    """1x1 convolution as the matrix product that it is when channels lie last in memory."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W)."""
        y = F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)


class TransposedAttention(nn.Module):
    """Restormer's attention: queries, keys and values by a 1x1 and a depthwise convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv = Pointwise(FEATURES, 3 * FEATURES)
        self.qkv_dwconv = nn.Conv2d(
            3 * FEATURES, 3 * FEATURES, 3, padding=1, groups=3 * FEATURES, bias=False
        )
        self.project_out = Pointwise(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        qkv = self.qkv_dwconv(self.qkv(x))
        return channel_attention(qkv, self.temperature, self.project_out.weight)


class BaseAttention(nn.Module):
    """The base branch's attention: a 1x1 and a dense 3x3 convolution, computed as one."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.qkv1 = Pointwise(FEATURES, 3 * FEATURES)
        self.qkv2 = nn.Conv2d(3 * FEATURES, 3 * FEATURES, 3, padding=1, bias=False)
        self.proj = Pointwise(FEATURES, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        # 64 to 192 channels at once: a third of the products. Exact, for without bias the 1x1
        # keeps the zeros of the padding.
        weight = torch.einsum("omhw,mi->oihw", self.qkv2.weight, self.qkv1.weight.flatten(1))
        return channel_attention(F.conv2d(x, weight, padding=1), self.scale, self.proj.weight)


class GatedConvolution(nn.Module):
    """1x1, grouped 3x3, one half gates the other by GELU, 1x1."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = Pointwise(FEATURES, 2 * hidden)
        self.dwconv = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=groups, bias=False)
        self.project_out = Pointwise(hidden, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        gate, value = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        gate = F.gelu(gate)
        return self.project_out(gate * value if torch.is_grad_enabled() else gate.mul_(value))


class RestormerBlock(nn.Module):
    """Attention and gated convolution, each of the normalised input and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = PixelNorm(FEATURES)
        self.attn = TransposedAttention()
        self.norm2 = PixelNorm(FEATURES)
        self.ffn = GatedConvolution(hidden=128, groups=256)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        x = self.attn(self.norm1(x)).add_(x)
        return self.ffn(self.norm2(x)).add_(x)


class BaseBlock(nn.Module):
    """The base branch, and the fusion layer of base features: global context by attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = PixelNorm(FEATURES)
        self.attn = BaseAttention()
        self.norm2 = PixelNorm(FEATURES)
        self.mlp = GatedConvolution(hidden=64, groups=64)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        x = self.attn(self.norm1(x)).add_(x)
        return self.mlp(self.norm2(x)).add_(x)


def bottleneck() -> nn.Sequential:
    """What couples the halves of a detail node: (N, 32, H, W) to the same."""
    return nn.Sequential(
        Pointwise(32, 64),
        nn.ReLU6(inplace=True),
        nn.ReflectionPad2d(1),
        nn.Conv2d(64, 64, 3, groups=64, bias=False),
        nn.ReLU6(inplace=True),
        Pointwise(64, 32),
    )


class DetailNode(nn.Module):
    """A node of the detail branch, and the fusion layer of detail features: affine coupling."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = Pointwise(FEATURES, FEATURES, bias=True)
        self.phi = bottleneck()
        self.rho = bottleneck()
        self.eta = bottleneck()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same; H, W ≥ 2 for the reflection."""
        z1, z2 = self.mix(x).chunk(2, dim=1)
        z2 = self.phi(z1).add_(z2)
        z1 = torch.addcmul(self.eta(z2), z1, self.rho(z2).exp())
        return torch.cat((z1, z2), dim=1)


class Encoder(nn.Module):
    """Shared features of an image, and their base and detail."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, FEATURES, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*(RestormerBlock() for _ in range(4)))
        self.base = BaseBlock()
        self.detail = nn.Sequential(*(DetailNode() for _ in range(3)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, H, W) to twice (N, 64, H, W)."""
        x = self.embed(images).contiguous(memory_format=torch.channels_last)
        shared = self.blocks(x)
        return self.base(shared), self.detail(shared)


class Decoder(nn.Module):
    """The image of base and detail features."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = Pointwise(2 * FEATURES, FEATURES)
        self.blocks = nn.Sequential(*(RestormerBlock() for _ in range(4)))
        self.output = nn.Sequential(
            nn.Conv2d(FEATURES, FEATURES // 2, 3, padding=1, bias=False),
            nn.LeakyReLU(0.01, inplace=True),
            nn.Conv2d(FEATURES // 2, 1, 3, padding=1, bias=False),
        )

    def forward(self, base: Tensor, detail: Tensor, residual: Tensor | None = None) -> Tensor:
        """Twice (N, 64, H, W) to (N, 1, H, W) in (0, 1); the residual is an image."""
        x = self.output(self.blocks(self.reduce(torch.cat((base, detail), dim=1))))
        return (x if residual is None else x + residual).sigmoid()


def _in_parts(layers: Callable[..., tuple[Tensor, ...]], *images: Tensor) -> tuple[Tensor, ...]:
    """``layers(*images)``; without gradients a few images at a time, to save memory."""
    at_once = max(1, PIXELS // images[0][0, 0].numel())
    if torch.is_grad_enabled() or len(images[0]) <= at_once:
        return layers(*images)
    parts = [layers(*part) for part in zip(*(x.split(at_once) for x in images), strict=True)]
    return tuple(torch.cat(outputs) for outputs in zip(*parts, strict=True))


class CDDFuse(FusionNetwork):
    """Base and detail features of any number of sources, each summed and passed on by a layer.

    Args:
        residual: What is added before the final sigmoid: ``first``, the first source (the authors'
            choice for infrared and visible images, where it is the visible one); ``sum`` of the
            sources (for medical images with ``CDDFuse_IVF.pth``); ``none`` (for medical images
            with ``CDDFuse_MIF.pth``).
    """

    min_max_stretch: bool = True
    minimum_size: ClassVar[int] = 2
    objective: ClassVar[str] = "cddfuse"
    paper: ClassVar[str] = "Zhao et al., CVPR 2023"
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("vi", "ir")}  # the residual
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif")
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "CDDFuse_IVF.pth",
            {"residual": "first"},
            url="https://github.com/Zhaozixiang1228/MMIF-CDDFuse/raw/HEAD/models/CDDFuse_IVF.pth",
            tasks=("vif",),
        ),
        Published(
            "CDDFuse_MIF.pth",
            {"residual": "none"},
            url="https://github.com/Zhaozixiang1228/MMIF-CDDFuse/raw/HEAD/models/CDDFuse_MIF.pth",
            tasks=("mif",),
        ),
    )

    def __init__(self, residual: str = "first") -> None:
        super().__init__()
        if residual not in RESIDUALS:
            known = ", ".join(RESIDUALS)
            raise InputError(f"cddfuse: residual must be one of {known}, got {residual!r}")
        self.residual = residual
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.base_fusion = BaseBlock()
        self.detail_fusion = DetailNode()

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """(B, M, 1, H, W) in [0, 1] to base and detail, each (B, M, 64, H, W)."""
        base, detail = _in_parts(self.encoder, sources.flatten(0, 1))
        return base.unflatten(0, sources.shape[:2]), detail.unflatten(0, sources.shape[:2])

    def combine(
        self, features: tuple[Tensor, Tensor], gain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Base and detail, each summed over M, through their fusion layers: twice (B, 64, H, W)."""
        base, detail = (reduce(torch.add, scale_features(x, gain)) for x in features)
        return self.base_fusion(base), self.detail_fusion(detail)

    def decode(self, combined: tuple[Tensor, Tensor], sources: Tensor) -> Tensor:
        """Twice (B, 64, H, W) to (B, 1, H, W) in (0, 1)."""
        residuals = {"first": sources[:, 0], "sum": sources.sum(1), "none": None}
        return self.decoder(*combined, residuals[self.residual])

    def components(self, features: tuple[Tensor, Tensor], sources: Tensor) -> Tensor:
        """Uni-source components, (B, M, 1, H, W); unlike the fused image without a residual."""

        def alone(base: Tensor, detail: Tensor) -> tuple[Tensor]:
            return (self.decoder(self.base_fusion(base), self.detail_fusion(detail)),)

        (components,) = _in_parts(alone, *(branch.flatten(0, 1) for branch in features))
        return components.unflatten(0, sources.shape[:2])

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' checkpoint, four state dicts of wrapped modules, in our keys.

        Raises:
            InputError: If it is one of theirs, but not complete and exact.
        """
        if not isinstance(content, dict) or not content.keys() & set(PUBLISHED_PARTS):
            return content
        if content.keys() != set(PUBLISHED_PARTS):
            known, found = ", ".join(PUBLISHED_PARTS), ", ".join(map(str, content))
            raise InputError(f"a CDDFuse checkpoint of its authors holds {known}, not {found}")
        for part, state in content.items():
            if not isinstance(state, dict):
                raise InputError(
                    f"{part} of this CDDFuse checkpoint must be a state dict, "
                    f"got {type(state).__name__}"
                )
        published = {(part, key): value for part in content for key, value in content[part].items()}
        with torch.device("meta"):
            ours = cls().state_dict()
        keys = {_published_key(key): key for key in ours}
        for part, key in [*(keys.keys() - published), *(published.keys() - keys)]:
            fault = "lacks" if (part, key) in keys else "has an unknown"
            raise InputError(f"{part} of this CDDFuse checkpoint {fault} {key}")
        for place, value in published.items():
            shape = ours[keys[place]].shape
            if not isinstance(value, Tensor) or value.shape != shape:
                got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise InputError(f"{place[1]} of {place[0]} must be {tuple(shape)}, got {got}")
        return {keys[place]: value for place, value in published.items()}


def _published_key(key: str) -> tuple[str, str]:
    """The part of the authors' checkpoint and the key in it that hold one of our keys."""
    for ours, theirs in PUBLISHED_NAMES.items():
        key = key.replace(ours, theirs)
    part, name = key.split(".", 1)
    return part, f"module.{name}"
