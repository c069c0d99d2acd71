"""What a viewer sees of a network's output: its authors' clamping, stretch and colour, in 8 bits.

Rows are taken a few at a time, so that a large picture costs little more than its levels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fusionlab.data.colour import to_levels, to_luma, with_chroma
from fusionlab.networks.base import FusionNetwork

NEUTRAL = 128 / 255  # chroma of grey in files
BAND = 2**20  # pixels that are taken at a time


class Viewer:
    """Makes pictures of a network's output as its authors do.

    Args:
        network: It declares how.
        colour: ``luma`` or ``rgb``: what it fuses.
        stretch: Whether fused pictures are stretched to the full range.
    """

    def __init__(self, network: FusionNetwork, colour: str, stretch: bool) -> None:
        self.network, self.colour, self.stretch = network, colour, stretch

    def levels(self, output: Tensor, chroma: Tensor) -> Tensor:
        """The picture in 8 bits, (B, 3, H, W) uint8; see :meth:`bands`."""
        return torch.cat([to_levels(band) for band in self.bands(output, chroma)], 2)

    def shown(self, output: Tensor, chroma: Tensor) -> Tensor:
        """The same before it is rounded, (B, 3, H, W), about [0, 1]."""
        return torch.cat(list(self.bands(output, chroma)), 2)

    def bands(self, output: Tensor, chroma: Tensor) -> Iterator[Tensor]:
        """Pictures, stretched where that is asked for, colour put back, not rounded, row by row.

        Args:
            output: The network's output, (B, C, H, W).
            chroma: Chroma of the sources, (B, 2, H, W); 0 where all of them are grey.

        Yields:
            (B, 3, h, W), clamped to [0, 1] when it is made levels.
        """
        rows = max(1, BAND // output.shape[3])
        coloured = chroma.ne(0).flatten(1).any(1).view(-1, 1, 1, 1).to(output.device)
        parts = list(zip(output.split(rows, 2), chroma.split(rows, 2), strict=True))
        ends: tuple[Tensor, Tensor] | None = None
        if self.stretch and not self.network.stretches_colour:
            ends = _extremes(self._clamped(part) for part, _ in parts)
        last: tuple[Tensor, Tensor] | None = None
        if self.stretch and self.network.stretches_colour:
            last = _extremes(self._picture(*part, coloured, None) for part in parts)
        for part in parts:
            picture = self._picture(*part, coloured, ends)
            yield picture if last is None else self._stretched(picture, coloured, last)

    def _clamped(self, output: Tensor) -> Tensor:
        ends = self.network.output_range
        return output.float() if ends is None else output.float().clamp(*ends)

    def _picture(
        self,
        output: Tensor,
        chroma: Tensor,
        coloured: Tensor,
        ends: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """(B, C, h, W) and (B, 2, h, W) to (B, 3, h, W); ``ends`` are to be black and white."""
        output = self._clamped(output)
        if ends is not None:
            output = self._stretched(output, coloured, ends)
        fused = output.clamp(0, 1) if output.shape[1] == 3 else output
        luma = torch.stack([to_luma(image) for image in fused])
        chroma = chroma.to(luma)
        if self.network.truncates:
            luma, chroma = _truncated(luma.clamp(0, 1)), _truncated(chroma + NEUTRAL) - NEUTRAL
            fused = _truncated(fused)
        if self.colour == "luma":
            chroma = chroma + self.network.chroma_offset * coloured
            return with_chroma(luma, chroma).clamp(0, 1)
        return torch.where(coloured, fused, luma).expand(-1, 3, -1, -1)

    def _stretched(self, images: Tensor, coloured: Tensor, ends: tuple[Tensor, Tensor]) -> Tensor:
        """(B, C, h, W), as the network's authors stretch; ``coloured`` is (B, 1, 1, 1)."""
        low, high = ends
        if self.network.stretches_from_zero:
            low = torch.zeros_like(low)
        found = _between(images, low, high)
        return torch.where(coloured, images, found) if self.network.stretches_grey_only else found


def stretched(image: Tensor, from_zero: bool = False) -> Tensor:
    """(B, C, H, W), each image from its minimum, or 0, to its maximum over [0, 1]; flat ones stay.

    From 0 that is one without a positive value.
    """
    low, high = _extremes([image])
    return _between(image, torch.zeros_like(low) if from_zero else low, high)


def _extremes(parts: Iterator[Tensor] | list[Tensor]) -> tuple[Tensor, Tensor]:
    """Smallest and largest value of each image, (B, 1, 1, 1), over its parts (B, C, h, W)."""
    found = [part.flatten(1).aminmax(dim=1) for part in parts]
    low = torch.stack([one.min for one in found]).amin(0)
    high = torch.stack([one.max for one in found]).amax(0)
    return low.view(-1, 1, 1, 1), high.view(-1, 1, 1, 1)


def _between(image: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.where(high > low, (image - low) / (high - low).where(high > low, 1), image)


def _truncated(images: Tensor) -> Tensor:
    """To the level below, of 256."""
    return (255 * images).floor() / 255
