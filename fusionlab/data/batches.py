"""Batches of equal shape, shared among processes without repeating or dropping an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from fusionlab.data.dataset import FusionDataset


class SameShapeBatches(Sampler[list[int]]):
    """Indices of samples with the same number of sources and the same size.

    Batches come in the order of their first sample; process ``rank`` of ``world_size`` takes every
    ``world_size``-th. All processes together see every sample exactly once, unlike with PyTorch's
    DistributedSampler, which repeats samples to give each process the same number.

    Args:
        dataset: The samples.
        batch_size: Most samples in a batch.
        rank: Number of this process.
        world_size: Number of processes.
    """

    def __init__(
        self, dataset: FusionDataset, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        groups: dict[tuple[int, tuple[int, int]], list[int]] = {}
        for index, (names, size) in enumerate(
            zip(dataset.source_names, dataset.sizes, strict=True)
        ):
            groups.setdefault((len(names), size), []).append(index)
        batches = [
            group[start : start + batch_size]
            for group in groups.values()
            for start in range(0, len(group), batch_size)
        ]
        self.batches = sorted(batches)[rank::world_size]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class EpochSampler(Sampler[int]):
    """Other items of an endless data set in each epoch, shared among processes.

    Args:
        length: Items per epoch and process.
        rank: Number of this process.
        world_size: Number of processes.
    """

    def __init__(self, length: int, rank: int = 0, world_size: int = 1) -> None:
        self.length, self.rank, self.world_size = length, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.length
        return (k * self.world_size + self.rank for k in range(start, start + self.length))

    def __len__(self) -> int:
        return self.length


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack the tensors of samples; keep ids and source names as lists."""
    return {
        key: torch.stack([sample[key] for sample in samples])
        if isinstance(value, torch.Tensor)
        else torch.tensor([sample[key] for sample in samples])
        if isinstance(value, int)
        else [sample[key] for sample in samples]
        for key, value in samples[0].items()
    }


def evaluation_loader(
    dataset: FusionDataset, batch_size: int, workers: int, rank: int = 0, world_size: int = 1
) -> DataLoader:
    """Every sample once, over all processes together, in batches of equal shape."""
    batches = SameShapeBatches(dataset, batch_size, rank, world_size)
    return DataLoader(dataset, batch_sampler=batches, num_workers=workers, collate_fn=collate)
