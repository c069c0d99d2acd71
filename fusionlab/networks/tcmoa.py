"""TC-MoA: task-customized mixture of adapters for general image fusion.

Zhu et al., CVPR 2024, https://arxiv.org/abs/2403.12494
Authors' code: https://github.com/YangSun22/TC-MoA
Differs: the shift that a mixture adds to each stream is 0; the authors draw it anew for every
network and do not save it. Both streams are one batch, and blocks are timm's. What does not reach
the output, the second stream after the last mixture, is not computed. Up to 448 pixels a side
images are padded to multiples of 112; the authors resize them. Half precision is left to
``trainer.precision``. The size ``tiny`` is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, Kept, scale_features
from fusionlab.networks.published import Published

TASKS = {"vif": 0, "mif": 0, "mef": 1, "mff": 2}
PATCH = 16
WINDOW = 14  # patches along a side of an attention window
TILE = 448  # pixels along a side of the windows that larger images are cut into
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
EXPERTS, CHOSEN = 4, 2
LEAST_GATE = 1e-4
PERIOD = 4  # blocks from one mixture to the next; the second of them is followed by it


class Size(NamedTuple):
    """Values of a token, blocks and heads of the encoder and of the decoder."""

    dim: int
    depth: int
    heads: int
    decoder_dim: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16


SIZES = {
    "base": Size(768, 12, 12),
    "large": Size(1024, 24, 16),
    "tiny": Size(128, 6, 4, 128, 6, 4),
}
# what the authors' checkpoints hold besides: constants of the loss and of the noise
CONSTANTS = re.compile(r"(MaxGradLoss|MFFselect)\.sobelconv\.weight[xy]|.+\.MoA\.(mean|std)")


class Choice(NamedTuple):
    """What a mixture did with B pairs of n tokens, for the objective."""

    prompts: Tensor
    """Of both streams, (2, B, n) in [0, 1]."""
    gates: Tensor
    """Of the experts, (B, n, 4); two of them are not 0 and sum to 1."""
    load: Tensor
    """Tokens that each expert has, (4,); in training expected values, which have a gradient."""


class PositionBias(nn.Module):
    """Biases of attention by where two patches of a window lie."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        table = torch.empty((2 * WINDOW - 1) ** 2, heads)
        self.relative_position_bias_table = nn.Parameter(nn.init.normal_(table, std=0.02))
        self.register_buffer("index", relative_positions(), persistent=False)

    def forward(self) -> Tensor:
        """(1, heads, 196, 196)."""
        biases = self.relative_position_bias_table[self.get_buffer("index")]
        return biases.permute(2, 0, 1).unsqueeze(0)


def relative_positions() -> Tensor:
    """Row of the table for each pair of patches of a window, (196, 196)."""
    place = torch.arange(WINDOW)
    delta = place[:, None] - place + WINDOW - 1  # query less key
    rows, columns = delta[:, None, :, None], delta[None, :, None]
    return (rows * (2 * WINDOW - 1) + columns).flatten(2).flatten(0, 1)


class Expert(nn.Module):
    """An adapter of two layers."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, dim // 8), nn.Linear(dim // 8, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) to the same."""
        return self.fc2(self.fc1(x).relu())


class Experts(nn.Module):
    """Two of four experts for each token, chosen by a gate of the task."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        tasks = max(TASKS.values()) + 1
        self.w_gate = nn.Parameter(nn.init.normal_(torch.empty(tasks, dim, EXPERTS), std=0.1))
        self.w_noise = nn.Parameter(torch.zeros(tasks, dim, EXPERTS))
        self.experts = nn.ModuleList(Expert(dim) for _ in range(EXPERTS))

    def forward(self, y: Tensor, task: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, n, dim) to the same, gates, (B, n, 4), and load, (4,); see :class:`Choice`."""
        clean = y @ self.w_gate.index_select(0, task.view(1))[0]
        logits, deviation = clean, None
        if self.training:
            deviation = F.softplus(y @ self.w_noise.index_select(0, task.view(1))[0]) + 0.1
            logits = clean + torch.randn_like(clean) * deviation
        highest, places = logits.topk(CHOSEN + 1, dim=2)
        gates = torch.zeros_like(logits).scatter(
            2, places[..., :CHOSEN], highest[..., :CHOSEN].softmax(2)
        )
        if deviation is None:
            load = (gates > 0).flatten(0, 1).sum(0).to(gates.dtype)
        else:
            load = _chances(clean, logits, deviation, highest).flatten(0, 1).sum(0)
        shares = gates.where(gates > LEAST_GATE, 0).log().unsqueeze(3)
        found = torch.stack([expert(y) for expert in self.experts], 2)
        return (found + shares).logsumexp(2), gates, load


