"""The bench: every method on every sample under every condition, into the rows of a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fusionlab.data.batches import SameShapeBatches, collate
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.fused import FusedFolder
from fusionlab.data.colour import grey_levels, to_levels
from fusionlab.data.images import read_image
from fusionlab.errors import InputError
from fusionlab.evaluation.conditions import Condition
from fusionlab.evaluation.methods import NetworkMethods, all_methods
from fusionlab.evaluation.scoring import Scorer, moved
from fusionlab.evaluation.theorem import theorem_rows
from fusionlab.fusing import Fuser, Picture
from fusionlab.runs.files import write_picture, write_rd_arrays, write_rd_map
from fusionlab.runs.rows import RowFile
from fusionlab.runs.run import (
    ALONE,
    KEY,
    PER_IMAGE,
    RD,
    RD_COLUMNS,
    SOURCE_KEY,
    THEOREM,
    THEOREM_COLUMNS,
    TIME,
    Method,
    Run,
    Sample,
)
from fusionlab.runs.statistics import source_rd
from fusionlab.settings import TTD

Key = tuple[str, ...]


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
    methods: list[Method] = field(init=False)

    def __post_init__(self) -> None:
        """Name the methods."""
        self.methods = all_methods(self.networks, self.folders, self.datasets)

    def methods_of(self, condition: Condition, index: int) -> list[str]:
        """The methods that measure a sample under a condition, in the order of their rows."""
        fused = [name for one in self.networks for name in one.names]
        dataset = condition.dataset
        folders = [one.name for one in self.folders if _original(dataset, index) in one.paths]
        if condition.kind:
            return [*folders, *fused]
        return [*(name + ALONE for name in dataset.source_names[index]), *folders, *fused]

    def done(self, run: Run) -> dict[tuple[str, str], set[int]]:
        """Samples that an interrupted run has measured completely, by data set and condition."""
        found: dict[tuple[str, str, str], Sample] = {
            (one.data, one.condition, one.id): one for one in run.samples
        }
        with_theorem = [name for one in self.networks for name in one.ttd] if self.theorem else []
        done: dict[tuple[str, str], set[int]] = {}
        for condition in self.conditions:
            data = condition.dataset.name
            place = done.setdefault((data, condition.name), set())
            for index, id_ in enumerate(condition.dataset.ids):
                sample = found.get((data, condition.name, id_))
                if sample is None:
                    continue
                names = self.methods_of(condition, index)
                if all(name in sample.values for name in names) and all(
                    name in sample.theorem for name in with_theorem
                ):
                    place.add(index)
        return done

    def check(self) -> None:
        """Refuse samples that a network or a metric cannot take, before anything is computed.

        Raises:
            InputError: Naming the first of them.
        """
        for dataset in self.datasets:
            for name, sources, (height, width) in zip(
                dataset.ids, dataset.source_names, dataset.sizes, strict=True
            ):
                self.scorer.fusion.check_image(f"{name} in {dataset.name}", height, width)
                for one in self.networks:
                    check_sample(one.network, name, dataset.name, len(sources), (height, width))


def check_sample(
    network: Any, name: str, data: str, sources: int, size: tuple[int, int]
) -> None:
    """Refuse a sample that a network does not take.

    Raises:
        InputError: Naming it.
    """
    if network.source_count not in (None, sources):
        raise InputError(
            f"{network.name} takes exactly {network.source_count} sources, {name} in {data} has "
            f"{sources}; choose other data or another network"
        )
    if min(size) < network.minimum_size:
        least = network.minimum_size
        raise InputError(
            f"{name} in {data} is {size[1]}x{size[0]} pixels, {network.name} takes {least}x{least} "
            "or more; leave it out or choose another network"
        )


class Rows:
    """The row files of one process.

    Args:
        folder: The run folder.
        rank: Number of the process: those but the first write ``per_image-<rank>.csv`` and so on.
        headings: Of the columns of metrics.
        theorem: Whether ``theorem.csv`` is written.
    """

    def __init__(self, folder: Path, rank: int, headings: Sequence[str], theorem: bool) -> None:
        def named(name: str) -> Path:
            return folder / (name.replace(".", f"-{rank}.") if rank else name)

        self.values = RowFile(named(PER_IMAGE), KEY, [*headings, TIME])
        self.rd = RowFile(named(RD), SOURCE_KEY, RD_COLUMNS)
        self.theorem = RowFile(named(THEOREM), SOURCE_KEY, THEOREM_COLUMNS) if theorem else None


@dataclass
class _Measured:
    """Everything about one sample under one condition, until it is written in one go."""

    sample: Sample
    values: list[tuple[str, list[float], float | None]] = field(default_factory=list)
    rd: list[tuple[str, str, list[float]]] = field(default_factory=list)
    theorem: list[tuple[str, str, list[float | None]]] = field(default_factory=list)

    def write(self, rows: Rows) -> None:
        """Last its values: with them a sample is done."""
        sample = self.sample
        place = (sample.data, sample.task, sample.condition, sample.id)
        if self.rd:
            rows.rd.append_all(((*place, *key), values) for *key, values in self.rd)
        if rows.theorem is not None and self.theorem:
            rows.theorem.append_all(((*place, *key), values) for *key, values in self.theorem)
        rows.values.append_all(
            ((*place, method), [*values, ms]) for method, values, ms in self.values
        )


class _Samples(Dataset[dict[str, Any]]):
    """Samples with the scores of the folders' pictures, made where samples are read."""

    def __init__(self, bench: Bench, condition: Condition) -> None:
        self.dataset, self.folders, self.scorer = condition.dataset, bench.folders, bench.scorer

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.dataset[index]
        scores = []
        for folder in self.folders:
            path = folder.paths.get(_original(self.dataset, index))
            if path is not None:
                grey = grey_levels(read_image(path)[None])[0]
                values = self.scorer.values(grey, sample["grey"], sample.get("reference"))
                scores.append((folder.name, values))
        return {**sample, "scores": scores}


