"""Measuring a bench: rows and pictures are written as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import astuple, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fusionlab.data.batches import collate, worker_options
from fusionlab.data.colour import grey_levels, to_levels, to_rgb
from fusionlab.data.dataset import FusionDataset
from fusionlab.evaluation.bench import Bench, original_index
from fusionlab.evaluation.conditions import Condition, CorruptedDataset
from fusionlab.evaluation.looking import Looked, look
from fusionlab.evaluation.memory import memory_of
from fusionlab.evaluation.methods import NetworkMethods
from fusionlab.evaluation.scoring import Scorer, moved
from fusionlab.evaluation.theorem import theorem_rows
from fusionlab.fusing import Fuser, Picture
from fusionlab.runs.files import as_written, write_picture, write_rd_arrays, write_rd_map
from fusionlab.runs.rd_colours import RDScale
from fusionlab.runs.rows import RowFile
from fusionlab.runs.run import (
    ALONE,
    KEY,
    MEMORY,
    PER_IMAGE,
    RD,
    RD_COLUMNS,
    SOURCE_KEY,
    THEOREM,
    THEOREM_COLUMNS,
    TIME,
    Sample,
)
from fusionlab.runs.statistics import source_rd
from fusionlab.settings import TTD
from fusionlab.ttd import Encoded, TiledEncoded

MEGABYTE = 1e6  # bytes


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

        self.values = RowFile(named(PER_IMAGE), KEY, [*headings, TIME, MEMORY])
        self.rd = RowFile(named(RD), SOURCE_KEY, RD_COLUMNS)
        self.theorem = RowFile(named(THEOREM), SOURCE_KEY, THEOREM_COLUMNS) if theorem else None
        self.named = named
        self.looked: dict[str, RowFile] = {}

    def of(self, name: str, key: Sequence[str], columns: Sequence[str]) -> RowFile:
        """A file that only some runs have, made when it is asked for."""
        if name not in self.looked:
            self.looked[name] = RowFile(self.named(name), key, columns)
        return self.looked[name]


@dataclass
class _Measured:
    """Everything about one sample under one condition, until it is written in one go."""

    sample: Sample
    pictures: list[tuple[str, Tensor, float | None, float | None]] = field(default_factory=list)
    values: list[tuple[str, list[float], float | None, float | None]] = field(default_factory=list)
    rd: list[tuple[str, str, list[float]]] = field(default_factory=list)
    theorem: list[tuple[str, str, list[float | None]]] = field(default_factory=list)
    looked: Looked | None = None

    def score(
        self,
        scorer: Scorer,
        sources: Tensor,
        truth: Tensor | None,
        scores: Sequence[tuple[str, list[float]]],
    ) -> None:
        """Values of the pictures, together, since they have the same sources.

        Args:
            scorer: The metrics.
            sources: (M, 1, H, W), uint8, or RGB where the scorer wants it.
            truth: (1, H, W), uint8; None where there is none.
            scores: Values of the folders' pictures by method.
        """
        seen = [picture for _, picture, *_ in self.pictures]
        values = scorer.values_of_all(seen, sources, truth)
        lines = zip(self.pictures, values, strict=True)
        self.values = [(method, own, ms, mb) for (method, _, ms, mb), own in lines]
        self.values += [(method, own, None, None) for method, own in scores]

    def write(self, rows: Rows) -> None:
        """Last its values: with them a sample is done."""
        sample = self.sample
        place = (sample.data, sample.task, sample.condition, sample.id)
        if self.rd:
            rows.rd.append_all(((*place, *key), values) for *key, values in self.rd)
        if rows.theorem is not None and self.theorem:
            rows.theorem.append_all(((*place, *key), values) for *key, values in self.theorem)
        if self.looked is not None:
            self.looked.write(rows.of, place)
        rows.values.append_all(
            ((*place, method), [*values, *costs]) for method, values, *costs in self.values
        )


class _Samples(Dataset[dict[str, Any]]):
    """Samples with the scores of the folders' pictures, made where samples are read."""

    def __init__(self, bench: Bench, condition: Condition) -> None:
        self.dataset, self.folders, self.scorer = condition.dataset, bench.folders, bench.scorer

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.dataset[index]
        by_channel = self.scorer.by_channel
        if by_channel:
            sample["levels"] = source_levels(self.dataset, index)
        found = {
            folder.name: to_levels(image) if by_channel else grey_levels(image[None])[0]
            for folder in self.folders
            if (image := folder.picture(original_index(self.dataset, index))) is not None
        }
        seen = sample["levels" if by_channel else "grey"]
        values = self.scorer.values_of_all([*found.values()], seen, sample.get("reference"))
        return {**sample, "scores": [*zip(found, values, strict=True)]}


