"""DeFusion++: fusion from decomposition by vision transformers, with masked feature modelling.

Liang, Jiang, Ma, Liu and Ma: Fusion from Decomposition: A Self-Supervised Approach for Image Fusion
and Beyond, 2024, https://arxiv.org/abs/2410.12274
Authors' code: https://github.com/erfect2020/DeFusion-plusplus (this network in its history)
Differs: the patch embedding and the blocks of the vision transformer are timm's, which compute the
same; the blocks with two inputs, which timm has not, are here. Both sources, and what is done to
both, are one batch. The authors choose the order of the common block at random, also at test time;
here the option ``order`` does. Images of any size: the authors take 224x224 and squares. Untrained
weights are MAE's, whose code theirs comes from. ``dim`` and ``depth`` are ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, Kept, scale_features
from fusionlab.networks.representation import Representation

PATCH = 16
GRID = 14  # patches along a side of the image that the authors train on
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
HEADS, ENCODER_HEADS, LAST_HEADS = 16, 6, 12
COMPONENTS = ("alone", "joint")
ORDERS = ("12", "21")
MASKED = ("mask_token", "decoder_pos_embed", "mim_decoder_")  # beginnings of keys
TEACHERS = (1, 2, 3, 4)  # infrared, visible; CT, MR in an earlier version
TEACHER = (("blocks", 12), ("decoder_blocks", 8))
FUSED = "decode_common_skipconn."  # beginning of keys that no other network has
LEVELS = (3, 5, 7)  # outputs of the encoder, of 12, that heads of other tasks see


def position_table(dim: int, grid: int = GRID) -> Tensor:
    """Sines and cosines of column, then row, of each patch; zeros for the class token first.

    Args:
        dim: Number of values, a multiple of 4.
        grid: Patches along a side, g.

    Returns:
        (1, 1 + g², dim), in float32.
    """
    rates = 10000.0 ** -(torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * rates
    waves = torch.cat((angles.sin(), angles.cos()), 1)  # (g, dim / 2)
    table = torch.cat((waves.repeat(grid, 1), waves.repeat_interleave(grid, 0)), 1)
    return torch.cat((torch.zeros(1, dim), table)).float().unsqueeze(0)


def positions_at(table: Tensor, size: tuple[int, int]) -> Tensor:
    """A table for h x w patches, (1, 1 + h·w, dim), as the authors interpolate theirs."""
    grid = round((table.shape[1] - 1) ** 0.5)
    if size == (grid, grid):
        return table
    square = table[:, 1:].mT.unflatten(2, (grid, grid))
    scales = [(count + 0.1) / grid for count in size]
    patches = F.interpolate(square, scale_factor=scales, mode="bicubic", align_corners=False)
    return torch.cat((table[:, :1], patches.flatten(2).mT), 1)


def unpatchify(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens, (N, h·w, 768), each a patch of rows, columns and colours, as (N, 3, 16h, 16w)."""
    patches = tokens.unflatten(2, (PATCH, PATCH, 3)).unflatten(1, size)  # (N, h, w, 16, 16, 3)
    return patches.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


class MultiInputAttention(nn.Module):
    """Attention whose queries, keys and values pass two linear layers in a row, as published."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.multihead_attn = nn.MultiheadAttention(dim, HEADS, batch_first=True)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Three of (N, L, dim) to one."""
        linear = self.query(query), self.key(key), self.value(value)
        return self.multihead_attn(*linear, need_weights=False)[0]


