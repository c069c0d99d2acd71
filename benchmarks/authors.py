"""CDDFuse and IFCNN as their authors wrote them, with the names of our weights, which fit.

CDDFuse: every layer by itself, features channel by channel in memory.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.ifcnn import IFCNN, ConvUnit


class AuthorsIFCNN:
    """One encoder pass per source on three copies of the luma, the default memory layout, max rule.

    Batch norm is a layer of its own.
    """

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, IFCNN)
        self.network = network

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, M, 1, H, W) to (B, 3, H, W)."""
        maps = []
        for source in sources.unbind(1):
            x = source.expand(-1, 3, -1, -1).contiguous()
            x = self.network.conv1(F.pad(x, (3, 3, 3, 3), mode="replicate"))
            maps.append(_plain(self.network.conv2, x))
        fused = maps[0]
        for other in maps[1:]:
            fused = torch.max(fused, other)
        return self.network.conv4(_plain(self.network.conv3, fused))


def _plain(unit: ConvUnit, x: Tensor) -> Tensor:
    return F.relu(unit.bn(unit.conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))), inplace=True)


def authors_cddfuse(network: FusionNetwork) -> nn.Module:
    """The authors' static pass for visible and infrared images, with a network's weights."""
    plain = AuthorsCDDFuse()
    plain.load_state_dict(network.state_dict())
    return plain.to(next(network.parameters()).device).eval()


def conv(inputs: int, outputs: int, kernel: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, without bias."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)


class LayerNorm(nn.Module):
    """Of the channels of each pixel, on pixels as a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(64)), nn.Parameter(torch.zeros(64))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        y = x.flatten(2).transpose(1, 2)  # (N, H*W, 64)
        mean, variance = y.mean(-1, keepdim=True), y.var(-1, keepdim=True, unbiased=False)
        y = (y - mean) / torch.sqrt(variance + 1e-5) * self.weight + self.bias
        return y.transpose(1, 2).unflatten(2, x.shape[2:])


def attention(qkv: Tensor, scale: Tensor) -> Tensor:
    """Attention of channels, (N, 192, H, W) to (N, 64, H, W)."""
    q, k, v = (x.unflatten(1, (8, 8)).flatten(3) for x in qkv.chunk(3, dim=1))
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    weights = ((q @ k.transpose(-2, -1)) * scale).softmax(dim=-1)
    return (weights @ v).flatten(1, 2).unflatten(2, qkv.shape[2:])


class Attention(nn.Module):
    """Restormer's."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(8, 1, 1))
        self.qkv, self.qkv_dwconv = conv(64, 192), conv(192, 192, 3, groups=192)
        self.project_out = conv(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        return self.project_out(attention(self.qkv_dwconv(self.qkv(x)), self.temperature))


class BaseAttention(nn.Module):
    """The base branch's."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.qkv1, self.qkv2, self.proj = conv(64, 192), conv(192, 192, 3), conv(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        return self.proj(attention(self.qkv2(self.qkv1(x)), self.scale))


class FeedForward(nn.Module):
    """One half gates the other."""

    def __init__(self, hidden: int, groups: int) -> None:
        super().__init__()
        self.project_in = conv(64, 2 * hidden)
        self.dwconv = conv(2 * hidden, 2 * hidden, 3, groups=groups)
        self.project_out = conv(hidden, 64)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        x = self.project_in(x)
        x1, x2 = self.dwconv(x).chunk(2, dim=1)
        x = F.gelu(x1) * x2
        return self.project_out(x)


class Block(nn.Module):
    """Attention and a gated convolution; ``base`` is the base branch's."""

    def __init__(self, base: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = LayerNorm(), LayerNorm()
        self.attn = BaseAttention() if base else Attention()
        self.gated = "mlp" if base else "ffn"
        self.add_module(self.gated, FeedForward(64, 64) if base else FeedForward(128, 256))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.get_submodule(self.gated)(self.norm2(x))


def residual_block() -> nn.Sequential:
    """(N, 32, H, W) to the same."""
    depthwise = nn.Conv2d(64, 64, 3, groups=64, bias=False)
    first, last = (conv(32, 64), nn.ReLU6(inplace=True)), (nn.ReLU6(inplace=True), conv(64, 32))
    return nn.Sequential(*first, nn.ReflectionPad2d(1), depthwise, *last)


class DetailNode(nn.Module):
    """Affine coupling."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(64, 64, 1)
        self.phi, self.rho, self.eta = residual_block(), residual_block(), residual_block()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 64, H, W) to the same."""
        x = self.mix(x)
        z1, z2 = x[:, :32], x[:, 32:]
        z2 = z2 + self.phi(z1)
        z1 = z1 * torch.exp(self.rho(z2)) + self.eta(z2)
        return torch.cat((z1, z2), dim=1)


class Encoder(nn.Module):
    """Base, detail and shared features of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = conv(1, 64, 3)
        self.blocks = nn.Sequential(*(Block() for _ in range(4)))
        self.base = Block(base=True)
        self.detail = nn.Sequential(*(DetailNode() for _ in range(3)))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1, H, W) to thrice (N, 64, H, W)."""
        shared = self.blocks(self.embed(image))
        return self.base(shared), self.detail(shared), shared


class Decoder(nn.Module):
    """An image of base and detail features."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = conv(128, 64)
        self.blocks = nn.Sequential(*(Block() for _ in range(4)))
        self.output = nn.Sequential(conv(64, 32, 3), nn.LeakyReLU(), conv(32, 1, 3))

    def forward(self, image: Tensor, base: Tensor, detail: Tensor) -> Tensor:
        """Twice (N, 64, H, W), added to an image, to (N, 1, H, W)."""
        x = self.reduce(torch.cat((base, detail), dim=1))
        return torch.sigmoid(self.output(self.blocks(x)) + image)


class AuthorsCDDFuse(nn.Module):
    """One encoder pass per source; base and detail summed; the visible image is the residual."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()
        self.base_fusion, self.detail_fusion = Block(base=True), DetailNode()

    def forward(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W), visible first, to (B, 1, H, W)."""
        visible, infrared = sources.unbind(1)
        base_v, detail_v, _ = self.encoder(visible)
        base_i, detail_i, _ = self.encoder(infrared)
        base, detail = self.base_fusion(base_i + base_v), self.detail_fusion(detail_i + detail_v)
        return self.decoder(visible, base, detail)
