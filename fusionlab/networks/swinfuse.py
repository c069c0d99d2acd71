"""SwinFuse: a residual swin transformer fusion network for infrared and visible images.

Wang et al., IEEE Transactions on Instrumentation and Measurement 71, 2022,
https://doi.org/10.1109/TIM.2022.3191664
Authors' code: https://github.com/Zhishe-Wang/SwinFuse
Differs: only what the published network computes is here. Of the six blocks of each stage its code
runs the first, so no window is shifted, and no window knows of another: what their checkpoint
holds of the other blocks is left out. Their script takes some sizes of images; here all are padded
in the same way. Windows, multilayer perceptrons and stochastic depth are timm's. More than two
sources are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import reduce
from typing import Any, ClassVar

import torch
from timm.layers import DropPath, Mlp
from timm.models.swin_transformer import WindowAttention
from torch import Tensor, nn

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features

WINDOW = 7
HEADS = (1, 2, 4)  # of each stage
DEPTH = 6  # blocks of a stage as published, of which the first runs
DROP = 0.2  # rate of the last of them
UNUSED = re.compile(r"EN[1-3]_0\.blocks\.[1-5]\..+|norm_up\.(weight|bias)|prelu\.weight")
INDEX = "attn.relative_position_index"  # ending of keys; the index follows from the window


class Block(nn.Module):
    """Attention within windows and a multilayer perceptron, each behind a norm and added.

    Args:
        dim: Values of a token.
        heads: Heads of the attention.
        drop: Rate at which each is left out of an image in training.
    """

    def __init__(self, dim: int, heads: int, drop: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window_size=WINDOW)
        self.mlp = Mlp(dim, 4 * dim)
        self.drop_path = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Windows of N images, (N, n, 49, dim), to the same."""
        attended = self.attn(self.norm1(x).flatten(0, 1)).view(x.shape)
        x = x + self.drop_path(attended)
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Stage(nn.Module):
    """A residual stage, as far as it runs."""

    def __init__(self, dim: int, heads: int, drop: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(dim, heads, drop)])

    def forward(self, x: Tensor) -> Tensor:
        """(N, n, 49, dim) to the same."""
        return x + self.blocks[0](x)


class PatchEmbedding(nn.Module):
    """Every pixel a token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, dim, 1)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 7h, 7w) in [-1, 1] to windows, (N, h·w, 49, dim)."""
        tokens = self.proj(images).permute(0, 2, 3, 1)
        windows = tokens.unflatten(2, (-1, WINDOW)).unflatten(1, (-1, WINDOW)).transpose(2, 3)
        return self.norm(windows.flatten(3, 4).flatten(1, 2))


