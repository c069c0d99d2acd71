"""What every fusion network is: an encoder, a static rule and a decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.published import Published


class FusionNetwork(nn.Module):
    """A fusion network behind the contract that test-time dynamic fusion relies on.

    A network implements :meth:`encode`, :meth:`combine` and :meth:`decode`. Its output is in the
    range of its sources but is not clamped; whoever shows or scores an image clamps it. What its
    published weights need is declared in class attributes and applied by :class:`Fuser`.

    The contract: a gain of 1 everywhere returns exactly what no gain returns.
    """

    channels: tuple[int, ...] = (1,)
    """Channels the network takes: 1 (luma), 3 (RGB)."""

    rgb_tasks: frozenset[str] = frozenset()
    """Tasks on which its authors fuse RGB; on the others it fuses luma."""

    repeats_luma: ClassVar[bool] = False
    """Its authors give it luma three times and take the luma of what they clamp; so do we."""

    min_max_stretch: bool = False
    """Its authors stretch each fused image to the full range before they save or score it."""

    stretches_colour: ClassVar[bool] = False
    """That stretch follows after the colour is put back, one range for all three channels."""

    stretches_grey_only: ClassVar[bool] = False
    """That stretch is left out where a source is coloured."""

    stretches_from_zero: ClassVar[bool] = False
    """That stretch makes the maximum white, and leaves black what is 0."""

    truncates: bool = False
    """Its authors cut levels off where others are rounded: of RGB, or of luma and chroma before the
    colour is put back."""

    output_range: ClassVar[tuple[float, float] | None] = None
    """Its authors clamp the network's output to this before they put the colour back."""

    rounds_luma: ClassVar[bool] = False
    """Its authors round luma to 8 bits before it is fused."""

    chroma_offset: ClassVar[float] = 0.0
    """What its authors' conversion adds to both chroma of coloured pictures, of a range of 1."""

    minimum_size: ClassVar[int] = 1
    """Least height and width of its sources, pixels."""

    size_multiple: int = 1
    """Height and width are padded, at the right and below, to a multiple of this."""

    padding: ClassVar[int] = 0
    """Pixels that its authors pad on every side, and crop from the output."""

    padding_mode: ClassVar[str] = "reflect"
    """How both are filled, as in ``torch.nn.functional.pad``; small images are reflected again."""

    padding_value: ClassVar[float] = 0.0
    """What fills them in the mode ``constant``, in [0, 1]."""

    reduction: ClassVar[int] = 1
    """Pixels along a side that one feature stands for."""

    bytes_per_pixel: ClassVar[int] = 1000
    """Memory that fusing two sources takes at its peak, bytes per pixel in float32, roughly."""

    steps: int = 1
    """Times that it goes over one image, as a sampler does."""

    reach: ClassVar[int] = 32
    """How far beyond a pixel the sources matter to it, pixels; where an image is fused in tiles,
    so much of a tile's inner edges counts for nothing. Attention and pooling of a whole image go
    farther: their tiles are faded into each other."""

    is_local: bool = False
    """Whether nothing beyond that reach matters: tiles give exactly what the whole image gives."""

    tile_multiple: ClassVar[int] = 1
    """Tiles begin at multiples of this, and of ``size_multiple`` and ``reduction``."""

    source_count: ClassVar[int | None] = None
    """Number of sources it takes; None for any."""

    source_order: ClassVar[dict[str, tuple[str, ...]]] = {}
    """By task the order in which its authors give it the sources, in the names of
    :data:`~fusionlab.data.layouts.roles.TASK_OF`; where there is none, or the data have other
    sources, the order of the data."""

    auxiliary: ClassVar[tuple[str, ...]] = ()
    """Beginnings of the names of parameters that the fused image does not depend on."""

    max_rule: bool = False
    """Its static rule takes the largest features: TTD must not make any source's larger."""

    ttd_note: ClassVar[str] = ""
    """What evaluation says, in a line, of TTD of its components; empty if nothing."""

    no_ttd: ClassVar[str] = ""
    """Why TTD is not offered for it; empty where it is."""

    no_export: str = ""
    """Why no graph for any height and width can be made of it; empty where one can."""

    graph_minimum: int = 8
    """Least height and width of such a graph, pixels; smaller images would need another one."""

    trainable: ClassVar[bool] = True
    """Whether it has weights; a network without takes no checkpoint."""

    uses_task: ClassVar[bool] = False
    """Whether :meth:`encode` and :meth:`components` are also told the task, ``task="vif"``."""

    objective: ClassVar[str] = ""
    """Name of the objective it is trained with by default; empty if it has none."""

    small: ClassVar[dict[str, Any]] = {}
    """Options that make it small, for tests."""

    paper: ClassVar[str] = ""
    """Authors, venue and year."""

    spelling: ClassVar[str] = ""
    """Its name as the paper spells it, where no class can be called so."""

    starts_from: ClassVar[tuple[str, ...]] = ()
    """Options that only say where untrained weights come from; a checkpoint does not keep them."""

    decomposes: bool = False
    """Whether it makes images of what its sources have in common and alone: :meth:`images`."""

    tasks: ClassVar[tuple[str, ...]] = ()
    """Tasks that its authors made it for, of vif, mif, mef and mff."""

    licence: ClassVar[str] = ""
    """Licence of its authors' code and weights."""

    published: ClassVar[tuple[Published, ...]] = ()
    """Its authors' checkpoints."""

    parts: ClassVar[tuple[str, ...]] = ()
    """Names of its parts, where its authors publish each as a file, ``<name>.pth``: a checkpoint
    may be the folder that holds them."""

    numpy_scalars: ClassVar[bool] = False
    """Whether these hold NumPy scalars beside the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""  # this and the next two are set by create_network
        self.options: dict[str, Any] = {}
        self.checkpoint: dict[str, str] = {}  # where its weights come from, and their SHA-256

    def encode(self, sources: Tensor) -> Any:
        """Features of every source, (B, M, C, H, W) to (B, M, F, h, w), in one batch of B·M.

        A network may return tokens, (B, M, n, d), or a tuple (named or not), list or dictionary of
        such tensors, nested as it likes, and what is :class:`Kept` among them.
        """
        raise NotImplementedError

    def combine(self, features: Any, gain: Tensor | None = None) -> Any:
        """The static rule over M: (B, M, F, h, w), scaled by the gain, to (B, F, h, w).

        ``gain`` is (B, M, 1, H, W) at the size of the encoded images; None leaves the features as
        they are. See :func:`scale_features`.
        """
        raise NotImplementedError

    def decode(self, combined: Any, sources: Tensor) -> Tensor:
        """The image of combined features: (B, F, h, w) to (B, C, H, W), unclamped.

        ``sources`` (B, M, C, H, W) tells how many channels are wanted and serves networks whose
        decoder adds to a source.
        """
        raise NotImplementedError

    def components(self, features: Any, sources: Tensor) -> Tensor:
        """Uni-source components, the network run on each source alone: (B, M, C, H, W)."""
        alone = map_features(lambda x: x.flatten(0, 1).unsqueeze(1), features)
        images = sources.flatten(0, 1).unsqueeze(1)
        return self.decode(self.combine(alone), images).unflatten(0, sources.shape[:2])

    def images(self, features: Any, sources: Tensor) -> tuple[Tensor, Tensor]:
        """What features say that all sources show, and what each shows alone, as images.

        Args:
            features: What :meth:`encode` makes of the sources.
            sources: (B, M, C, H, W).

        Returns:
            The common image, (B, C, H, W), and the unique images, (B, M, C, H, W), unclamped.
        """
        raise NotImplementedError

    def decompose(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        """What all sources show, and what each shows alone, as images.

        Args:
            sources: (B, M, C, H, W) in [0, 1].

        Returns:
            The common image, (B, C, H, W), and the unique images, (B, M, C, H, W), unclamped.

        Raises:
            ValueError: If ``sources`` have another shape.
        """
        self.check_sources(sources)
        padded = self.pad(sources)
        common, unique = self.images(self.encode(padded), padded)
        return self.crop(common, sources), self.crop(unique, sources)

    def forward(self, sources: Tensor, rd: Tensor | None = None, task: str | None = None) -> Tensor:
        """Fuse M sources.

        Args:
            sources: (B, M, C, H, W) in [0, 1], M ≥ 1; C is one of ``channels``.
            rd: Relative Dominability, (B, M, 1, H, W), summing to 1 over M, whose gain is M·RD
                (Eq. 1 of TTD); None for the static rule.
            task: For networks that use it.

        Returns:
            The fused images, (B, C, H, W), unclamped.

        Raises:
            ValueError: If ``sources`` or ``rd`` have another shape.
        """
        self.check_sources(sources)
        padded = self.pad(sources)
        gain = None
        if rd is not None:
            _check_maps("rd", rd, sources)
            gain = self.pad(share_gain(rd), 1.0)
        combined = self.combine(self.encode_for(padded, task), gain)  # drops the features
        return self.crop(self.decode(combined, padded), sources)

    def encode_for(self, sources: Tensor, task: str | None) -> Any:
        """:meth:`encode`, told the task where the network uses it."""
        told: dict[str, Any] = {"task": task} if self.uses_task else {}
        return self.encode(sources, **told)

    def components_for(self, features: Any, sources: Tensor, task: str | None) -> Tensor:
        """:meth:`components`, told the task where the network uses it."""
        told: dict[str, Any] = {"task": task} if self.uses_task else {}
        return self.components(features, sources, **told)

    def pad(self, images: Tensor, value: float | None = None) -> Tensor:
        """(B, M, C, H, W), padded as the network declares.

        Args:
            images: Sources, or their gain.
            value: Constant in place of ``padding_value``, where a constant fills: 1 for a gain.
        """
        before, sizes = self.padding, images.shape[-2:]
        after = [next_multiple(size + 2 * before, self.size_multiple) - size for size in sizes]
        after = [below - before for below in after]
        fits = self.size_multiple == 1 or not (torch.compiler.is_exporting() or any(after))
        if not before and fits:  # a graph serves sizes that fit and others
            return images
        sides = (before, after[1], before, after[0])
        constant = self.padding_value if value is None else value
        padded = _padded(images.flatten(0, 1), sides, self.padding_mode, constant)
        return padded.unflatten(0, images.shape[:2])

    def crop(self, images: Tensor, sources: Tensor) -> Tensor:
        """(..., H', W') of padded sources, at the size of the sources again."""
        if not self.padding and self.size_multiple == 1:
            return images
        return cut(images, sources.shape[-2:], self.padding)

    def is_local_at(self, size: tuple[int, int]) -> bool:
        """Whether tiles of an image of this height and width give what the whole image gives."""
        return self.is_local

    @classmethod
    def convert_published(cls, content: Any) -> Any:
        """The content of its authors' checkpoint in our keys; here theirs are ours.

        Raises:
            InputError: If it is theirs, but incomplete.
        """
        return content

    @classmethod
    def title(cls) -> str:
        """What it is called in tables, reports and citations, as its paper spells it."""
        return cls.spelling or cls.__name__

    @property
    def kept_options(self) -> dict[str, Any]:
        """The options that a checkpoint keeps."""
        return {key: self.options[key] for key in self.options if key not in self.starts_from}

    def describe(self) -> dict[str, Any]:
        """What a result says of its network.

        Name, options, checkpoint (empty without one) and whether it has weights.
        """
        return {
            "name": self.name,
            "options": self.options,
            "checkpoint": self.checkpoint,
            "trainable": self.trainable,
        }

    def check_sources(self, sources: Tensor) -> None:
        """Refuse anything but (B, M, C, H, W), not empty, with a number of channels it takes."""
        fits = sources.ndim == 5 and sources.shape[1] > 0 and sources.shape[2] in self.channels
        if not fits or min(sources.shape[3:]) < self.minimum_size:
            channels = " or ".join(map(str, self.channels))
            raise ValueError(
                f"sources must be (B, M, C, H, W) with M ≥ 1, C = {channels} and "
                f"H, W ≥ {self.minimum_size}, got {tuple(sources.shape)}"
            )
        if not sources.is_floating_point():
            raise ValueError(f"sources must be floating point in [0, 1], got {sources.dtype}")
        if self.source_count not in (None, sources.shape[1]):
            raise ValueError(
                f"{self.name or type(self).__name__} takes exactly {self.source_count} sources, "
                f"got {sources.shape[1]}"
            )


@dataclass
class Kept:
    """A part of the features that TTD neither scales nor differentiates: of no single source.

    Args:
        value: A tensor, or a structure of tensors as features are.
    """

    value: Any


def check_evaluation_mode(network: nn.Module) -> None:
    """Refuse a network that would normalise by its batch, drop features and change its weights.

    Raises:
        InputError: If a part that behaves otherwise in training is in training mode.
    """
    if any(part.training and isinstance(part, _MODAL) for part in network.modules()):
        raise InputError("the network is in training mode; call network.eval() first")


_MODAL = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)


def map_features(
    function: Callable[[Tensor], Tensor],
    features: Any,
    kept: Callable[[Tensor], Tensor] | None = None,
) -> Any:
    """The same structure of features, with a function applied to every tensor in it.

    Args:
        function: The function.
        features: The features.
        kept: What is applied to the tensors that are :class:`Kept`; None passes them on.
    """
    if isinstance(features, Tensor):
        return function(features)
    if isinstance(features, Kept):
        return Kept(map_features(kept, features.value)) if kept else features
    if isinstance(features, dict):
        return {name: map_features(function, part, kept) for name, part in features.items()}
    parts = (map_features(function, part, kept) for part in features)
    return type(features)(*parts) if hasattr(features, "_fields") else type(features)(parts)


def feature_tensors(features: Any) -> tuple[Tensor, ...]:
    """Every tensor in a structure of features, in order, without what is :class:`Kept`."""
    if isinstance(features, Tensor):
        return (features,)
    if isinstance(features, Kept):
        return ()
    parts = features.values() if isinstance(features, dict) else features
    return tuple(tensor for part in parts for tensor in feature_tensors(part))


def share_gain(rd: Tensor) -> Tensor:
    """M·RD (Eq. 1 of TTD), (B, M, 1, H, W); exactly 1 where RD is uniform.

    RD is divided by 1/M, rounded as RD is: multiplying by M would not give 1 for every M (41 in
    float32).
    """
    return rd / rd.new_full((), 1 / rd.shape[1])


def scale_features(features: Tensor, gain: Tensor | None) -> Iterator[Tensor]:
    """Features times their gain, source by source: the one place where TTD touches a network.

    Where features are coarser than the image, the gain is averaged over the area that each stands
    for. Tokens lie in rows on a grid of the image's proportions, without a class token.

    Args:
        features: (B, M, F, h, w), or tokens (B, M, n, d).
        gain: (B, M, 1, H, W), or None to leave the features as they are.

    Returns:
        M tensors, (B, F, h, w) or (B, n, d), of the features' type, each made when it is asked
        for. A gain of 1 everywhere is the identity bit for bit.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if gain is None:
        return iter(features.unbind(1))
    _check_maps("gain", gain, features)
    if features.ndim == 4:
        size = token_grid(features.shape[2], (gain.shape[3], gain.shape[4]))
        scales = gain_at(gain, size).flatten(2).unsqueeze(3)
    else:
        scales = gain_at(gain, (features.shape[3], features.shape[4]))
    pairs = zip(features.unbind(1), scales.unbind(1), strict=True)
    return (
        (feature * scale).to(features.dtype) for feature, scale in pairs
    )  # else autocast widens