class CrossBlock(nn.Module):
    """A block of two inputs: queries of the second attend to values of the first.

    Args:
        dim: Values of a token.
        keys_of: Which input gives the keys, 0 or 1: the task that the paper indicates. The second,
            1, makes what both have in common, the first what only one has, and the fusion.
    """

    def __init__(self, dim: int, keys_of: int) -> None:
        super().__init__()
        self.keys_of = keys_of
        self.multi_input_self_attn = MultiInputAttention(dim)
        self.linear1, self.linear2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.drop = nn.Dropout(0.1)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two of (N, L, dim) to one."""
        key = (first, second)[self.keys_of]
        x = self.norm1(second + self.drop(self.multi_input_self_attn(second, key, first)))
        return self.norm2(x + self.drop(self.linear2(self.drop(self.linear1(x).relu()))))


class Encoder(nn.Module):
    """TinyMIM's vision transformer; its last norm is stored, but not applied.

    Args:
        dim: Values of a token.
        depth: Number of blocks.
    """

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(None, PATCH, 3, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(position_table(dim), requires_grad=False)
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        block = partial(Block, dim, qkv_bias=True, norm_layer=norm)
        blocks = [block(ENCODER_HEADS, drop_path=0.1) for _ in range(depth - 1)]
        self.blocks = nn.ModuleList([*blocks, block(LAST_HEADS)])
        self.norm = norm(dim)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images, (N, 3, 16h, 16w), to tokens after the embedding and each block.

        Each is (N, 1 + h·w, dim), the class token first.
        """
        table = positions_at(self.pos_embed, grid_of(images))
        patches = self.patch_embed(images) + table[:, 1:]
        first = (self.cls_token + table[:, :1]).expand(len(patches), -1, -1)
        tokens = [torch.cat((first.to(patches.dtype), patches), 1)]
        for block in self.blocks:
            tokens.append(block(tokens[-1]))
        return tokens


def normalised(images: Tensor) -> Tensor:
    """(..., 3, H, W) in [0, 1], by the mean and the deviation of ImageNet."""
    mean, deviation = (images.new_tensor(x).view(3, 1, 1) for x in (MEAN, DEVIATION))
    return (images - mean) / deviation


def grid_of(images: Tensor) -> tuple[int, int]:
    """Rows and columns of patches."""
    return images.shape[-2] // PATCH, images.shape[-1] // PATCH


class Decomposition(NamedTuple):
    """Tokens of what M sources have in common and alone; both also of the encoder's beginning."""

    common: Tensor
    """C, (B, L, dim)."""
    common_skip: Tensor
    """Cˢ, (B, L, dim)."""
    unique: Tensor
    """U, (B, M, L, dim)."""
    unique_skip: Tensor
    """Uˢ, (B, M, L, dim)."""


class Features(NamedTuple):
    """What the joint pass makes of B pairs."""

    patches: Tensor
    """Fuse tokens of each source, (B, 2, h·w, dim): RD scales them."""
    first: Tensor
    """Their class tokens, (B, 2, dim, 1, 1), which stand for the whole image."""
    encoded: Kept
    """X and R of each source by itself, twice (B, 2, L, dim): components are made of them."""
    decomposition: Kept
    """A :class:`Decomposition`."""