def _chances(clean: Tensor, noisy: Tensor, deviation: Tensor, highest: Tensor) -> Tensor:
    """How probable other noise would choose each expert (Shazeer et al., 2017, eq. 9)."""
    inside, outside = highest[..., CHOSEN, None], highest[..., CHOSEN - 1, None]
    threshold = torch.where(noisy > inside, inside, outside)
    return torch.special.ndtr((clean - threshold) / deviation)


class Mixture(nn.Module):
    """Prompts of both streams by a mixture of experts: one factor of each token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(2 * dim), nn.LayerNorm(dim // 4)
        self.dimReduction = nn.Linear(2 * dim, dim // 4, bias=False)
        self.MoA = Experts(dim // 4)

    def forward(self, streams: Tensor, task: Tensor) -> Choice:
        """Of (2, B, n, dim)."""
        both = torch.cat(tuple(streams), 2)
        y, gates, load = self.MoA(self.norm2(self.dimReduction(self.norm1(both))), task)
        prompts = torch.stack([half.mean(2).sigmoid() for half in y.chunk(2, 2)])
        return Choice(prompts, gates, load)


class FusionLayer(nn.Module):
    """Three convolutions on the grid of patches, without activations."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(dim // 4, dim // 4, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(dim // 4, dim, 1, bias=False)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, h·w, dim) to the same."""
        x = tokens.mT.unflatten(2, size)
        return self.conv3(self.conv2(self.conv1(x))).flatten(2).mT


class Features(NamedTuple):
    """What enters, and for which task."""

    images: Tensor
    """Normalised sources, (B, 2, 3, H, W): RD scales them."""
    task: Kept
    """Number of the task, ()."""