def colour_levels(image: Tensor) -> Tensor:
    """What a file of RGB holds: (1 or 3, H, W) in [0, 1] to (3, H, W), uint8."""
    return to_levels(to_rgb(image))


def source_levels(dataset: FusionDataset, index: int) -> Tensor:
    """The sources of a sample as files of RGB hold them, undamaged, (M, 3, H, W), uint8."""
    whole = dataset.whole if isinstance(dataset, CorruptedDataset) else dataset
    return torch.stack([colour_levels(image) for image in whole.images(index)[0]])


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
    RD map of a source, and ``<task>/rd/<method>/<id>.npz``, the raw maps; of networks that
    decompose ``<task>/decomposition/<method>/common/<id>.png`` and ``…/unique/<id>-<source>.png``.
    With several conditions a folder of each stands between.

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
    if bench.tasks is not None:
        bench.tasks.to(device)
    for condition in bench.conditions:
        dataset = condition.dataset
        finished = done.get((dataset.name, condition.name), set())
        batches = bench.batches(dataset, finished, rank, world_size)
        batches = batches[: _limit(bench.limit, len(batches))]
        if not batches:
            continue
        loader = DataLoader(
            _Samples(bench, condition),
            batch_sampler=batches,
            collate_fn=collate,
            **worker_options(bench.workers),
        )
        networks = [one for one in bench.networks if one.is_for(dataset.task)]
        stations = [_Station(one, condition, device, precision) for one in networks]
        for number, read in enumerate(loader):
            batch = moved(read, device)
            peaks: dict[str, float] = {}
            if number == 0:
                for station in stations:  # warms up: the times of the first image would be wrong
                    peaks |= station.peaks(batch, device)
            for one in _measure_batch(bench, condition, stations, batch, folder, peaks):
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
                name: self.fuser.calibrate(dataset, one)
                for name, one in methods.ttd_for(dataset.task).items()
            }
        self.calibrated = [
            {
                "data": dataset.name,
                "condition": condition.name,
                "method": name,
                "temperature": self.ttd[name].temperature,
                "channel": self.ttd[name].channel,
            }
            for name, one in methods.ttd_for(dataset.task).items()
            if one.needs_calibration
        ]

    def fuse(self, batch: dict[str, Any]) -> Iterator[tuple[str, list[Picture]]]:
        """The pictures of every method, encoded once."""
        with self.precision():
            yield from self._fuse(batch, self.fuser.encode(batch))

    def peaks(self, batch: dict[str, Any], device: torch.device) -> dict[str, float]:
        """Peak memory in MB by method; with TTD, of the encoding too."""
        found: dict[str, float] = {}
        with self.precision():
            pictures = self._fuse(batch, self.fuser.encode(batch))
            encoding = kept = 0
            for method in (self.methods.name, *self.ttd):
                memory = memory_of(partial(next, pictures), device)
                if memory is None:
                    continue
                encoding = encoding or memory.peak  # the static network is the first
                found[method] = max(encoding, kept + memory.peak) / MEGABYTE
                kept += memory.kept
        return found

    def measure(
        self, batch: dict[str, Any], theorem: bool, pictures: bool
    ) -> Iterator[tuple[str, list[Picture], list[dict[str, list[float | None]]] | None]]:
        """The same, and perhaps what the theorem of TTD says of them, and the decomposition."""
        with self.precision():
            encoded = self.fuser.encode(batch)
            static: list[Picture] = []
            for method, found in self._fuse(batch, encoded, pictures):
                static = static or found
                ttd = self.ttd.get(method)
                lines = None
                if theorem and ttd is not None:
                    loss = self.fuser.dynamic(ttd).pixel_loss
                    lines = theorem_rows(encoded, loss, batch, static, found)
                yield method, found, lines

    def _fuse(
        self, batch: dict[str, Any], encoded: Encoded | TiledEncoded, decompose: bool = False
    ) -> Iterator[tuple[str, list[Picture]]]:
        """TTD changes nothing of the decomposition, which is the static network's."""
        decompose = decompose and self.fuser.network.decomposes
        for method, ttd in [(self.methods.name, None), *self.ttd.items()]:
            yield method, self.fuser.pictures(batch, encoded, ttd, decompose and ttd is None)