class DeFusionPP(FusionNetwork):
    """Tokens of what two sources have in common and alone, fused by attention, summed.

    TTD scales the tokens of each source before the sum, so it acts on patches of 16x16 pixels.

    Args:
        component: What the component of a source is: ``alone``, the network with that source on
            both inputs; or ``joint``, the network as if both had that source's unique part, which
            costs less, but knows of the other source.
        order: Whose values make the common tokens, those of the first (``12``) or of the second
            source (``21``).
        residual: Whether the sum is added to what the last blocks make of it, as where the authors
            train without modality teachers.
        dim: Values of a token, a multiple of 48.
        depth: Blocks of the encoder.

    Raises:
        InputError: If an option cannot be.
    """

    spelling: ClassVar[str] = "DeFusion++"
    channels: tuple[int, ...] = (3,)
    rgb_tasks: frozenset[str] = frozenset({"mef", "mff"})
    repeats_luma: ClassVar[bool] = True
    padding: ClassVar[int] = 16
    size_multiple: int = PATCH
    reduction: ClassVar[int] = PATCH
    no_export: str = "its positions are interpolated by a factor that PyTorch makes a constant"
    bytes_per_pixel: ClassVar[int] = 300
    source_count: ClassVar[int | None] = 2
    decomposes: bool = True
    objective: ClassVar[str] = "defusionpp"
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("ir", "vi"),
        "mef": ("over", "under"),
    }
    auxiliary: ClassVar[tuple[str, ...]] = (
        *MASKED,
        "encoder.norm.",
        "decoder_common_blocks.1.",
        "decoder_common_blocks.2.",
        "decoder_unique_blocks.1.",
        "decoder_unique_blocks.2.",
    )
    small: ClassVar[dict[str, Any]] = {"dim": 48, "depth": 2}
    paper: ClassVar[str] = "Liang et al., arXiv 2024"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mef", "mff")
    licence: ClassVar[str] = "MIT"

    def __init__(
        self,
        component: str = "alone",
        order: str = "12",
        residual: bool = True,
        dim: int = 192,
        depth: int = 12,
    ) -> None:
        super().__init__()
        for name, given, known in (("component", component, COMPONENTS), ("order", order, ORDERS)):
            if str(given) not in known:
                choices = ", ".join(known)
                raise InputError(f"defusionpp: {name} must be one of {choices}, got {given!r}")
        if type(dim) is not int or dim < 48 or dim % 48:
            raise InputError(f"defusionpp: dim must be a multiple of 48, got {dim!r}")
        if type(depth) is not int or depth < 2:
            raise InputError(
                f"defusionpp: depth must be a whole number of 2 or more, got {depth!r}"
            )
        self.component, self.order, self.residual = component, str(order), residual
        self.encoder = Encoder(dim, depth)
        self.enc_norm1, self.enc_norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        block = partial(Block, dim, HEADS, qkv_bias=True, norm_layer=nn.LayerNorm)
        self.decoder_common_blocks = _branch(dim, 1, block())
        self.decoder_unique_blocks = _branch(dim, 0, block())
        self.decoder_fuse_blocks = _branch(dim, 0, block())
        self.decode_common_skipconn = CrossBlock(dim, 1)
        self.decoder_unique_skipconn = CrossBlock(dim, 0)
        self.decoder_fuse_skipconn = CrossBlock(dim, 0)
        self.decoder_unique_residual, self.decoder_unique_residual_skipconn = block(), block()
        self.recon_blocks_mim_encoder = nn.Sequential(block(), block())
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.decoder_pos_embed = nn.Parameter(position_table(dim), requires_grad=False)
        self.mim_decoder_blocks = nn.Sequential(block(), block())
        self.mim_decoder_norm = nn.LayerNorm(dim)
        self.mim_decoder_pred = nn.Linear(dim, 3 * PATCH**2)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.encoder.patch_embed.proj.weight.flatten(1))
        nn.init.normal_(self.encoder.cls_token, std=0.02)
        nn.init.normal_(self.mask_token, std=0.02)

    def encode(self, sources: Tensor) -> Features:
        """(B, 2, 3, 16h, 16w) in [0, 1] to fuse tokens of each source, jointly."""
        return self.features(self.encode_sources(sources))

    def features(self, encoded: tuple[Tensor, Tensor], order: str | None = None) -> Features:
        """What the joint pass makes of encoded sources; see :meth:`separate`."""
        parts = self.separate(*encoded, order)
        tokens = self.fuse_tokens(parts)
        first = tokens[:, :, 0, :, None, None]
        return Features(tokens[:, :, 1:], first, Kept(encoded), Kept(parts))

    def combine(self, features: Features, gain: Tensor | None = None) -> Tensor:
        """The sum over the sources, scaled by the gain: F₀, (B, L, dim)."""
        patches = torch.add(*scale_features(features.patches, gain))
        first = torch.add(*scale_features(features.first, gain))
        return torch.cat((first.flatten(2).mT, patches), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """F₀, (B, L, dim), to (B, 3, 16h, 16w)."""
        tokens = self.recon_blocks_mim_encoder(combined)
        tokens = tokens + combined if self.residual else tokens
        return _image(self.decoder_fuse_blocks, tokens, grid_of(sources))

    def components(self, features: Features, sources: Tensor) -> Tensor:
        """Uni-source components, (B, 2, 3, 16h, 16w); see the option ``component``."""
        if self.component == "joint":
            first = features.first.flatten(2).unsqueeze(2)
            tokens = torch.cat((first, features.patches), 2).flatten(0, 1)
        else:
            alone = (x.flatten(0, 1).unsqueeze(1) for x in features.encoded.value)
            tokens = self.fuse_tokens(self.separate(*alone)).squeeze(1)
        return self.decode(2 * tokens, sources).unflatten(0, sources.shape[:2])

    def images(self, features: Features, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The common and the unique images, (B, 3, 16h, 16w) and (B, 2, 3, 16h, 16w)."""
        parts, size = features.decomposition.value, grid_of(sources)
        common = _image(self.decoder_common_blocks, parts.common + parts.common_skip, size)
        tokens = parts.unique + parts.unique_skip
        unique = _image(self.decoder_unique_blocks, tokens.flatten(0, 1), size)
        return common, unique.unflatten(0, tokens.shape[:2])

    def masked_image(self, parts: Decomposition, order: Tensor, size: tuple[int, int]) -> Tensor:
        """Masked feature modelling: the fused image of a quarter of the tokens.

        Args:
            parts: Of h x w patches.
            order: Place of each patch in a random order, (B, h·w); the first quarter is seen.
            size: h and w.

        Returns:
            (B, 3, 16h, 16w), unclamped.
        """
        count = order.shape[1] // 4
        seen = order.argsort(1)[:, :count]
        kept = Decomposition(*(_chosen(x, seen) for x in parts))
        tokens = self.recon_blocks_mim_encoder(self.fuse_tokens(kept).sum(1))
        masks = self.mask_token.to(tokens.dtype).expand(len(order), order.shape[1] - count, -1)
        shuffled = torch.cat((tokens[:, 1:], masks), 1)
        patches = shuffled.gather(1, order.unsqueeze(2).expand(-1, -1, shuffled.shape[2]))
        whole = torch.cat((tokens[:, :1], patches), 1) + positions_at(self.decoder_pos_embed, size)
        whole = self.mim_decoder_norm(self.mim_decoder_blocks(whole))
        return unpatchify(self.mim_decoder_pred(whole)[:, 1:], size)

    @property
    def representation(self) -> Representation:
        """The network as a backbone: tokens of both sources after three blocks, and fused ones."""
        dim = self.mask_token.shape[2]
        return Representation(self, (*[(2 * dim, PATCH)] * len(LEVELS), (dim, PATCH)))

    def fused_maps(self, sources: Tensor) -> list[Tensor]:
        """What :attr:`representation` gives of sources, which are not padded.

        Raises:
            ValueError: If they have another shape, or sides that are no multiples of 16.
        """
        self.check_sources(sources)
        if any(side % PATCH for side in sources.shape[3:]):
            raise ValueError(f"sides must be multiples of {PATCH}, got {tuple(sources.shape)}")
        levels = self._levels(sources)
        tokens = self.fuse_tokens(self.separate(*self._ends(levels))).sum(1)
        depth = len(levels) - 1
        chosen = [levels[round(depth * level / 12)] for level in LEVELS]
        maps = [x.transpose(1, 2).flatten(2) for x in chosen]  # (B, L, 2·dim), source by source
        maps.append(self.recon_blocks_mim_encoder(tokens))
        return [x[:, 1:].mT.unflatten(2, grid_of(sources)) for x in maps]

    def encode_sources(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """X and R of each source by itself: (B, M, 3, 16h, 16w) to twice (B, M, L, dim)."""
        return self._ends(self._levels(sources))

    def _levels(self, sources: Tensor) -> list[Tensor]:
        levels = self.encoder(normalised(sources).flatten(0, 1))
        return [x.unflatten(0, sources.shape[:2]) for x in levels]

    def _ends(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        return levels[-1], self.enc_norm1(levels[0]) + self.enc_norm2(levels[1])

    def separate(self, x: Tensor, r: Tensor, order: str | None = None) -> Decomposition:
        """What sources have in common and alone.

        Args:
            x: Tokens of the encoder's end, X, (B, 2, L, dim), or (B, 1, L, dim) for the same
                source twice.
            r: Of its beginning, R.
            order: As the option; None for its value.
        """

        def alone(block: nn.Module, residual: nn.Module, tokens: Tensor) -> Tensor:
            others, own = tokens.flip(1).flatten(0, 1), tokens.flatten(0, 1)
            return (block(others, own) + residual(own)).unflatten(0, tokens.shape[:2])

        return Decomposition(
            *self.common_tokens(x, r, order),
            alone(self.decoder_unique_blocks[0], self.decoder_unique_residual, x),
            alone(self.decoder_unique_skipconn, self.decoder_unique_residual_skipconn, r),
        )

    def common_tokens(
        self, x: Tensor, r: Tensor, order: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """C and Cˢ, (B, L, dim) each; see :meth:`separate`."""
        first, second = (0, -1) if (order or self.order) == "12" else (-1, 0)
        return (
            self.decoder_common_blocks[0](x[:, first], x[:, second]),
            self.decode_common_skipconn(r[:, first], r[:, second]),
        )

    def fuse_tokens(self, parts: Decomposition) -> Tensor:
        """T + Tˢ of each source, (B, M, L, dim): its unique tokens attend to the common ones."""
        pairs = parts.unique.shape[:2]

        def fuse(block: nn.Module, common: Tensor, unique: Tensor) -> Tensor:
            return block(common.repeat_interleave(pairs[1], 0), unique.flatten(0, 1))

        main = fuse(self.decoder_fuse_blocks[0], parts.common, parts.unique)
        skip = fuse(self.decoder_fuse_skipconn, parts.common_skip, parts.unique_skip)
        return (main + skip).unflatten(0, pairs)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' checkpoint, without the modality teachers that they save with it.

        Where it has no masked branch, which fusing does not need, that is untrained.
        """
        state = content.get("state_dict", content) if isinstance(content, dict) else content
        if not isinstance(state, dict) or not any(str(key).startswith(FUSED) for key in state):
            return content
        taught = teaching_keys()
        kept = {key: value for key, value in state.items() if key not in taught}
        first = kept.get("encoder.cls_token")
        if any(key.startswith(MASKED) for key in kept) or not isinstance(first, Tensor):
            return kept
        with torch.random.fork_rng(devices=[]):
            fresh = cls(dim=first.shape[-1], depth=2).state_dict()
        return kept | {key: value for key, value in fresh.items() if key.startswith(MASKED)}


def teaching_keys() -> set[str]:
    """Keys of the authors' training with modality teachers beside the network's own.

    They save the whole of each teacher, a masked autoencoder of the size ViT-B.
    """
    parts = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    layers = [
        *(f"{kind}.{k}.{part}" for kind, count in TEACHER for k in range(count) for part in parts),
        *("patch_embed.proj", "norm", "decoder_embed", "decoder_norm", "decoder_pred"),
    ]
    tables = ("cls_token", "pos_embed", "mask_token", "decoder_pos_embed")
    keys = {*tables, *(f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias"))}
    own = [f"{name}{k}" for name in ("latent_predict", "mm_unique_norm") for k in TEACHERS]
    return {
        *(f"model_encoder{k}.{key}" for k in TEACHERS for key in keys),
        *(f"{layer}.{kind}" for layer in own for kind in ("weight", "bias")),
    }


def _branch(dim: int, keys_of: int, block: Block) -> nn.ModuleList:
    """A cross block, and what makes an image of its tokens."""
    return nn.ModuleList([CrossBlock(dim, keys_of), block, nn.Linear(dim, 3 * PATCH**2)])


def _image(branch: nn.ModuleList, tokens: Tensor, size: tuple[int, int]) -> Tensor:
    return unpatchify(branch[2](branch[1](tokens))[:, 1:], size)


def _chosen(tokens: Tensor, places: Tensor) -> Tensor:
    """Class token and chosen patches of (B, L, dim) or (B, M, L, dim)."""
    index = places.view(len(places), *[1] * (tokens.ndim - 3), -1, 1)
    index = index.expand(*tokens.shape[:-2], -1, tokens.shape[-1])
    return torch.cat((tokens[..., :1, :], tokens[..., 1:, :].gather(-2, index)), -2)
