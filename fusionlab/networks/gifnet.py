"""GIFNet: one model for all, low-level task interaction for task-agnostic image fusion.

Cheng et al., CVPR 2025, https://arxiv.org/abs/2502.19854
Authors' code: https://github.com/AWCXV/GIFNet
Differs: what does not reach the output, a branch of the second block, is not computed;
Final.model loads as published. The authors truncate luma to 8 bits before they fuse it and the
fused image after; their chroma of two coloured sources favours the less coloured one, ours is that
of every network. Untrained weights are PyTorch's defaults.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, cut, next_multiple, scale_features
from fusionlab.networks.published import Published

WIDTH = 98  # the two images, and three layers of 32 maps
WINDOW, HEADS, SHIFT = 8, 2, 4
MULTIPLE = 4  # features are padded to
SUFFIX = {"ivif": "", "mfif": "_mfif"}  # of a branch in the names of the authors
OTHER = {"ivif": "mfif", "mfif": "ivif"}
COMPONENTS = ("network", "reconstruction")


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    """3x3 convolution, the image reflected around it."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="reflect")


def _decoder(*channels: int) -> nn.Sequential:
    """3x3 convolutions, the image reflected around it, with ReLU between them and tanh behind."""
    layers: list[nn.Module] = []
    for channels_in, channels_out in pairwise(channels):
        pad = nn.ReflectionPad2d(1)
        layers += [pad, nn.Conv2d(channels_in, channels_out, 3), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Tanh())


def _mlp(*channels: int, bias: bool = True) -> nn.Sequential:
    """Two 1x1 convolutions with a ReLU between them."""
    first, hidden, last = channels
    return nn.Sequential(
        nn.Conv2d(first, hidden, 1, bias=bias), nn.ReLU(), nn.Conv2d(hidden, last, 1, bias=bias)
    )


class Convolution(nn.Module):
    """3x3 convolution, the image reflected around it, and ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv2d = _convolution(channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W), ≥ 0."""
        return F.relu(self.conv2d(x))


class SharedFeatures(nn.Module):
    """Dense layers that both tasks share; the images themselves are the first two maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_1, self.conv_2 = Convolution(2, 32), Convolution(34, 32)
        self.conv_3 = Convolution(66, 32)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2, H, W) to (N, 98, H, W)."""
        for layer in (self.conv_1, self.conv_2, self.conv_3):
            x = torch.cat([x, layer(x)], 1)
        return x