def weighted_mean(features: Tensor, gain: Tensor | None) -> Tensor:
    """Mean over M weighted by the gain, whatever its own mean: for the base beside a max rule.

    Args:
        features: (B, M, F, h, w).
        gain: As for :func:`scale_features`.

    Returns:
        (B, F, h, w). A gain of 1 everywhere gives the plain mean bit for bit.
    """
    ones = torch.ones_like(features[:, :, :1])
    total = reduce(torch.add, scale_features(ones, gain))
    return reduce(torch.add, scale_features(features, gain)) / total


def gain_at(gain: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, M, 1, H, W), averaged over areas to (B, M, 1, h, w); 1 everywhere stays exactly 1."""
    if gain.shape[3:] == size:
        return gain
    return F.adaptive_avg_pool2d(gain.flatten(0, 1), size).unflatten(0, gain.shape[:2])


def token_grid(count: int, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of tokens on an image of a size.

    Raises:
        ValueError: If so many tokens make no grid of the image's proportions.
    """
    height, width = size
    rows = max(1, round((count * height / width) ** 0.5))
    if count % rows:
        raise ValueError(f"{count} tokens make no grid on an image of {height} x {width} pixels")
    return rows, count // rows


def next_multiple(size: int, factor: int) -> int:
    """The least multiple that is not smaller; in a form that ``torch.export`` can divide by it."""
    return (size + factor - 1) // factor * factor


