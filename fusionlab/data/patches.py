"""Training data other than synthetic crops: patches of pairs, and resized photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import compress
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.colour import to_luma, to_rgb
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.image_cache import ImageCache
from fusionlab.data.layouts.names import places_of
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


class PairPatches(Dataset[dict[str, Any]]):
    """Square patches on a regular grid of all samples of a data set.

    Args:
        dataset: The samples.
        side: Side S of the patches, pixels.
        stride: Pixels from one patch to the next.
        least_contrast: Patches in which some source has less :func:`contrast` are left out.
        limit: Number of samples to use, from the first; None for all.
        order: Names of the sources in the order of a network, see
            :func:`~fusionlab.data.layouts.names.places_of`; empty for that of the data.
        with_truth: Whether patches come with their ground truth, which the data must have; of more
            than two sources the first and the last are taken.

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
        order: Sequence[str] = (),
        with_truth: bool = False,
    ) -> None:
        self.side, self.with_truth = side, with_truth
        self.orders = [places_of(order, names) for names in dataset.source_names]
        sizes = dataset.sizes[:limit]
        self.places = [
            (index, top, left)
            for index, size in enumerate(sizes)
            for top, left in patch_places(size, side, stride)
        ]
        if not self.places:
            raise InputError(
                f"no image in {dataset.name} holds a patch of {side}x{side}; "
                "lower training.crop_size"
            )
        most = max(map(len, dataset.source_names)) + with_truth
        read = partial(_with_truth, dataset) if with_truth else dataset.coloured
        self.images = ImageCache(read, sizes, 3 * most)
        if least_contrast > 0:
            self._leave_out_flat_patches(least_contrast, dataset.name)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``sources`` (M, 1, S, S), luma, ``rgb`` (M, 3, S, S), both in [0, 1], and ``index``.

        And ``reference`` (3, S, S), if they come with it.
        """
        place = self.places[index]
        own = self.images.cut(*place, self.side)
        patches = [own[k] for k in self.orders[place[0]]]
        patches = [patches[0], patches[-1]] if self.with_truth else patches
        return {
            "index": index,
            "sources": torch.stack([to_luma(patch) for patch in patches]),
            "rgb": torch.stack([to_rgb(patch) for patch in patches]),
            **({"reference": to_rgb(own[-1])} if self.with_truth else {}),
        }

    def _leave_out_flat_patches(self, least: float, name: str) -> None:
        def lively(place: tuple[int, int, int]) -> bool:
            patches = self.images.cut(*place, self.side)
            return min(contrast(to_luma(patch)) for patch in patches) >= least

        with ThreadPoolExecutor() as pool:
            kept = list(pool.map(lively, self.places))
        self.places = list(compress(self.places, kept))
        if not self.places:
            raise InputError(
                f"every patch in {name} has less contrast than {least}; lower training.contrast"
            )


def _with_truth(dataset: FusionDataset, index: int) -> list[Tensor]:
    """The sources of a sample, and its ground truth."""
    truth = dataset.images(index)[1]
    assert truth is not None
    return [*dataset.coloured(index), truth]


class ResizedPhotographs(Dataset[dict[str, Any]]):
    """Photographs, each resized to a square with the nearest neighbour, one source each.

    Args:
        photographs: (3, H, W) or (1, H, W) in [0, 1].
        side: Side S, pixels.
        channels: 1 (luma) or 3 (RGB).
    """

    def __init__(self, photographs: Sequence[Tensor], side: int, channels: int) -> None:
        self.photographs, self.side = photographs, side
        self.prepare = to_luma if channels == 1 else to_rgb

    def __len__(self) -> int:
        return len(self.photographs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``sources`` (1, C, S, S) in [0, 1], and ``index``."""
        image = self.prepare(self.photographs[index])
        resized = F.interpolate(image[None], (self.side, self.side), mode="nearest")
        return {"index": index, "sources": resized}