class RescaledNorm(nn.Module):
    """Norm over a whole image, which also tells what undoes it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, WIDTH, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, WIDTH, 1, 1))
        self.meta1, self.meta2 = nn.Conv2d(1, WIDTH, 1), nn.Conv2d(1, WIDTH, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 98, H, W) to the same, gain and offset, (N, 98, 1, 1) each."""
        mean = x.mean((1, 2, 3), keepdim=True)
        std = ((x - mean).square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        normed = (x - mean) / std * self.weight + self.bias
        return normed, self.meta1(std), self.meta2(mean)


class WindowAttention(nn.Module):
    """Attention within windows of 8x8 pixels, with a learnt bias for each distance."""

    def __init__(self) -> None:
        super().__init__()
        place = torch.arange(WINDOW)
        points = torch.cartesian_prod(place, place)
        distance = (points[:, None] - points[None]).float()  # of query from key
        logarithm = distance.sign() * distance.abs().log1p()
        self.register_buffer("relative_positions", logarithm)
        self.meta = nn.Sequential(nn.Linear(2, 256), nn.ReLU(), nn.Linear(256, HEADS))

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(windows, heads, 64, 49) each to the same."""
        bias = self.meta(self.relative_positions).permute(2, 0, 1)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


class Attention(nn.Module):
    """Window attention beside a depthwise convolution, for the branches of both tasks.

    Args:
        shift: Pixels by which windows begin before the image.
    """

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = shift
        for suffix in SUFFIX.values():
            depthwise = nn.Conv2d(WIDTH, WIDTH, 5, padding=2, padding_mode="reflect", groups=WIDTH)
            self.add_module(f"conv{suffix}", depthwise)
            self.add_module(f"V{suffix}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"proj{suffix}", nn.Conv2d(WIDTH, WIDTH, 1))
            self.add_module(f"QK{suffix}", nn.Conv2d(WIDTH, 2 * WIDTH, 1))
        self.attn = WindowAttention()

    def forward(self, normed: dict[str, Tensor], leading: str) -> dict[str, Tensor]:
        """Maps of the branches, (N, 98, H, W) each, to the same.

        Windows that are not shifted ask what the leading branch asks. When the ivif branch leads,
        both convolutions see its values, as in the authors' code.
        """
        values: dict[str, Tensor] = {}
        asked: dict[str, Tensor] = {}
        found = {}
        for task in sorted(normed, key=lambda task: task != leading):
            x = normed[task]
            values[task] = _of(self, "V", task)(x)
            asked[task], key = _of(self, "QK", task)(x).chunk(2, dim=1)
            query = asked[task if self.shift else leading]
            convolved = values["ivif" if leading == "ivif" else task]
            attended = self._attended(query, key, values[task])
            found[task] = _of(self, "proj", task)(_of(self, "conv", task)(convolved) + attended)
        return found

    def _attended(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        height, width = value.shape[2:]
        before = self.shift
        rows, columns = (next_multiple(before + size, WINDOW) for size in (height, width))
        sides = (before, columns - before - width, before, rows - before - height)
        windows = (_windows(F.pad(part, sides, mode="reflect")) for part in (query, key, value))
        return cut(_image(self.attn(*windows), (rows, columns)), (height, width), before)


class Block(nn.Module):
    """A transformer block with a branch for each task.

    Args:
        shift: Of its windows, pixels.
    """

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.norm1, self.norm1_mfif = RescaledNorm(), RescaledNorm()
        self.attn = Attention(shift)
        self.mlp, self.mlp_mfif = (
            nn.ModuleDict({"mlp": _mlp(WIDTH, 2 * WIDTH, WIDTH)}) for _ in SUFFIX
        )

    def forward(self, branches: dict[str, Tensor], leading: str) -> dict[str, Tensor]:
        """Maps of one branch or both, (N, 98, H, W) each, to the same."""
        normed, gains, offsets = {}, {}, {}
        for task, x in branches.items():
            normed[task], gains[task], offsets[task] = _of(self, "norm1", task)(x)
        found = self.attn(normed, leading)
        del normed  # memory
        for task, x in branches.items():
            y = x + found[task] * gains[task] + offsets[task]
            found[task] = y + _of(self, "mlp", task)["mlp"](y)
        return found


class Layer(nn.Module):
    """Two blocks; behind the first the leading branch takes something of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(0), Block(SHIFT)])
        self.weights, self.weights_mfif = (
            nn.ParameterList(nn.Parameter(torch.rand(1)) for _ in range(2)) for _ in SUFFIX
        )

    def forward(self, branches: dict[str, Tensor], leading: str) -> Tensor:
        """The leading branch of two, (N, 98, H, W)."""
        first, second = self.blocks
        branches = first(branches, leading)
        mixed = branches[leading] + _of(self, "weights", leading)[0] * branches[OTHER[leading]]
        return second({leading: mixed}, leading)[leading]