@torch.inference_mode()
def measure(
    bench: Bench,
    folder: Path,
    done: dict[tuple[str, str], set[int]],
    *,
    device: torch.device | None = None,
    rank: int = 0,
    world_size: int = 1,
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Measure what is not done, and write it below ``folder`` as it comes.

    For each task there are ``<task>/sources/<id>-<source>.png``, as read;
    ``<task>/<method>/<id>.png``, the fused pictures; ``<task>/rd/<method>/<id>-<source>.png``, the
    RD map of a source, and ``<task>/rd/<method>/<id>.npz``, the raw maps. With several conditions
    a folder of each stands between.

    Args:
        bench: What is measured.
        folder: The run folder.
        done: Samples that are done, by data set and condition.
        device: Where it is computed; the networks are there. The CPU by default.
        rank: Number of this process.
        world_size: Number of processes.
        precision: Makes the context in which networks run.

    Yields:
        After each batch, how many samples it had and, of a condition's first, what was calibrated.
    """
    rows = Rows(folder, rank, bench.scorer.headings, bench.theorem)
    device = device or torch.device("cpu")
    for condition in bench.conditions:
        dataset = condition.dataset
        finished = done.get((dataset.name, condition.name), set())
        batches = SameShapeBatches(dataset, bench.batch_size, rank, world_size, finished).batches
        batches = batches[: _limit(bench.limit, len(batches))]
        if not batches:
            continue
        loader = DataLoader(
            _Samples(bench, condition),
            batch_sampler=batches,
            num_workers=bench.workers,
            collate_fn=collate,
        )
        stations = [_Station(one, condition, device, precision) for one in bench.networks]
        for number, batch in enumerate(loader):
            if number == 0:
                for station in stations:  # warms up: the times of the first image would be wrong
                    list(station.fuse(moved(batch, device)))
            for one in _measure_batch(bench, condition, stations, moved(batch, device), folder):
                one.write(rows)
            calibrated = [line for one in stations for line in one.calibrated] if not number else []
            yield len(batch["id"]), calibrated


class _Station:
    """One network under one condition, its settings of TTD calibrated on the condition's data."""

    def __init__(
        self,
        methods: NetworkMethods,
        condition: Condition,
        device: torch.device,
        precision: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        dataset = condition.dataset
        network = condition.network(methods.network).to(device).eval()
        self.methods, self.precision = methods, precision
        self.fuser: Fuser = methods.fuser(dataset.task, network)
        with precision():
            self.ttd: dict[str, TTD] = {
                name: self.fuser.calibrate(dataset, one) for name, one in methods.ttd.items()
            }
        self.calibrated = [
            {
                "data": dataset.name,
                "condition": condition.name,
                "method": name,
                "temperature": self.ttd[name].temperature,
                "channel": self.ttd[name].channel,
            }
            for name, one in methods.ttd.items()
            if one.needs_calibration
        ]

    def fuse(self, batch: dict[str, Any]) -> Iterator[tuple[str, list[Picture]]]:
        """The pictures of every method, encoded once."""
        with self.precision():
            found = self.fuser.fuse_batch(batch, [None, *self.ttd.values()])
            yield from zip(self.methods.names, found, strict=True)

    def theorem(self, batch: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The theorem's cells of every setting of TTD."""
        with self.precision():
            encoded = self.fuser.encode(batch)
            for name, ttd in self.ttd.items():
                yield name, theorem_rows(self.fuser.dynamic(ttd), encoded, batch)


def _measure_batch(
    bench: Bench,
    condition: Condition,
    stations: list[_Station],
    batch: dict[str, Any],
    folder: Path,
) -> list[_Measured]:
    dataset = condition.dataset
    found = [
        _Measured(Sample(dataset.name, dataset.task, condition.name, name)) for name in batch["id"]
    ]
    for k, one in enumerate(found):
        own = {key: batch[key][k] for key in ("grey", "reference") if key in batch}
        if not condition.kind:
            for m, name in enumerate(batch["source_names"][k]):
                alone = bench.scorer.values(own["grey"][m], own["grey"], own.get("reference"))
                one.values.append((name + ALONE, alone, None))
        one.values += [(name, values, None) for name, values in batch["scores"][k]]
        if bench.pictures:
            _write_sources(folder, dataset, int(batch["index"][k]), one.sample)
    for station in stations:
        times = _repeated_times(station, batch, bench.repeats)
        for method, pictures in station.fuse(batch):
            for k, (one, picture) in enumerate(zip(found, pictures, strict=True)):
                truth = batch["reference"][k] if "reference" in batch else None
                values = bench.scorer.values(picture.grey, batch["grey"][k], truth)
                taken = [*(turn[method] for turn in times), picture.milliseconds]
                one.values.append((method, values, median(taken)))
                one.rd += [(method, *line) for line in _rd_lines(picture)]
                if bench.pictures:
                    _write_picture(folder, one.sample, method, picture)
        if bench.theorem:
            for method, lines in station.theorem(batch):
                for one, line in zip(found, lines, strict=True):
                    one.theorem += [(method, source, cells) for source, cells in line.items()]
    return found


def _repeated_times(
    station: _Station, batch: dict[str, Any], repeats: int
) -> list[dict[str, float]]:
    """Milliseconds per image by method, of every turn but the last."""
    return [
        {method: pictures[0].milliseconds for method, pictures in station.fuse(batch)}
        for _ in range(repeats - 1)
    ]


def _rd_lines(picture: Picture) -> list[tuple[str, list[float]]]:
    if picture.rd is None or picture.losses is None:
        return []
    numbers = source_rd(picture.rd.cpu().numpy(), picture.losses.cpu().numpy())
    return [
        (name, list(astuple(one)))
        for name, one in zip(picture.source_names, numbers, strict=True)
    ]


def _write_sources(folder: Path, dataset: FusionDataset, index: int, sample: Sample) -> None:
    images, _ = dataset.images(index)
    for name, image in zip(dataset.source_names[index], images, strict=True):
        write_picture(folder / sample.source(name), to_levels(image))


def _write_picture(folder: Path, sample: Sample, method: str, picture: Picture) -> None:
    write_picture(folder / sample.picture(method), picture.fused)
    if picture.rd is None or picture.losses is None:
        return
    for name, rd in zip(picture.source_names, picture.rd, strict=True):
        write_rd_map(folder / sample.rd_map(method, name), rd)
    write_rd_arrays(
        folder / sample.rd_arrays(method), picture.rd, picture.losses, picture.source_names
    )



def _limit(limit: int | float, batches: int) -> int:
    """So many batches, or a share of them, at least one."""
    if isinstance(limit, int):
        return limit
    return batches if limit >= 1 else max(1, int(limit * batches))


def _original(dataset: FusionDataset, index: int) -> int:
    """Position of a sample in the whole data set, of which ``dataset`` may be a part."""
    while hasattr(dataset, "whole"):
        index, dataset = dataset.indices[index], dataset.whole
    return index