class TCMoA(FusionNetwork):
    """A masked autoencoder that both sources pass as two streams, mixed by prompts of the task.

    Takes two sources, the first of which the output follows: visible, over-exposed or far. RD
    scales the normalised sources; the uni-source component of a source is the network with that
    source on both inputs.

    Args:
        size: ``base`` or ``large``, as published, or ``tiny``.

    Raises:
        InputError: If there is no such size.
    """

    spelling: ClassVar[str] = "TC-MoA"
    channels: tuple[int, ...] = (3,)
    rgb_tasks: frozenset[str] = frozenset({"vif", "mif", "mef", "mff"})
    min_max_stretch: bool = True
    output_range: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    size_multiple: int = 8 * WINDOW
    no_export: str = "it goes over windows of 448 pixels, as many as an image needs"
    bytes_per_pixel: ClassVar[int] = 1500
    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("vi", "ir"),
        "mef": ("over", "under"),
        "mff": ("far", "near"),
    }
    uses_task: ClassVar[bool] = True
    auxiliary: ClassVar[tuple[str, ...]] = tuple(
        f"{part}.{k}.MoA.w_noise"
        for part in ("blocks_MoA", "decoder_blocks_MoA")
        for k in range(max(size.depth for size in SIZES.values()) // PERIOD)
    )
    objective: ClassVar[str] = "tcmoa"
    small: ClassVar[dict[str, Any]] = {"size": "tiny"}
    paper: ClassVar[str] = "Zhu et al., CVPR 2024"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mef", "mff")
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = ()

    def __init__(self, size: str = "base") -> None:
        super().__init__()
        if size not in SIZES:
            raise InputError(f"tcmoa: size must be one of {', '.join(SIZES)}, got {size!r}")
        dim, depth, heads, decoder_dim, decoder_depth, decoder_heads = SIZES[size]
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, dim, PATCH, PATCH)})
        self.cls_token = _fixed(1, 1, dim)  # stored, never used
        self.pos_embed = _fixed(1, 1 + WINDOW**2, dim)
        self.decoder_pos_embed = _fixed(1, 1 + WINDOW**2, decoder_dim)
        self.blocks, self.en_relative_position = _blocks(dim, depth, heads)
        self.blocks_MoA, self.FusionLayer, self.Alpha_encoder = _mixtures(dim, depth)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.decoder_embed = nn.Linear(dim, decoder_dim)
        self.decoder_blocks, self.de_relative_position = _blocks(
            decoder_dim, decoder_depth, decoder_heads
        )
        self.decoder_blocks_MoA, self.de_FusionLayer, self.Alpha_decoder = _mixtures(
            decoder_dim, decoder_depth
        )
        self.decoder_norm = nn.LayerNorm(decoder_dim, eps=1e-6)
        self.decoder_pred = nn.Linear(decoder_dim, 3 * PATCH**2)

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' checkpoint, without constants.

        Raises:
            InputError: If its index of relative positions is another than that of 14x14 windows.
        """
        state = content.get("model", content) if isinstance(content, dict) else content
        if not isinstance(state, dict) or "Alpha_encoder" not in state:
            return content
        kept = {key: value for key, value in state.items() if not CONSTANTS.fullmatch(str(key))}
        for key in [key for key in kept if str(key).endswith(".relative_position_index")]:
            if not torch.equal(kept.pop(key), relative_positions()):
                raise InputError(f"{key} is not that of windows of {WINDOW}x{WINDOW}")
        return kept

    def pad(self, images: Tensor, value: float | None = None) -> Tensor:
        """Larger images are cut into windows, see :meth:`decode`; others are padded."""
        return images if min(images.shape[3:]) > TILE else super().pad(images, value)

    def encode(self, sources: Tensor, task: str | None = None) -> Features:
        """(B, 2, 3, H, W) in [0, 1], normalised."""
        mean, deviation = _normalisation(sources)
        number = torch.tensor(TASKS[task or "vif"], device=sources.device)
        return Features((sources - mean) / deviation, Kept(number))

    def combine(self, features: Features, gain: Tensor | None = None) -> Features:
        """The sources, scaled by the gain."""
        scaled = torch.stack(list(scale_features(features.images, gain)), 1)
        return Features(scaled, features.task)

    def decode(self, combined: Features, sources: Tensor) -> Tensor:
        """Of normalised pairs to (B, 3, H, W), unclamped.

        Where both sides exceed 448 pixels it goes window by window; the last ones lie at the
        border, and what comes later covers what came before.
        """
        images, task = combined.images, combined.task.value
        height, width = images.shape[3:]
        if min(height, width) <= TILE:
            return self.fuse_pair(images, task)
        fused = torch.empty_like(images[:, 0])
        for top in window_starts(height):
            for left in window_starts(width):
                place = (..., slice(top, top + TILE), slice(left, left + TILE))
                fused[place] = self.fuse_pair(images[place], task)
        return fused

    def components(self, features: Features, sources: Tensor, task: str | None = None) -> Tensor:
        """The network with each source on both inputs, (B, 2, 3, H, W)."""
        twice = features.images.flatten(0, 1).unsqueeze(1).expand(-1, 2, -1, -1, -1)
        return self.decode(Features(twice, features.task), sources).unflatten(0, sources.shape[:2])

    def fuse_pair(
        self, images: Tensor, task: Tensor, choices: list[Choice] | None = None
    ) -> Tensor:
        """Normalised pairs, (B, 2, 3, 112a, 112b), to fused images in [0, 1], (B, 3, 112a, 112b).

        Args:
            images: The pairs.
            task: Number of the task, ().
            choices: A list that is told what the mixtures did, from the first to the last.
        """
        found: list[Choice] = [] if choices is None else choices
        doubled = F.interpolate(
            images.transpose(0, 1).flatten(0, 1), scale_factor=2.0, mode="bilinear"
        )
        maps = self.patch_embed["proj"](doubled)
        size = (maps.shape[2], maps.shape[3])
        tokens = maps.flatten(2).mT + positions_at(self.pos_embed, size)
        tokens = self._through_encoder(tokens.unflatten(0, (2, -1)), size, task, found)
        tokens = self.decoder_embed(self.norm(tokens)) + positions_at(self.decoder_pos_embed, size)
        first = self._through_decoder(tokens, size, task, found)
        patches = self.decoder_pred(self.decoder_norm(first))
        # every second row and column: the output is twice as large
        patches = patches.unflatten(2, (PATCH // 2, 2, PATCH // 2, 2, 3))[:, :, :, 0, :, 0]
        half = patches.unflatten(1, size).permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
        mean, deviation = _normalisation(half)
        return half * deviation + mean

    def _through_encoder(
        self, streams: Tensor, size: tuple[int, int], task: Tensor, found: list[Choice]
    ) -> Tensor:
        """(2, B, h·w, dim) to the same."""
        for i, block in enumerate(self.blocks):
            bias = self.en_relative_position[i // 2]()
            streams = attend(block, streams, size, bias, shifted=i % 2 == 1)
            if i % PERIOD == 1:
                k = i // PERIOD
                found.append(self.blocks_MoA[k](streams, task))
                layer, alpha = self.FusionLayer[k], self.Alpha_encoder[k]
                streams = mixed(streams, found[-1], layer, alpha, size)
        return streams

    def _through_decoder(
        self, streams: Tensor, size: tuple[int, int], task: Tensor, found: list[Choice]
    ) -> Tensor:
        """(2, B, h·w, dim) to the first stream, (B, h·w, dim)."""
        last = len(self.decoder_blocks_MoA) - 1
        for i, block in enumerate(self.decoder_blocks):
            bias = self.de_relative_position[i // 2]()
            streams = attend(block, streams, size, bias, shifted=i % 2 == 1)
            if i % PERIOD == 1:
                k = i // PERIOD
                found.append(self.decoder_blocks_MoA[k](streams, task))
                layer, alpha = self.de_FusionLayer[k], self.Alpha_decoder[k]
                after = mixed(streams, found[-1], layer, alpha, size)
                streams = standardised(after, streams)
                streams = streams[:1] if k == last else streams
        return streams[0]


def attend(
    block: nn.Module, streams: Tensor, size: tuple[int, int], bias: Tensor, shifted: bool
) -> Tensor:
    """A block within windows of 14x14 patches, moved by half of one and round the edge if shifted.

    Args:
        block: Of a vision transformer.
        streams: (2, B, h·w, dim).
        size: h and w, multiples of 14.
        bias: Of attention, (1, heads, 196, 196).
        shifted: Whether the windows are moved.
    """
    height, width = size
    grid = streams.flatten(0, 1).unflatten(1, size)
    if shifted:
        grid = grid.roll((-(WINDOW // 2), -(WINDOW // 2)), (1, 2))
    split = (height // WINDOW, WINDOW, width // WINDOW, WINDOW)
    windows = grid.reshape(len(grid), *split, -1).transpose(2, 3)
    done = block(windows.flatten(3, 4).flatten(0, 2), attn_mask=bias)
    back = done.view(len(grid), split[0], split[2], WINDOW, WINDOW, -1).transpose(2, 3)
    grid = back.reshape(grid.shape)
    if shifted:
        grid = grid.roll((WINDOW // 2, WINDOW // 2), (1, 2))
    return grid.flatten(1, 2).unflatten(0, streams.shape[:2])


def mixed(
    streams: Tensor, choice: Choice, layer: nn.Module, alpha: Tensor, size: tuple[int, int]
) -> Tensor:
    """Both streams, (2, B, h·w, dim), with a share alpha of what is fused of both, prompted."""
    fused = layer((streams * choice.prompts.unsqueeze(3)).sum(0), size)
    return alpha * fused + (1 - alpha) * streams


def standardised(streams: Tensor, before: Tensor) -> Tensor:
    """Each of (2, B, n, dim), with the mean and the deviation of another."""
    dims = (2, 3)
    centred = streams - streams.mean(dims, keepdim=True)
    unit = centred / (streams.std(dims, keepdim=True) + 1e-12)
    return unit * before.std(dims, keepdim=True) + before.mean(dims, keepdim=True)


def positions_at(table: Tensor, size: tuple[int, int]) -> Tensor:
    """A table of 14x14 patches, (1, 197, dim), for h x w of them, (1, h·w, dim).

    It is resized to w x h, and read in rows as if it were h x w, as the authors' code does.
    """
    square = table[:, 1:].mT.unflatten(2, (WINDOW, WINDOW))
    if size != (WINDOW, WINDOW):
        square = F.interpolate(square, size[::-1], mode="bilinear", align_corners=False)
    return square.flatten(2).mT


def window_starts(side: int) -> Iterator[int]:
    """Where windows of 448 pixels begin; the last lies at the border."""
    yield from range(0, side - TILE, TILE)
    yield side - TILE


def _normalisation(images: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = (images.new_tensor(x).view(3, 1, 1) for x in (MEAN, DEVIATION))
    return mean, deviation


def _fixed(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.normal_(torch.empty(shape), std=0.02), requires_grad=False)


def _blocks(dim: int, depth: int, heads: int) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Blocks, and the biases of each two."""
    norm: Any = partial(nn.LayerNorm, eps=1e-6)
    blocks = [Block(dim, heads, qkv_bias=True, norm_layer=norm) for _ in range(depth)]
    return nn.ModuleList(blocks), nn.ModuleList(PositionBias(heads) for _ in range(depth // 2))


def _mixtures(dim: int, depth: int) -> tuple[nn.ModuleList, nn.ModuleList, nn.Parameter]:
    """Mixtures, what fuses their tokens, and the share of that."""
    count = sum(i % PERIOD == 1 for i in range(depth))
    mixtures = nn.ModuleList(Mixture(dim) for _ in range(count))
    layers = nn.ModuleList(FusionLayer(dim) for _ in range(count))
    return mixtures, layers, nn.Parameter(torch.full((count,), 0.5))
