"""Large images, tile by tile: what :class:`Encoded` gives, in a fraction of the memory.

Tiles overlap. The outer part of the overlap, which the cut has changed, counts for nothing; the
rest is faded from one tile to the next, so that networks that look at whole images show no seams.
Where a network is local, it is cut instead, and the result is that of the whole image. Evidence of
TTD is gathered tile by tile, but losses, temperature and RD are those of the whole image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any, NoReturn

import torch
from torch import Tensor

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings.ttd import OBJECTIVE
from fusionlab.ttd.encoded import Encoded, Steps
from fusionlab.ttd.gradient import LossMap
from fusionlab.ttd.losses import reconstruction_loss

USUAL = 512  # pixels along a side of a tile: a few hundred MB
FADE = 64  # pixels from one tile to the next, for networks that are not local
_LOSS_MARGIN = 8  # of the windows that losses look at
_GRADIENT_REACH = 3  # a gradient goes through the decoder, back, and the encoder


@dataclass(frozen=True)
class Tile:
    """A part of an image.

    Args:
        rows: Of the image.
        columns: Of the image.
        weight: What each of its pixels counts, (h, w); all tiles together count 1 everywhere.
    """

    rows: slice
    columns: slice
    weight: Tensor

    def of(self, images: Tensor) -> Tensor:
        """That part of (..., H, W)."""
        return images[..., self.rows, self.columns]


def tiles(
    size: tuple[int, int], side: int, margin: int, fade: int, multiple: int = 1
) -> Iterator[Tile]:
    """Tiles that cover an image.

    Args:
        size: Height and width of the image.
        side: Most pixels along a side of a tile, with its overlap.
        margin: Pixels at an inner edge that count for nothing.
        fade: Pixels over which one tile gives way to the next; 0 cuts.
        multiple: Tiles begin at multiples of this, as strided layers want it.

    Raises:
        InputError: If a tile is all overlap.
    """
    for rows, down in _spans(size[0], side, margin, fade, multiple):
        for columns, across in _spans(size[1], side, margin, fade, multiple):
            yield Tile(rows, columns, down[:, None] * across[None, :])


def least_side(margin: int, fade: int, multiple: int) -> int:
    """Least side of a tile that is not all overlap, and gives way to one tile at a time."""
    own = max(multiple, -(-fade // multiple) * multiple)
    return _overlap(margin, fade, multiple) + own


def least_tile(network: FusionNetwork) -> int:
    """Least side of the tiles of a local network, gradients included."""
    return least_side(*_overlapping(network, _GRADIENT_REACH, True))


def usual_tile(network: FusionNetwork) -> int:
    """A side of the tiles of a local network, a quarter of which they share with the next."""
    overlap = _overlap(*_overlapping(network, 1, True))
    return max(USUAL, 4 * overlap)


class TiledEncoded:
    """B samples on their way through a network, a tile at a time; as :class:`Encoded`.

    Args:
        network: The network, in evaluation mode.
        sources: What it takes, (B, M, C, H, W) in [0, 1].
        side: Most pixels along a side of a tile.
        task: For networks that use it.
        order: Places of the sources in the order of the network, (B, M); None for their own.

    Raises:
        ValueError: If the network does not take these sources.
        InputError: If the tiles are too small.
    """

    def __init__(
        self,
        network: FusionNetwork,
        sources: Tensor,
        side: int,
        task: str | None = None,
        order: Tensor | None = None,
    ) -> None:
        network.check_sources(sources)
        self.network, self.sources, self.task = network, sources, task
        self._order, self._side = order, side
        self._steps = Steps(sources.device)
        self._grid()  # refuses tiles that are too small now

    @property
    def static(self) -> Tensor:
        """The static fused images, (B, C, H, W), unclamped."""
        return self._steps.once("static", lambda: self._whole(lambda one, _: one.static))

    @property
    def components(self) -> Tensor:
        """Uni-source components, (B, M, C, H, W), unclamped."""
        return self._steps.once("components", lambda: self._whole(lambda one, _: one.components))

    @property
    def decomposition(self) -> tuple[Tensor, Tensor]:
        """As :attr:`Encoded.decomposition`."""
        common = self._steps.once(
            "common", lambda: self._whole(lambda one, _: one.decomposition[0])
        )
        unique = self._steps.once(
            "unique", lambda: self._whole(lambda one, _: one.decomposition[1])
        )
        return common, unique

    def compared(self, compare: str) -> None:
        """Nothing: the components of an image of this size are not kept; see :attr:`components`."""

    def fuse(self, gain: Tensor | None) -> Tensor:
        """Fused images, (B, C, H, W), of features scaled by a gain, (B, M, 1, H, W)."""
        if gain is None:
            return self.static
        return self._whole(lambda one, tile: one.fuse(tile.of(gain)))

    def losses(self, compare: str, loss: str) -> Tensor:
        """Loss per pixel, (B, M, 1, H, W), ≥ 0."""
        return self._steps.once(
            ("losses", compare, loss),
            lambda: self._whole(
                lambda one, _: reconstruction_loss(one.compared(compare), one.sources, loss)
            ),
        )

    def magnitude(
        self, compare: str, name: str, loss: LossMap, channel: int | str, windowed: bool
    ) -> Tensor:
        """|g| per pixel, (B, M, 1, H, W); see :meth:`Encoded.magnitude`.

        Raises:
            InputError: If the loss is one number of the whole image.
        """
        if name == OBJECTIVE:
            self._refuse("ttd.loss objective", "set ttd.loss to l1")
        return self._steps.once(
            ("magnitude", compare, name, channel),
            lambda: self._whole(
                lambda one, _: one.magnitude(compare, name, loss, channel, windowed),
                reach=_GRADIENT_REACH,
            ),
        )

    def gradients(self, compare: str, name: str, loss: LossMap) -> NoReturn:
        """Refused: they do not fit."""
        self._refuse("ttd.channel auto", "give its number")

    @property
    def encoded_size(self) -> tuple[int, int]:
        """Height and width of the sources."""
        return self.sources.shape[-2], self.sources.shape[-1]

    def timed(self) -> Any:
        """As :meth:`Encoded.timed`."""
        return self._steps.timed()

    def _grid(self, reach: int = 1) -> Sequence[Tile]:
        local = self.network.is_local_at(self.encoded_size)
        overlapping = _overlapping(self.network, reach, local)
        return list(tiles(self.encoded_size, self._side, *overlapping))

    def _whole(self, make: Callable[[Encoded, Tile], Tensor], reach: int = 1) -> Tensor:
        """(..., H, W) of what ``make`` gives for every tile."""
        whole: Tensor | None = None
        for tile in self._grid(reach):
            one = Encoded(self.network, tile.of(self.sources), self.task, self._order)
            part = make(one, tile)
            if whole is None:
                whole = part.new_zeros((*part.shape[:-2], *self.encoded_size))
            tile.of(whole).add_(part * tile.weight.to(part))
        assert whole is not None
        return whole

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        height, width = self.encoded_size
        raise InputError(
            f"{what} needs the whole image at once, but {width}x{height} pixels are fused in "
            f"tiles; {remedy}, or set tile to 0"
        )


def _overlapping(network: FusionNetwork, reach: int, local: bool) -> tuple[int, int, int]:
    """Margin, fade and multiple of a network's tiles."""
    margin = network.reach * reach + _LOSS_MARGIN + network.padding
    multiple = lcm(network.size_multiple, network.reduction, network.tile_multiple)
    return margin, 0 if local else FADE, multiple


def _overlap(margin: int, fade: int, multiple: int) -> int:
    return -(-(2 * margin + fade) // multiple) * multiple


def _spans(
    size: int, side: int, margin: int, fade: int, multiple: int
) -> Iterator[tuple[slice, Tensor]]:
    """Where tiles lie along a side, and what each of their pixels counts there."""
    overlap = _overlap(margin, fade, multiple)
    length = side // multiple * multiple
    step = length - overlap
    least = least_side(margin, fade, multiple)
    if length < least and size > length:
        raise InputError(f"tile must be at least {least} for this network, got {side}")
    place = torch.arange(overlap) + 0.5
    rise = ((place - (overlap - fade) / 2) / fade).clamp(0, 1) if fade else (place > overlap / 2)
    start = 0
    while True:
        end = min(start + length, size)
        weight = torch.ones(end - start)
        if start:
            weight[:overlap] *= rise.float()
        if end < size:  # in small tiles both ends overlap: neither replaces the other
            weight[-overlap:] *= 1 - rise.float()
        yield slice(start, end), weight
        if end == size:
            return
        start += step