def _measure_batch(
    bench: Bench,
    condition: Condition,
    stations: list[_Station],
    batch: dict[str, Any],
    folder: Path,
    peaks: dict[str, float],
) -> list[_Measured]:
    dataset, by_channel = condition.dataset, bench.scorer.by_channel
    seen = batch["levels" if by_channel else "grey"]
    found = [
        _Measured(Sample(dataset.name, dataset.task, condition.name, name)) for name in batch["id"]
    ]
    for k, one in enumerate(found):
        if not condition.kind:
            for m, name in enumerate(batch["source_names"][k]):
                one.pictures.append((name + ALONE, as_written(seen[k][m]), None, None))
        index = int(batch["index"][k])
        if bench.pictures:
            _write_sources(folder, dataset, index, one.sample)
        if bench.tasks is not None or bench.labels:
            one.looked = look(bench, condition, index, one.sample, folder)
    for station in stations:
        turns = _turns(station, batch, bench.repeats - 1)
        for method, pictures, theorem in station.measure(batch, bench.theorem, bench.pictures):
            for k, (one, picture) in enumerate(zip(found, pictures, strict=True)):
                taken = [*(turn[method] for turn in turns), picture.milliseconds]
                shown = as_written(picture.fused) if by_channel else picture.grey
                one.pictures.append((method, shown, median(taken), peaks.get(method)))
                one.rd += [(method, *line) for line in _rd_lines(picture)]
                if one.looked is not None:
                    one.looked.add(method, picture.fused)
                if theorem is not None:
                    one.theorem += [(method, name, cells) for name, cells in theorem[k].items()]
                if bench.pictures:
                    _write_picture(folder, one.sample, method, picture)
    for k, one in enumerate(found):
        truth = batch["reference"][k] if "reference" in batch else None
        one.score(bench.scorer, seen[k], truth, batch["scores"][k])
    return found


def _turns(station: _Station, batch: dict[str, Any], turns: int) -> list[dict[str, float]]:
    """Milliseconds per image by method, turn by turn."""
    return [
        {method: pictures[0].milliseconds for method, pictures in station.fuse(batch)}
        for _ in range(turns)
    ]


def _rd_lines(picture: Picture) -> list[tuple[str, list[float]]]:
    if picture.rd is None or picture.losses is None:
        return []
    numbers = source_rd(picture.rd.cpu().numpy(), picture.losses.cpu().numpy())
    return [
        (name, list(astuple(one))) for name, one in zip(picture.source_names, numbers, strict=True)
    ]


def _write_sources(folder: Path, dataset: FusionDataset, index: int, sample: Sample) -> None:
    images, _ = dataset.images(index)
    for name, image in zip(dataset.source_names[index], images, strict=True):
        write_picture(folder / sample.source(name), to_levels(image))


def _write_picture(folder: Path, sample: Sample, method: str, picture: Picture) -> None:
    write_picture(folder / sample.picture(method), picture.fused)
    if picture.common is not None and picture.unique is not None:
        write_picture(folder / sample.common(method), picture.common)
        for name, image in zip(picture.source_names, picture.unique, strict=True):
            write_picture(folder / sample.unique(method, name), image)
    if picture.rd is None or picture.losses is None:
        return
    scale = RDScale.of(len(picture.rd), picture.rd)
    for name, rd in zip(picture.source_names, picture.rd, strict=True):
        write_rd_map(folder / sample.rd_map(method, name), rd, scale)
    write_rd_arrays(
        folder / sample.rd_arrays(method), picture.rd, picture.losses, picture.source_names
    )


def _limit(limit: int | float, batches: int) -> int:
    """So many batches, or a share of them, at least one."""
    if isinstance(limit, int):
        return limit
    return batches if limit >= 1 else max(1, int(limit * batches))
