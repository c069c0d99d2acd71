"""DeFusion: fusion from decomposition, a self-supervised approach for image fusion.

Liang, Jiang, Liu and Ma, ECCV 2022
Authors' code: https://github.com/erfect2020/DecompositionForFusion
Differs: both sources are encoded as one batch with features channels last in memory; 1x1
convolutions of concatenated and enlarged maps are sums, enlarged afterwards; the softmax of two
attentions is a sigmoid. The output is the same to rounding. Modules that the authors store twice
(``lower``) are one, and their projection of the common part, which they never use, is left out.
Images of up to 16 pixels a side are reflected again and again. ``width``, ``depth``, ``skip``
and ``luma`` are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, Kept, cut, scale_features
from fusionlab.networks.representation import Representation

COMPONENTS = ("alone", "joint")
TWICE = {  # parts that the authors store twice, by their second name
    "encoder_lower": "encoder_upper",
    **{f"lower_encoder_layer{k}": f"upper_encoder_layer{k}" for k in (1, 2, 3)},
    **{f"decoder_lower_layer{k}": f"decoder_upper_layer{k}" for k in (1, 2, 3, 4)},
    "decoder_lower_projection_layer": "decoder_upper_projection_layer",
}
OUR_CLASS = ((2, 2, 2, 2), 1536)  # blocks and input channels of the common decoder
OTHER_CLASSES: dict[tuple[tuple[int, ...], int], str] = {
    ((4, 4, 6, 6), 1536): "the authors' deep variant",
    ((2, 2, 2, 2), 1024): "the authors' UCTestSharedModelPro, without skip inputs",
}
UNUSED = ("decoder_common_projection_layer.0.weight", "decoder_common_projection_layer.0.bias")


class Pointwise(nn.Conv2d):
    """1x1 convolution as the matrix product that it is when channels lie last in memory."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)

    def forward(  # type: ignore[override]  # maps that a convolution would want concatenated
        self, *parts: Tensor, size: torch.Size
    ) -> Tensor:
        """Maps, concatenated, to (N, F, H, W).

        It multiplies them one by one, before they are repeated and enlarged, which costs less. The
        last one may stand for two of the same.
        """
        weight, counts = self.weight.flatten(1), [part.shape[1] for part in parts]
        more = self.in_channels - sum(counts)
        if more:
            *_, first, second = weight.split([self.in_channels - 2 * more, more, more], 1)
            weight = torch.cat((weight[:, : -2 * more], first + second), 1)
        pairs = zip(parts, weight.split(counts, 1), strict=True)
        return summed(
            [F.linear(x.permute(0, 2, 3, 1), w).permute(0, 3, 1, 2) for x, w in pairs], size
        )

    def added_to(self, start: Tensor, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W), plus a map, which it writes over without gradients.

        The map may have another precision: on a GPU, autocast enlarges maps in single precision.
        """
        rows = x.permute(0, 2, 3, 1)
        total = start.to(x.dtype).permute(0, 2, 3, 1).flatten(0, 2)
        multiply = torch.addmm if torch.is_grad_enabled() else Tensor.addmm_
        weight = self.weight.flatten(1).T.to(x.dtype)  # autocast knows nothing of addmm_
        total = multiply(total, rows.flatten(0, 2), weight)
        return total.unflatten(0, rows.shape[:3]).permute(0, 3, 1, 2)


class SplitAttention(nn.Module):
    """Two groups of convolutions, weighed against each other by the mean of their sum.

    Args:
        channels: Channels in and out, p.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 32)
        self.conv = nn.Conv2d(channels, 2 * channels, 3, padding=1, groups=2, bias=False)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, p, H, W) to the same."""
        both = self.conv(x).relu_()
        mean = torch.add(*both.mean((2, 3), keepdim=True).chunk(2, dim=1))
        scores = self.fc2(self.fc1(mean).relu_())
        share = torch.sub(*scores.chunk(2, dim=1)).sigmoid()
        first, second = both.chunk(2, dim=1)
        return torch.lerp(second, first, share)


class Block(nn.Module):
    """A ResNeSt bottleneck without norms.

    Args:
        inputs: Channels of its input.
        p: A quarter of the channels of its output.
        pool: Stride of the 3x3 average behind the attention; 0 for none.
        downsample: What its shortcut goes through.
    """

    def __init__(
        self, inputs: int, p: int, pool: int = 0, downsample: nn.Sequential | None = None
    ) -> None:
        super().__init__()
        self.conv1 = Pointwise(inputs, p)
        self.conv2 = SplitAttention(p)
        self.pool = nn.AvgPool2d(3, pool, padding=1) if pool else nn.Identity()  # counts the zeros
        self.conv3 = Pointwise(p, 4 * p)
        self.downsample = downsample

    def forward(self, *parts: Tensor, size: torch.Size | None = None) -> Tensor:
        """Maps to (N, 4p, H, W), or half as large, rounded up; see :class:`Layer`."""
        size = size or parts[-1].shape[2:]
        y = self.pool(self.conv2(self.conv1(*parts, size=size).relu_()))
        if self.downsample is None:
            (only,) = parts
            return self.conv3.added_to(summed([only], size), y).relu_()
        *pools, conv = self.downsample
        for pool in pools:
            parts = tuple(map(pool, parts))
        return self.conv3.added_to(conv(*parts, size=y.shape[2:]), y).relu_()


class Layer(nn.Module):
    """Blocks, of which the first may change channels and size.

    Args:
        inputs: Channels of its input.
        p: A quarter of the channels of its output.
        count: Number of blocks.
        pool: Stride of the first block's average; 0 for none.
        stride: Of the first block.
        is_decoder: Whether it is one of the decoders', whose shortcuts have other keys.
    """

    def __init__(
        self,
        inputs: int,
        p: int,
        count: int,
        pool: int = 0,
        stride: int = 1,
        is_decoder: bool = False,
    ) -> None:
        super().__init__()
        downsample = None
        if stride > 1 or inputs != 4 * p:
            mean = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
            before = [] if is_decoder else [mean if stride > 1 else nn.Identity()]
            downsample = nn.Sequential(*before, Pointwise(inputs, 4 * p))
        rest = [Block(4 * p, p) for _ in range(count - 1)]
        self.layer = nn.Sequential(Block(inputs, p, pool, downsample), *rest)

    def forward(self, *parts: Tensor, size: torch.Size | None = None) -> Tensor:
        """Maps to (N, 4p, H, W), or half as large, rounded up.

        Args:
            *parts: What the authors concatenate, (N, F, H, W); those of fewer samples are repeated
                and those of half the size enlarged.
            size: H and W; None for those of the last.
        """
        x = self.layer[0](*parts, size=size)
        for block in self.layer[1:]:
            x = block(x)
        return x


def projection(channels: int) -> nn.Sequential:
    """What makes an image of an embedding, ≥ 0."""
    return nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1), nn.ReLU(inplace=True))


def enlarged(x: Tensor, size: torch.Size) -> Tensor:
    """Twice as large, bilinear, then to the exact size by the nearest pixel, as in their code.

    That leaves out the last row or column: the size is twice that of the map, or one less.
    """
    return cut(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), size)


def summed(maps: list[Tensor], size: torch.Size) -> Tensor:
    """The sum of maps, each repeated and enlarged to the largest number of samples and the size."""
    count = max(map(len, maps))
    fitting = []
    for x in maps:
        x = x if len(x) == count else x.repeat_interleave(count // len(x), 0)
        fitting.append(x if x.shape[2:] == size else enlarged(x, size))
    return reduce(torch.add, fitting)


class Features(NamedTuple):
    """What the joint pass makes of B pairs."""

    unique: Tensor
    """Embeddings of what each source has alone, (B, 2, 16, H, W): RD scales them."""
    common: Kept
    """Embedding of what both have, (B, 16, H, W)."""
    pyramid: Kept
    """Maps of each source by itself, (B·2, F, h, w), finest first: components are made of them."""


class DeFusion(FusionNetwork):
    """Common and unique embeddings of two sources; a convolution makes the image of their sum.

    It learns to take an image apart that is seen through two masks. TTD scales the unique
    embeddings; the common one belongs to no source.

    Args:
        component: What the component of a source is: ``alone``, the network with that source on
            both inputs; or ``joint``, the image of the common and the source's unique embedding,
            which costs little, but knows of the other source.
        width: Channels relative to the authors'.
        depth: Blocks of each layer relative to the authors'.
        skip: Whether the last layers of the decoders see the sources and the encoder's maps of full
            size too; the authors' do not, which makes fine detail slow to learn.
        luma: Whether it fuses luma in every task, as where it learned from grey photographs; the
            authors' fuses the colours of exposures and focal planes.

    Raises:
        InputError: If an option cannot be.
    """

    channels: tuple[int, ...] = (3,)
    rgb_tasks: frozenset[str] = frozenset({"mef", "mff"})
    repeats_luma: ClassVar[bool] = True
    padding: ClassVar[int] = 16
    bytes_per_pixel: ClassVar[int] = 1600
    source_count: ClassVar[int | None] = 2
    decomposes: bool = True
    objective: ClassVar[str] = "defusion"
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("ir", "vi"),
        "mef": ("over", "under"),
    }
    auxiliary: ClassVar[tuple[str, ...]] = ("decoder_upper_projection_layer.",)
    small: ClassVar[dict[str, Any]] = {"width": 0.25, "depth": 0.25}
    paper: ClassVar[str] = "Liang et al., ECCV 2022"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mef", "mff")
    licence: ClassVar[str] = "MIT"

    def __init__(
        self,
        component: str = "alone",
        width: float = 1,
        depth: float = 1,
        skip: bool = False,
        luma: bool = False,
    ) -> None:
        super().__init__()
        if component not in COMPONENTS:
            known = ", ".join(COMPONENTS)
            raise InputError(f"defusion: component must be one of {known}, got {component!r}")
        for name, value in (("width", width), ("depth", depth)):
            if type(value) not in (int, float) or not 0 < value <= 4:
                raise InputError(f"defusion: {name} must be in (0, 4], got {value!r}")
        for name, switch in (("skip", skip), ("luma", luma)):
            if type(switch) is not bool:
                raise InputError(f"defusion: {name} must be true or false, got {switch!r}")
        self.component, self.width, self.depth, self.skip = component, width, depth, skip
        if luma:
            self.rgb_tasks = frozenset()
        self._build_encoder()
        self._build_decoders()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.out_channels * module.weight[0, 0].numel()
                nn.init.normal_(module.weight, 0, (2 / fan_out) ** 0.5)

    def _build_encoder(self) -> None:
        first = nn.Conv2d(3, self._channels(16), 3, padding=1)
        layer = self._layer(16, p=8, count=6, pool=1)
        self.encoder_upper = nn.Sequential(first, nn.ReLU(inplace=True), layer)
        self.upper_encoder_layer1 = self._layer(32, p=16, count=6)
        self.upper_encoder_layer2 = self._layer(64, p=32, count=4, pool=2, stride=2)
        self.upper_encoder_layer3 = self._layer(128, p=64, count=4, pool=2, stride=2)
        self.common_encoder = nn.Sequential(self._layer(256, 256, p=256, count=4))

    def _build_decoders(self) -> None:
        build = partial(self._layer, is_decoder=True)
        full = [self._channels(32) + 3] if self.skip else []
        self.decoder_common_layer1 = build(1024, 256, 256, p=64, count=2)
        self.decoder_common_layer2 = build(256, 128, 128, p=16, count=2)
        self.decoder_common_layer3 = build(64, 64, 64, p=4, count=2)
        self.decoder_common_layer4 = nn.Sequential(build(16, p=4, count=2, more=2 * full))
        self.decoder_upper_layer1 = build(1024, 256, p=96, count=4)
        self.decoder_upper_layer2 = build(384, 128, p=32, count=4)
        self.decoder_upper_layer3 = build(128, 64, p=16, count=6)
        self.decoder_upper_layer4 = nn.Sequential(build(64, p=4, count=6, more=full))
        self.decoder_upper_projection_layer = projection(self._channels(16))
        self.fusion_rule = projection(self._channels(16))

    def _layer(
        self, *inputs: int, p: int, count: int, more: Sequence[int] = (), **first: Any
    ) -> Layer:
        """Inputs are the authors' channels, ``more`` is added as it is."""
        channels = sum(map(self._channels, inputs)) + sum(more)
        blocks = max(1, round(count * self.depth))
        return Layer(channels, self._channels(4 * p) // 4, blocks, **first)

    def _channels(self, authors: int) -> int:
        """Multiples of 8: a quarter of them is two groups."""
        return 8 * max(1, round(authors * self.width / 8))

    def encode(self, sources: Tensor) -> Features:
        """(B, 2, 3, H, W) in [0, 1] to embeddings of H x W pixels, jointly."""
        common, unique, pyramid = self._decompose(sources)
        return Features(unique[-1], Kept(common[-1]), Kept(pyramid))

    def combine(self, features: Features, gain: Tensor | None = None) -> Tensor:
        """The unique embeddings, scaled by the gain, plus the common one: (B, 16, H, W)."""
        first, second = scale_features(features.unique, gain)
        return first + second + features.common.value

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 16, H, W) to (B, 3, H, W), ≥ 0."""
        return self.fusion_rule(combined)

    def components(self, features: Features, sources: Tensor) -> Tensor:
        """Uni-source components, (B, 2, 3, H, W); see the option ``component``."""
        if self.component == "joint":
            combined = (features.unique + features.common.value.unsqueeze(1)).flatten(0, 1)
        else:
            own, size = features.pyramid.value, sources.shape[3:]
            deepest, common = self._common(own, size=size)
            unique = self._unique(deepest, own, size)[-1]
            combined = torch.add(common[-1], unique, alpha=2)
        return self.fusion_rule(combined).unflatten(0, sources.shape[:2])

    def images(self, features: Features, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The common and the unique images, (B, 3, H, W) and (B, 2, 3, H, W), ≥ 0."""
        project = self.decoder_upper_projection_layer  # the authors' for both
        unique = project(features.unique.flatten(0, 1))
        return project(features.common.value), unique.unflatten(0, features.unique.shape[:2])

    @property
    def representation(self) -> Representation:
        """The network as a backbone: common and unique features at 1, 1/2, 1/4 and 1/8 size."""
        common, unique = (16, 16, 64, 256), (16, 64, 128, 384)
        channels = (
            self._channels(c) + 2 * self._channels(u) for c, u in zip(common, unique, strict=True)
        )
        return Representation(self, tuple((count, 2**k) for k, count in enumerate(channels)))

    def fused_maps(self, sources: Tensor) -> list[Tensor]:
        """What :attr:`representation` gives of sources, which are not padded.

        Raises:
            ValueError: If they have another shape, or less than 8 pixels a side.
        """
        self.check_sources(sources)
        if min(sources.shape[3:]) < 8:
            raise ValueError(
                f"sources must have 8 pixels a side or more, got {tuple(sources.shape)}"
            )
        common, unique, _ = self._decompose(sources)
        pairs = zip(reversed(common), reversed(unique), strict=True)
        return [torch.cat((c, u.flatten(1, 2)), 1) for c, u in pairs]

    def _decompose(self, sources: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Common maps, (B, F, h, w), unique maps, (B, 2, F, h, w), and the pyramid."""
        pairs, size = sources.shape[:2], sources.shape[3:]
        pyramid = self._pyramid(sources.flatten(0, 1))
        first, second = ([x.unflatten(0, pairs)[:, m] for x in pyramid] for m in (0, 1))
        deepest, common = self._common(first, second, size=size)
        unique = self._unique(deepest, pyramid, size)
        return common, [x.unflatten(0, pairs) for x in unique], pyramid

    def _pyramid(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to maps of half to an eighth of the size.

        With skip that of full size comes first, and the image behind its channels.
        """
        x = self.encoder_upper(images.contiguous(memory_format=torch.channels_last))
        half = self.upper_encoder_layer1(F.max_pool2d(x, 3, 2, padding=1))
        quarter = self.upper_encoder_layer2(half)
        full = [torch.cat((x, images), 1)] if self.skip else []
        return [*full, half, quarter, self.upper_encoder_layer3(quarter)]

    def _common(self, *pyramids: list[Tensor], size: torch.Size) -> tuple[Tensor, list[Tensor]]:
        """The deepest map of two pyramids, and the common decoder's maps, smallest first.

        One pyramid stands for two of the same.
        """
        *full, half, quarter, eighth = zip(*pyramids, strict=True)
        deepest = self.common_encoder[0](*eighth)
        x1 = self.decoder_common_layer1(deepest, *eighth)
        x2 = self.decoder_common_layer2(x1, *quarter)
        x3 = self.decoder_common_layer3(x2, *half)
        last = self.decoder_common_layer4[0](x3, *sum(full, ()), size=size)
        return deepest, [x1, x2, x3, last]

    def _unique(self, deepest: Tensor, own: list[Tensor], size: torch.Size) -> list[Tensor]:
        """The unique decoder's maps of the sources of one pyramid, smallest first."""
        *full, half, quarter, eighth = own
        x1 = self.decoder_upper_layer1(deepest, eighth)
        x2 = self.decoder_upper_layer2(x1, quarter)
        x3 = self.decoder_upper_layer3(x2, half)
        return [x1, x2, x3, self.decoder_upper_layer4[0](x3, *full, size=size)]

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The authors' checkpoint in our keys: what it stores twice once, without what is unused.

        Raises:
            InputError: If it is one of theirs, but not complete and exact, or of another class.
        """
        state = content.get("state_dict", content) if isinstance(content, dict) else content
        if not isinstance(state, dict) or not any(
            str(key).startswith(tuple(TWICE)) for key in state
        ):
            return content
        _check_class(state)
        with torch.device("meta"):
            ours = cls().state_dict()
        seconds = {second: key for key in ours for second in _second_names(key)}
        known = {*ours, *seconds, *UNUSED}
        for fault, keys in (
            ("lacks", known - state.keys()),
            ("has an unknown", state.keys() - known),
        ):
            if keys:
                raise InputError(f"this DeFusion checkpoint {fault} {sorted(map(str, keys))[0]}")
        for second, key in seconds.items():
            if not _equal(state[second], state[key]):
                raise InputError(f"{second} of this DeFusion checkpoint is not equal to {key}")
        return {key: state[key] for key in ours}


def _second_names(key: str) -> list[str]:
    part, rest = key.split(".", 1)
    return [f"{second}.{rest}" for second, first in TWICE.items() if first == part]


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, Tensor) and isinstance(other, Tensor) and torch.equal(one, other)


def _check_class(state: dict[str, Any]) -> None:
    """Refuse a checkpoint of another class of the authors, by the layers of its common decoder."""
    names = [f"decoder_common_layer{k}" for k in (1, 2, 3, 4)]
    blocks = tuple(
        sum(str(key).startswith(name) and str(key).endswith(".conv1.weight") for key in state)
        for name in names
    )
    first = state.get(f"{names[0]}.layer.0.conv1.weight")
    inputs = first.shape[1] if isinstance(first, Tensor) and first.ndim == 4 else OUR_CLASS[1]
    if (blocks, inputs) == OUR_CLASS:
        return
    other = OTHER_CLASSES.get((blocks, inputs), "no class of theirs that is known")
    raise InputError(
        f"this checkpoint's common decoder has {', '.join(map(str, blocks))} blocks and {inputs} "
        f"input channels: {other}, not their UCTestSharedNetPro (2, 2, 2, 2 and 1536)"
    )
