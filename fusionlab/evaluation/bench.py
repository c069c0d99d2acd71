"""The bench: methods times samples times conditions, opened and checked before it is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import torch

from fusionlab.data.batches import SameShapeBatches
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.fused import FusedFolder
from fusionlab.errors import InputError
from fusionlab.evaluation.conditions import Condition, PartialDataset
from fusionlab.evaluation.methods import NetworkMethods, all_methods
from fusionlab.evaluation.scoring import Scorer
from fusionlab.fusing import check_samples
from fusionlab.networks.memory import free_memory
from fusionlab.runs.run import ALONE, Method, Run, Sample
from fusionlab.tasks.bench import TaskBench


@dataclass
class Bench:
    """What is to be measured, opened and checked; nothing is written yet.

    Args:
        networks: Networks, each perhaps with settings of TTD.
        folders: Folders of pictures that any other tool made.
        datasets: The data sets.
        conditions: The conditions on all of them, in order.
        scorer: The metrics.
        batch_size: Most samples of one shape that are fused at once.
        workers: Processes that read samples, and score the pictures of folders.
        repeats: Times that each batch is fused by every method in turn, for its time.
        pictures: Whether pictures and RD are written.
        theorem: Whether the theorem of TTD is measured.
        limit: Batches of each condition, a number or a share.
        tasks: What detects and segments in the pictures.
        labels: Whether labels are written with the pictures, for the report.
        shard: ``(i, n)``: every n-th batch from the i-th on is measured.
    """

    networks: list[NetworkMethods]
    folders: list[FusedFolder]
    datasets: list[FusionDataset]
    conditions: list[Condition]
    scorer: Scorer
    batch_size: int = 1
    workers: int = 0
    repeats: int = 1
    pictures: bool = True
    theorem: bool = False
    limit: int | float = 1.0
    tasks: TaskBench | None = None
    labels: bool = False
    shard: tuple[int, int] = (1, 1)
    methods: list[Method] = field(init=False)

    def __post_init__(self) -> None:
        """Name the methods."""
        self.methods = all_methods(self.networks, self.folders, self.datasets)

    @property
    def is_experiment(self) -> bool:
        """Whether conditions or settings of TTD are varied."""
        return len(self.conditions) > len(self.datasets) or any(
            len(one.ttd) - len(one.ttd_tasks) > 1 for one in self.networks
        )

    def batches(
        self,
        dataset: FusionDataset,
        done: set[int] | frozenset[int] = frozenset(),
        rank: int = 0,
        world_size: int = 1,
    ) -> list[list[int]]:
        """The batches that a process measures of a data set, without what is done."""
        size = self.batch_size
        return SameShapeBatches(dataset, size, rank, world_size, done, self.shard).batches

    def samples(self, dataset: FusionDataset) -> set[int]:
        """The samples of a data set that all processes together measure."""
        return {index for batch in self.batches(dataset) for index in batch}

    def methods_of(self, condition: Condition, index: int) -> list[str]:
        """The methods that measure a sample under a condition, in the order of their rows."""
        dataset = condition.dataset
        networks = [one for one in self.networks if one.is_for(dataset.task)]
        fused = [name for one in networks for name in (one.name, *one.ttd_for(dataset.task))]
        folders = [one.name for one in self.folders if original_index(dataset, index) in one.paths]
        if condition.kind:
            return [*folders, *fused]
        return [*(name + ALONE for name in dataset.source_names[index]), *folders, *fused]

    def done(self, run: Run) -> dict[tuple[str, str], set[int]]:
        """Samples that an interrupted run has measured completely, by data set and condition."""
        found = {(one.data, one.condition, one.id): one for one in run.samples}
        done: dict[tuple[str, str], set[int]] = {}
        for condition in self.conditions:
            data, name = condition.dataset.name, condition.name
            samples = [found.get((data, name, id_)) for id_ in condition.dataset.ids]
            done[data, name] = {
                index
                for index, sample in enumerate(samples)
                if sample is not None and self._is_complete(sample, condition, index)
            }
        return done

    def _is_complete(self, sample: Sample, condition: Condition, index: int) -> bool:
        count = len(condition.dataset.source_names[index])
        task = condition.dataset.task
        dynamic = [name for one in self.networks if one.is_for(task) for name in one.ttd_for(task)]
        needed = [sample.rd, *([sample.theorem] if self.theorem else [])]
        return all(name in sample.values for name in self.methods_of(condition, index)) and all(
            len(maps.get(name, {})) == count for maps in needed for name in dynamic
        )

    def check(self) -> None:
        """Refuse samples that a network or a metric cannot take, before anything is computed.

        Raises:
            InputError: Naming the first of them.
        """
        tasks = [dataset.task for dataset in self.datasets]
        if self.pictures and len(set(tasks)) < len(tasks):
            raise InputError("two data sets have one task; evaluate them one after the other")
        first, step = self.shard
        if step > 1 and not any(self.batches(one.dataset) for one in self.conditions):
            raise InputError(f"shard {first}/{step} has no samples; make fewer shards")
        if step > 1 and (type(self.limit) is int or self.limit < 1):
            raise InputError(
                "trainer.limit_test_batches limits each shard by itself; use conditions.limit"
            )
        for condition in self.conditions:
            batches = len(self.batches(condition.dataset))
            if isinstance(self.limit, float) and int(min(self.limit, 1) * batches) < 1:
                raise InputError(
                    f"trainer.limit_test_batches {self.limit} of {batches} batches is none; give "
                    f"{1 / batches:.2g} or more, or a number of batches"
                )
        for dataset in self.datasets:
            for one in (one for one in self.networks if one.is_for(dataset.task)):
                check_samples(one.network, dataset)
            for name, (height, width) in zip(dataset.ids, dataset.sizes, strict=True):
                self.scorer.fusion.check_image(f"{name} in {dataset.name}", height, width)
            self._check_memory(dataset)

    def _check_memory(self, dataset: FusionDataset) -> None:
        """Refuse metrics of large images that would take more memory than there is.

        Raises:
            InputError: Naming the metrics.
        """
        largest = max(range(len(dataset)), key=lambda k: prod(dataset.sizes[k]))
        (height, width), sources = dataset.sizes[largest], len(dataset.source_names[largest])
        at_once = max(1, self.workers) if self.folders else 1  # workers score those
        free = free_memory(torch.device("cpu")) / at_once
        lacking = self.scorer.fusion.larger_than(free, height * width, sources)
        if lacking:
            fitting = [name for name in self.scorer.fusion.names if name not in lacking]
            raise InputError(
                f"{', '.join(lacking)} of {dataset.ids[largest]} ({width}x{height} pixels) in "
                f"{dataset.name} need more than the {free / 1e9:.1f} GB that are free; set "
                f"metrics.names to others ({', '.join(fitting) or 'none fits'}), or use a machine "
                "with more memory"
            )


def original_index(dataset: FusionDataset, index: int) -> int:
    """Position of a sample in the whole data set, of which ``dataset`` may be a part."""
    while isinstance(dataset, PartialDataset):
        index, dataset = dataset.indices[index], dataset.whole
    return index