class SwinFuse(FusionNetwork):
    """An auto-encoder of windows of 7x7 pixels; features are weighed by their l1 norms.

    The norms of channels are of tiles, into which an image is cut. RD scales the features before
    the rule, which weighs what is scaled; the component of a source is its own reconstruction,
    what the network is trained for.

    Args:
        tile: Side of a tile, a multiple of 7; the authors' network takes 224 alone.
        dim: Number of features, a multiple of 4.

    Raises:
        InputError: If an option cannot be.
    """

    padding_mode: ClassVar[str] = "constant"
    padding_value: ClassVar[float] = 0.5
    min_max_stretch: bool = True
    bytes_per_pixel: ClassVar[int] = 2600
    reach: ClassVar[int] = 0  # its own tiles are fused alone, and ours begin and end with them
    is_local: bool = True
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {"vif": ("ir", "vi")}
    objective: ClassVar[str] = "swinfuse"
    small: ClassVar[dict[str, Any]] = {"tile": 14, "dim": 8}
    paper: ClassVar[str] = "Wang et al., IEEE TIM 2022"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "none stated"

    def __init__(self, tile: int = 224, dim: int = 96) -> None:
        super().__init__()
        for name, value, factor in (("tile", tile, WINDOW), ("dim", dim, max(HEADS))):
            if type(value) is not int or value < factor or value % factor:
                raise InputError(f"swinfuse: {name} must be a multiple of {factor}, got {value!r}")
        self.tile = self.size_multiple = tile
        rates = [DROP * k * DEPTH / (DEPTH * len(HEADS) - 1) for k in range(len(HEADS))]
        self.patch_embed = PatchEmbedding(dim)
        self.EN1_0, self.EN2_0, self.EN3_0 = (
            Stage(dim, heads, drop) for heads, drop in zip(HEADS, rates, strict=True)
        )
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv2d(dim, 1, 1)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' checkpoint, without what their network never runs.

        Raises:
            InputError: If its index of relative positions is another than that of 7x7 windows.
        """
        state = content.get("state_dict", content) if isinstance(content, dict) else content
        if not isinstance(state, dict) or "EN1_0.blocks.0.norm1.weight" not in state:
            return content
        kept = {key: value for key, value in state.items() if not UNUSED.fullmatch(str(key))}
        expected = WindowAttention(1, 1, window_size=WINDOW).get_buffer("relative_position_index")
        for stage in (1, 2, 3):
            key = f"EN{stage}_0.blocks.0.{INDEX}"
            index = kept.pop(key, expected)
            if not isinstance(index, Tensor) or not torch.equal(index, expected):
                raise InputError(f"{key} is not that of windows of {WINDOW}x{WINDOW}")
        return kept

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, 1, H, W) in [0, 1] to (B, M, 96, H, W); H and W are multiples of the tile."""
        images = 2 * sources.flatten(0, 1) - 1
        # one row of windows at a time fits caches; in training blocks drop out of whole images
        whole = self.training or torch.compiler.is_exporting()  # a graph has no loop over rows
        bands = [images] if whole else images.split(WINDOW, 2)
        return torch.cat([self._encode(band) for band in bands], 2).unflatten(0, sources.shape[:2])

    def _encode(self, images: Tensor) -> Tensor:
        x = self.patch_embed(images)
        for stage in (self.EN1_0, self.EN2_0, self.EN3_0):
            x = stage(x)
        columns = images.shape[3] // WINDOW
        x = self.norm(x).unflatten(2, (WINDOW, WINDOW)).unflatten(1, (-1, columns))
        return x.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """(B, M, 96, H, W), scaled by the gain, to (B, 96, H, W), tile by tile."""
        scaled = list(scale_features(features, gain))
        if torch.compiler.is_exporting():
            size = (features.shape[3] // self.tile, features.shape[4] // self.tile)
            return _joined(l1_rule(tuple(_tiles(one, self.tile) for one in scaled)), size)
        rows = zip(*(one.split(self.tile, 2) for one in scaled), strict=True)
        return torch.cat([self._combine_row(row) for row in rows], 2)

    def _combine_row(self, row: tuple[Tensor, ...]) -> Tensor:
        tiles = zip(*(one.split(self.tile, 3) for one in row), strict=True)
        return torch.cat([l1_rule(tile) for tile in tiles], 3)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 96, H, W) to (B, 1, H, W) in [0, 1]."""
        return self.conv(combined).tanh() / 2 + 0.5

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """Each source's own features decoded, (B, M, 1, H, W): no rule, which would double them."""
        return torch.stack([self.decode(one, sources) for one in features.unbind(1)], 1)


def _tiles(x: Tensor, tile: int) -> Tensor:
    """(B, F, H, W) to its tiles, (B · tiles, F, h, w)."""
    x = x.unflatten(3, (-1, tile)).unflatten(2, (-1, tile))
    return x.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def _joined(tiles: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of :func:`_tiles`, of so many rows and columns of tiles."""
    x = tiles.unflatten(0, (-1, *size)).permute(0, 3, 1, 4, 2, 5)
    return x.flatten(4, 5).flatten(2, 3)


def l1_rule(features: tuple[Tensor, ...]) -> Tensor:
    """M features, (B, F, h, w) each, weighed by the means of their absolute values.

    Convention: twice a softmax over the sources, whose sum has 1e-5 added: of the means over
    pixels, for each channel, and of the means over channels, for each pixel. Both are added, so
    all weights sum to two.
    """
    magnitudes = [one.abs() for one in features]
    channels = _shares([one.mean((2, 3), keepdim=True) for one in magnitudes])
    pixels = _shares([one.mean(1, keepdim=True) for one in magnitudes])
    parts = (
        one * (channel + pixel)
        for one, channel, pixel in zip(features, channels, pixels, strict=True)
    )
    return reduce(torch.add, parts)


def _shares(activities: list[Tensor]) -> Iterator[Tensor]:
    exponents = [one.exp() for one in activities]
    total = reduce(torch.add, exponents) + 1e-5
    return (one / total for one in exponents)
