"""Images kept in memory, so that patches of them can be drawn again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

MOST_BYTES = 4 * 2**30  # of 8-bit images


class ImageCache:
    """Groups of images (C, H, W) in [0, 1], read once if they fit into memory.

    What is exactly an 8-bit image is kept as one; anything else in its own precision.

    Args:
        read: Reads the images of group k.
        sizes: Height and width of the images of each group.
        channels: Of all images of a group together, at most.
        most_bytes: Where the images would take more as 8 bits, they are read when asked for.
    """

    def __init__(
        self,
        read: Callable[[int], list[Tensor]],
        sizes: Sequence[tuple[int, int]],
        channels: int,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.read = read
        self.kept: list[list[Tensor]] = []
        if channels * sum(height * width for height, width in sizes) <= most_bytes:
            with ThreadPoolExecutor() as pool:
                self.kept = list(pool.map(self._compact, range(len(sizes))))

    def cut(self, index: int, top: int, left: int, side: int) -> list[Tensor]:
        """A square of every image of a group, (C, side, side) each."""
        images = self.kept[index] if self.kept else self.read(index)
        return [_unpacked(image[:, top : top + side, left : left + side]) for image in images]

    def _compact(self, index: int) -> list[Tensor]:
        return [_packed(image) for image in self.read(index)]


def _packed(image: Tensor) -> Tensor:
    levels = (255 * image).round().to(torch.uint8)
    return levels if torch.equal(_unpacked(levels), image) else image


def _unpacked(image: Tensor) -> Tensor:
    return image.float() / 255 if image.dtype == torch.uint8 else image