def cut(images: Tensor, size: Sequence[int], first: int = 0) -> Tensor:
    """(..., H, W) to so many rows and columns, from the place ``first`` of both on."""
    return part_of(part_of(images, -2, size[0], first), -1, size[1], first)


def part_of(images: Tensor, dim: int, size: int, first: int = 0) -> Tensor:
    """So many places of a dimension, from the place ``first`` on; for ``torch.export`` too.

    There a slice, which may be the whole, would be two graphs.
    """
    if not torch.compiler.is_exporting():
        return images.narrow(dim, first, size)
    return images.index_select(dim, torch.arange(first, first + size, device=images.device))


def _padded(images: Tensor, sides: tuple[int, int, int, int], mode: str, value: float) -> Tensor:
    """Padded (N, C, H, W); unlike PyTorch's, a reflection may be longer than the image."""
    if mode != "reflect":
        return F.pad(images, sides, mode, value if mode == "constant" else None)
    for dim, before, after in ((3, *sides[:2]), (2, *sides[2:])):
        images = images.index_select(dim, reflected(images, images.shape[dim], before, after))
    return images


def reflected(images: Tensor, size: int, before: int, after: int) -> Tensor:
    """Places of a side and of its reflections, again and again, without repeating the outermost."""
    place = torch.arange(-before, size + after, device=images.device)
    period = place.new_full((), max(1, 2 * size - 2))  # a tensor: ONNX divides by no symbol
    place = place % period
    return torch.minimum(place, period - place)


def _check_maps(name: str, maps: Tensor, images: Tensor) -> None:
    b, m = images.shape[:2]
    if maps.ndim != 5 or maps.shape[:3] != (b, m, 1):
        raise ValueError(f"{name} must be ({b}, {m}, 1, H, W), got {tuple(maps.shape)}")
    if name == "rd" and maps.shape[3:] != images.shape[3:]:
        raise ValueError(
            f"rd must have the size of the sources, {tuple(images.shape[3:])}, "
            f"got {tuple(maps.shape[3:])}"
        )
