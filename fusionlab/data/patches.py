"""What networks learn from, other than synthetic crops: patches of pairs, and whole photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.colour import to_luma, to_rgb
from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError


def patch_places(size: tuple[int, int], side: int, stride: int) -> Iterator[tuple[int, int]]:
    """Top and left of every square patch that lies inside an image (H, W), row by row."""
    for top in range(0, size[0] - side + 1, stride):
        for left in range(0, size[1] - side + 1, stride):
            yield top, left


def contrast(patch: Tensor) -> float:
    """(P90 - P10)/P90 of the values of a patch; 0 where P90 is 0."""
    low, high = patch.flatten().double().quantile(torch.tensor([0.1, 0.9], dtype=torch.float64))
    return float((high - low) / high) if high > 0 else 0.0


class PairPatches(Dataset[dict[str, Tensor]]):
    """Square patches on a regular grid of all samples of a data set.

    Images are read when a patch is asked for, so that any amount of them fits.

    Args:
        dataset: The samples.
        side: Side S of the patches, pixels.
        stride: Pixels from one patch to the next.
        least_contrast: Patches in which some source has less :func:`contrast` are left out; to
            find them, every image is read once, now.
        limit: Number of samples to use, from the first; None for all.

    Raises:
        InputError: If no patch is left.
    """

    def __init__(
        self,
        dataset: FusionDataset,
        side: int,
        stride: int,
        least_contrast: float = 0.0,
        limit: int | None = None,
    ) -> None:
        self.dataset, self.side = dataset, side
        self.places = [
            (index, top, left)
            for index, size in enumerate(dataset.sizes[:limit])
            for top, left in patch_places(size, side, stride)
        ]
        if not self.places:
            raise InputError(
                f"no image in {dataset.name} holds a patch of {side}x{side}; "
                "lower training.crop_size"
            )
        if least_contrast > 0:
            self._leave_out_flat_patches(least_contrast)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``sources`` (M, 1, S, S), luma, and ``rgb`` (M, 3, S, S), both in [0, 1]."""
        sample, top, left = self.places[index]
        patches = [self._cut(image, top, left) for image in self.dataset.seen(sample)]
        return {
            "sources": torch.stack([to_luma(patch) for patch in patches]),
            "rgb": torch.stack([to_rgb(patch) for patch in patches]),
        }

    def _cut(self, image: Tensor, top: int, left: int) -> Tensor:
        return image[:, top : top + self.side, left : left + self.side]

    def _leave_out_flat_patches(self, least: float) -> None:
        def lively(places: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
            lumas = [to_luma(image) for image in self.dataset.seen(places[0][0])]
            return [
                place
                for place in places
                if min(contrast(self._cut(luma, *place[1:])) for luma in lumas) >= least
            ]

        samples = [list(places) for _, places in groupby(self.places, key=lambda place: place[0])]
        with ThreadPoolExecutor() as pool:
            self.places = [place for kept in pool.map(lively, samples) for place in kept]
        if not self.places:
            raise InputError(
                f"every patch in {self.dataset.name} has less contrast than {least}; "
                "lower training.contrast"
            )


class ResizedPhotographs(Dataset[dict[str, Tensor]]):
    """Photographs, each resized to a square with the nearest neighbour, one source each.

    Args:
        photographs: (3, H, W) or (1, H, W) in [0, 1].
        side: Side S, pixels.
        channels: 1 (luma) or 3 (RGB).
        limit: Number of photographs to use, from the first; None for all.
    """

    def __init__(
        self, photographs: Sequence[Tensor], side: int, channels: int, limit: int | None = None
    ) -> None:
        self.photographs, self.side = photographs, side
        self.prepare = to_luma if channels == 1 else to_rgb
        self.length = len(photographs) if limit is None else min(limit, len(photographs))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """``sources`` (1, C, S, S) in [0, 1]."""
        if not 0 <= index < self.length:
            raise IndexError(f"index must lie in 0..{self.length - 1}, got {index}")
        image = self.prepare(self.photographs[index])
        return {"sources": F.interpolate(image[None], (self.side, self.side), mode="nearest")}
