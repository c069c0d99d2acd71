"""Batches of equal shape, shared among processes without repeating or dropping an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from multiprocessing.queues import Queue
from typing import Any, NoReturn

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from fusionlab.data.dataset import FusionDataset

LONGEST_SILENCE = 300.0  # seconds without a batch from the workers


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
        done: Samples that need not come again. A batch of them only is left out.
        shard: ``(i, n)``: of the batches every n-th from the i-th on, before they are shared among
            processes.
    """

    def __init__(
        self,
        dataset: FusionDataset,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        done: set[int] | frozenset[int] = frozenset(),
        shard: tuple[int, int] = (1, 1),
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
        first, step = shard
        own = sorted(batches)[first - 1 :: step]
        left = [batch for batch in own if not done.issuperset(batch)]
        self.batches = left[rank::world_size]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class EpochSampler(Sampler[int]):
    """Items of a training epoch, shared among processes; each epoch goes on where the last ended.

    Args:
        length: Items per epoch and process.
        size: Items that there are, all of which come, in random order, before one comes again;
            None if they have no end and come in their own order.
        seed: Of the random orders.
        rank: Number of this process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        length: int,
        size: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.length, self.size, self.seed = length, size, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = self.begun = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def skip(self, items: int) -> None:
        """Leave out the first items of the next epoch: it was begun before an interruption."""
        self.begun = items

    def __iter__(self) -> Iterator[int]:
        start, begun, self.begun = self.epoch * self.length, self.begun, 0
        for k in range(start + begun, start + self.length):
            item = k * self.world_size + self.rank
            if self.size is None:
                yield item
            else:
                number, place = divmod(item, self.size)
                yield int(shuffled(self.size, self.seed, number)[place])

    def __len__(self) -> int:
        return self.length


@lru_cache(maxsize=2)  # a process needs one at a time, two from one pass to the next
def shuffled(size: int, seed: int, number: int) -> np.ndarray:
    """The random order of a pass over so many items; the same again, so leave it as it is."""
    return np.random.default_rng((seed, number)).permutation(size)


def worker_options(workers: int) -> dict[str, Any]:
    """Arguments of a DataLoader that ends the program when its workers hang or cannot send."""
    if not workers:
        return {"num_workers": 0}
    return {"num_workers": workers, "timeout": LONGEST_SILENCE, "worker_init_fn": _end_if_stuck}


def _end_if_stuck(number: int) -> None:
    """Let a worker end that cannot send what it has read, for want of shared memory or files.

    Python would print a traceback and go on, and the program would wait for the batch.
    """
    Queue._on_queue_feeder_error = staticmethod(_end_process)  # type: ignore[attr-defined]


def _end_process(fault: Exception, batch: Any) -> NoReturn:
    os._exit(1)  # the thread of a queue has no other way to end its process


def collate(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack the tensors of samples; keep ids and source names as lists.

    Grey sources are repeated to three channels where others of the batch have colours.
    """
    batch: dict[str, Any] = {}
    for key, value in samples[0].items():
        values = [sample[key] for sample in samples]
        if isinstance(value, torch.Tensor):
            if key == "sources":
                channels = max(one.shape[1] for one in values)
                values = [one.expand(-1, channels, -1, -1) for one in values]
            # one alone is not copied: it may be large
            batch[key] = torch.stack(values) if len(values) > 1 else values[0][None]
        else:
            batch[key] = torch.tensor(values) if isinstance(value, int) else values
    return batch


def evaluation_loader(
    dataset: FusionDataset,
    batch_size: int,
    workers: int,
    rank: int = 0,
    world_size: int = 1,
    done: set[int] | frozenset[int] = frozenset(),
) -> DataLoader:
    """Every sample that is not done once, over all processes, in batches of equal shape."""
    batches = SameShapeBatches(dataset, batch_size, rank, world_size, done)
    return DataLoader(dataset, batch_sampler=batches, collate_fn=collate, **worker_options(workers))