class TaskTransformer(nn.Module):
    """What is of one task in features, seen beside the other task."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed_ivif, self.patch_embed_mfif = (
            nn.ModuleDict({"proj": _convolution(WIDTH, WIDTH)}) for _ in SUFFIX
        )
        self.layer1 = Layer()
        self.patch_unembed = nn.ModuleDict({"proj": nn.Sequential(_convolution(WIDTH, WIDTH))})

    def forward(self, features: dict[str, Tensor], leading: str) -> Tensor:
        """Features for both branches, (N, 98, H, W) each, to those of the leading one."""
        height, width = features[leading].shape[2:]
        below, right = (next_multiple(size, MULTIPLE) - size for size in (height, width))
        sides = (0, right, 0, below)
        embedded = {
            task: getattr(self, f"patch_embed_{task}")["proj"](F.pad(x, sides, mode="reflect"))
            for task, x in features.items()
        }
        found = self.patch_unembed["proj"](self.layer1(embedded, leading))
        return cut(found, (height, width))


class Decoder(nn.Module):
    """The fused image of shared features and those of a task."""

    def __init__(self) -> None:
        super().__init__()
        mlp = _mlp(2 * WIDTH, WIDTH, 128, bias=False)
        self.fuseComplementFeatures = nn.ModuleDict({"mlp": mlp})
        self.decoder = _decoder(128, 64, 32, 16, 1)

    def forward(self, shared: Tensor, specific: Tensor) -> Tensor:
        """(N, 98, H, W) each to (N, 1, H, W) in (0, 1)."""
        joined = self.fuseComplementFeatures["mlp"](torch.cat([shared, specific], 1))
        return self.decoder(joined) / 2 + 0.5


class GIFNet(FusionNetwork):
    """One network for all tasks: features of focus, seen beside those of infrared and visible.

    Takes two sources: infrared, near, over-exposed, PET first; visible, far, under-exposed, MRI
    second. It enhances contrast. RD scales what enters; the uni-source component of a source is
    the network with that source on both inputs.

    Args:
        component: ``network``, or ``reconstruction``: what the decoder that only training needs
            makes of a source on both inputs, which is much closer to that source.
    """

    source_count: ClassVar[int | None] = 2
    source_order: ClassVar[dict[str, tuple[str, ...]]] = {
        "vif": ("ir", "vi"),
        "mff": ("near", "far"),
        "mef": ("over", "under"),
        "mif": ("pet", "spect", "ct", "mri"),
    }
    minimum_size: ClassVar[int] = 5
    bytes_per_pixel: ClassVar[int] = 8000
    objective: ClassVar[str] = "gifnet"
    auxiliary: ClassVar[tuple[str, ...]] = (
        "decoder_rec.",
        *(
            f"extractor_multask.SwinTransformerSpecific.layer1.{name}"
            for name in (
                *("blocks.1.norm1.", "blocks.1.mlp.", "weights.", "weights_mfif.1"),
                *(f"blocks.1.attn.{layer}." for layer in ("conv", "V", "proj", "QK")),
            )
        ),
    )
    paper: ClassVar[str] = "Cheng et al., CVPR 2025"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "Final.model",
            sha256="bfc1dfef0d5b386b0c04f172daf8f6af52ba395f26dc3dd5757425fd32eb1038",
        ),
    )

    def __init__(self, component: str = "network") -> None:
        super().__init__()
        if component not in COMPONENTS:
            raise InputError(f"component must be one of {', '.join(COMPONENTS)}, got {component!r}")
        self.component = component
        self.getSharedFeatures = SharedFeatures()
        self.decoder_rec = nn.ModuleDict({"decoder": _decoder(WIDTH, 64, 32, 16, 1)})
        self.extractor_multask = nn.ModuleDict({"SwinTransformerSpecific": TaskTransformer()})
        self.cnnDecoder = Decoder()

    def encode(self, sources: Tensor) -> Tensor:
        """The sources themselves, (B, 2, 1, H, W) in [0, 1]."""
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Concatenation: (B, 2, 1, H, W), scaled by the gain, to (B, 2, H, W)."""
        return torch.cat(list(scale_features(features, gain)), 1)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 2, H, W) to (B, 1, H, W) in (0, 1)."""
        shared = self.getSharedFeatures(combined)
        return self.fused_for("mfif", shared, shared)

    def fused_for(self, task: str, shared: Tensor, other: Tensor) -> Tensor:
        """The fused image by the branch of a task; training takes one after the other.

        Args:
            task: ``mfif``, as in every test, or ``ivif``.
            shared: Shared features of the pair that is fused, (B, 98, H, W).
            other: Those that the other branch sees: of a pair of the other task in training, the
                same in a test.

        Returns:
            (B, 1, H, W) in (0, 1).
        """
        features = {task: shared, OTHER[task]: other}
        transformer = self.extractor_multask["SwinTransformerSpecific"]
        return self.cnnDecoder(shared, transformer(features, task))

    def reconstructed(self, shared: Tensor) -> Tensor:
        """The second source of shared features, (B, 98, H, W) to (B, 1, H, W) in (-1, 1)."""
        return self.decoder_rec["decoder"](shared)

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """What is made of each source on both inputs, (B, 2, 1, H, W), one after the other."""
        images = []
        for source in features.unbind(1):
            twice = source.expand(-1, 2, -1, -1)
            if self.component == "network":
                images.append(self.decode(twice, sources))
            else:
                images.append(self.reconstructed(self.getSharedFeatures(twice)))
        return torch.stack(images, 1)


def _of(module: nn.Module, name: str, task: str) -> Any:
    """The part of a module that is the branch of a task."""
    return getattr(module, name + SUFFIX[task])


def _windows(x: Tensor) -> Tensor:
    """(N, 98, H, W) to (N · windows, heads, 64, 49)."""
    x = x.unflatten(3, (-1, WINDOW)).unflatten(2, (-1, WINDOW)).unflatten(1, (HEADS, -1))
    return x.permute(0, 3, 5, 1, 4, 6, 2).flatten(4, 5).flatten(0, 2)


def _image(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of :func:`_windows`, for images of that size."""
    rows, columns = (side // WINDOW for side in size)
    x = windows.unflatten(2, (WINDOW, WINDOW)).unflatten(0, (-1, rows, columns))
    return x.permute(0, 3, 6, 1, 4, 2, 5).flatten(5, 6).flatten(3, 4).flatten(1, 2)
