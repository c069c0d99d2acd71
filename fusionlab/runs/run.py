"""The folder of a run, finished or not: its files, and its rows read back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusionlab.errors import InputError
from fusionlab.runs.folder import file_stem
from fusionlab.runs.rd_colours import RDScale
from fusionlab.runs.rows import join_files
from fusionlab.runs.tasks import (
    FOUND,
    FOUND_KEY,
    OBJECTS,
    OBJECTS_KEY,
    PIXELS,
    PIXELS_KEY,
    Found,
    Object,
    TaskSample,
    read_found,
    read_object,
    read_pixels,
)
from fusionlab.settings.checks import stays_inside

SUMMARY, PER_IMAGE, RD, THEOREM = "summary.json", "per_image.csv", "rd.csv", "theorem.csv"
KEY = ("data", "task", "condition", "id", "method")
SOURCE_KEY = (*KEY, "source")
TIME = "ms"
MEMORY = "MB"
RD_COLUMNS = ("mean", "low", "high", "above_equal", "correlation")
THEOREM_OF_SOURCE = ("rd", "loss", "covariance", "truth_loss", "truth_covariance")
THEOREM_OF_IMAGE = (
    "covariance_sum",
    "covariance_is_negative",
    "static_bound",
    "dynamic_bound",
    "dynamic_is_lower",
    "static_error",
    "dynamic_error",
    "static_truth_bound",
    "dynamic_truth_bound",
)
THEOREM_COLUMNS = (*THEOREM_OF_SOURCE, *THEOREM_OF_IMAGE)
ALONE = " alone"  # ending of the methods that are a single source


@dataclass(frozen=True)
class Method:
    """What a run says of one of its methods.

    Args:
        name: What it is called, everywhere.
        kind: ``network``, ``ttd``, ``folder`` or ``source``.
        base: Of a network with TTD, the name of the network without; it is compared with that.
        source: Of a source alone, the name of the source.
        facts: What made its pictures, as plain values: ``network``, ``ttd``, ``colour`` …
    """

    name: str
    kind: str
    base: str | None = None
    source: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_fused(self) -> bool:
        """Whether it fuses, unlike a source alone."""
        return self.kind != "source"


@dataclass
class Sample:
    """What was computed of one sample under one condition.

    Args:
        data: Name of its data set.
        task: Its task.
        condition: Name of the condition; empty where there is one only.
        id: Its name.
        values: By method and metric; NaN where a metric is not defined.
        milliseconds: By method.
        megabytes: Peak memory by method; of the first samples of a data set only.
        rd: RD in numbers by method, source and column of ``rd.csv``.
        theorem: The theorem of TTD by method, source and column of ``theorem.csv``.
        objects: What is labelled; None where nobody looked.
        found: What a detector found by method.
        pixels: Right, wrong and missed pixels of a segmenter by method and class.
    """

    data: str
    task: str
    condition: str
    id: str
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    rd: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    theorem: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    objects: list[Object] | None = None
    found: dict[str, list[Found]] = field(default_factory=dict)
    pixels: dict[str, dict[str, tuple[float, float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that would lead out of the run folder."""
        for kind, name in (("task", self.task), ("sample", self.id)):
            stays_inside(kind, name)

    def picture(self, method: str) -> Path:
        """The fused picture of a method, like all paths relative to the run folder."""
        return self._folder / file_stem(method) / f"{self.id}.png"

    def source(self, name: str) -> Path:
        """A source as it was read."""
        stays_inside("source", name)
        return self._folder / "sources" / f"{self.id}-{name}.png"

    def rd_map(self, method: str, source: str) -> Path:
        """RD of a source in colours, under a method."""
        stays_inside("source", source)
        return self._folder / "rd" / file_stem(method) / f"{self.id}-{source}.png"

    def rd_legend(self, method: str, source: str) -> str:
        """The scale of that map, which is the same for all sources: ``0.500 ± 0.046``."""
        lines = self.rd.get(method, {})
        if source not in lines:
            return ""
        ends = lines[source]["low"], lines[source]["high"]
        return RDScale.of_numbers(lines).legend(*ends)

    def rd_arrays(self, method: str) -> Path:
        """The raw ``rd`` and ``losses``, (M, H, W), and ``source_names``."""
        return self._folder / "rd" / file_stem(method) / f"{self.id}.npz"

    def common(self, method: str) -> Path:
        """What all sources show, as a network that decomposes says."""
        return self._folder / "decomposition" / file_stem(method) / "common" / f"{self.id}.png"

    def unique(self, method: str, source: str) -> Path:
        """What a source shows alone, as a network that decomposes says."""
        stays_inside("source", source)
        own = self._folder / "decomposition" / file_stem(method) / "unique"
        return own / f"{self.id}-{source}.png"

    def labels(self, method: str | None = None) -> Path:
        """Labels, or what was found in a method's picture, drawn on nothing, to be laid over."""
        own = [file_stem(method)] if method else []
        return self._folder.joinpath("labels", *own, f"{self.id}.png")

    @property
    def tasks(self) -> TaskSample:
        """What detection and segmentation found: a method without any boxes has an empty list."""
        found = {method: self.found.get(method, []) for method in self.values}
        return TaskSample(self.id, self.objects, found, self.pixels)

    @property
    def _folder(self) -> Path:
        own = [file_stem(self.condition)] if self.condition else []
        return Path(self.task, *own)


@dataclass(frozen=True)
class Run:
    """The folder of a run.

    Args:
        folder: The folder.
        about: ``summary.json``; its ``results`` are empty until the run has finished.
        methods: The methods, in the order of the tables.
        metrics: Names of the columns, in the order of the tables.
        samples: In the order of data and conditions; those that are done.
    """

    folder: Path
    about: dict[str, Any]
    methods: list[Method]
    metrics: list[str]
    samples: list[Sample]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Read a run folder.

        Raises:
            InputError: If it is not the folder of a run on the bench.
        """
        about = read_about(folder)
        if not {"methods", "metrics", "results"} <= about.keys():
            raise InputError(f"{folder} holds no evaluation; name the folder of one")
        with reading(folder):
            return cls._read(folder, about)

    @classmethod
    def _read(cls, folder: Path, about: dict[str, Any]) -> Run:
        samples: dict[tuple[str, ...], Sample] = {}
        for line in _lines(folder, PER_IMAGE):
            place = tuple(line[name] for name in KEY[:4])
            _fill(
                samples.setdefault(place, Sample(place[0], place[1], place[2], place[3])),
                line,
                list(about["metrics"]),
            )
        for name in (RD, THEOREM):
            for line in _lines(folder, name):
                if (place := tuple(line[name] for name in KEY[:4])) in samples:
                    _fill_source(getattr(samples[place], Path(name).stem), line)
        _fill_tasks(folder, samples)
        order = [
            (data["name"], data["task"], condition["name"], id_)
            for data in about["data"]
            for condition in about["conditions"]
            for id_ in data["ids"]
        ]
        return cls(
            folder,
            about,
            [Method(**one) for one in about["methods"]],
            list(about["metrics"]),
            [samples[key] for key in order if key in samples],
        )

    @property
    def finished(self) -> bool:
        """Whether every sample is done."""
        return bool(self.about["results"])

    @property
    def higher_is_better(self) -> dict[str, bool | None]:
        """Direction by metric; None if it is best at 0."""
        named = {"higher": True, "lower": False, "zero": None}
        return {name: named[one["direction"]] for name, one in self.about["metrics"].items()}

    @property
    def source_names(self) -> list[str]:
        """Names of the sources of all data sets; not every sample has all of them."""
        return [one.source for one in self.methods if one.source is not None]

    def method(self, name: str) -> Method:
        """The method of that name."""
        return next(one for one in self.methods if one.name == name)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """What fails on the content of a run folder that others may have changed is its damage.

    Raises:
        InputError: If so.
    """
    try:
        yield
    except InputError:
        raise
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        ArithmeticError,
        csv.Error,
    ) as fault:
        reason = f"{type(fault).__name__}: {' '.join(str(fault).split())[:100]}"
        raise InputError(
            f"{SUMMARY} or a CSV file in {folder} is damaged ({reason}); evaluate anew"
        ) from None


def read_about(folder: Path) -> dict[str, Any]:
    """``summary.json`` of a run.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        about = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # not there, no text, no JSON
        about = None
    if not isinstance(about, dict):
        raise InputError(f"no readable {SUMMARY} in {folder}; name the folder of an evaluation")
    return about


def join_rows(folder: Path, about: dict[str, Any]) -> None:
    """Make one file of the rows that several processes wrote, in the order of the data.

    Args:
        folder: The run folder.
        about: ``summary.json``.
    """
    order: list[list[str]] = [
        [data["name"] for data in about["data"]],
        list(dict.fromkeys(data["task"] for data in about["data"])),
        [condition["name"] for condition in about["conditions"]],
        list(dict.fromkeys(id_ for data in about["data"] for id_ in data["ids"])),
        [method["name"] for method in about["methods"]],
    ]
    sources = list(dict.fromkeys(name for data in about["data"] for name in data["source_names"]))
    for name in (PER_IMAGE, RD, THEOREM):
        paths = sorted(folder.glob(of_all_processes(name)), key=lambda path: path.name != name)
        if paths:
            join_files(paths, order if name == PER_IMAGE else [*order, sources])
    more: dict[str, list[list[str]]] = {  # numbers and classes stay in the order of their sample
        OBJECTS: [*order[:4], *[[]] * (len(OBJECTS_KEY) - 4)],
        FOUND: [*order, *[[]] * (len(FOUND_KEY) - 5)],
        PIXELS: [*order, *[[]] * (len(PIXELS_KEY) - 5)],
    }
    for name, columns in more.items():
        paths = sorted(folder.glob(of_all_processes(name)), key=lambda path: path.name != name)
        if paths:
            join_files(paths, columns)


def of_all_processes(name: str) -> str:
    """The pattern of the files that processes write, the first one ``name`` itself."""
    return name.replace(".", "*.")


def _lines(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of all processes' CSV files, which may be in the middle of being written."""
    for path in sorted(folder.glob(of_all_processes(name))):
        content = path.read_bytes().decode(errors="replace")
        whole = io.StringIO(content[: content.rfind("\n") + 1], newline="")
        yield from (line for line in csv.DictReader(whole) if None not in line.values())


def _fill(sample: Sample, line: dict[str, str], metrics: list[str]) -> None:
    """Headings are those of ``metrics`` with their convention; an empty cell is left out."""
    cells = {heading: float(cell) for heading, cell in line.items() if heading not in KEY and cell}
    if TIME in cells:
        sample.milliseconds[line["method"]] = cells.pop(TIME)
    if MEMORY in cells:
        sample.megabytes[line["method"]] = cells.pop(MEMORY)
    named = {name if name in metrics else name.partition(":")[0]: v for name, v in cells.items()}
    sample.values[line["method"]] = {name: named[name] for name in metrics if name in named}


def _fill_source(found: dict[str, dict[str, dict[str, float]]], line: dict[str, str]) -> None:
    """An empty cell is left out."""
    cells = {column: float(cell) for column, cell in line.items() if cell and column not in _TEXTS}
    found.setdefault(line["method"], {})[line["source"]] = cells


def _fill_tasks(folder: Path, samples: dict[tuple[str, ...], Sample]) -> None:
    """What detectors and segmenters found, of the samples that are done."""
    for line in _lines(folder, OBJECTS):
        sample = samples.get(tuple(line[name] for name in KEY[:4]))
        if sample is not None:
            sample.objects = [] if sample.objects is None else sample.objects
            if line["class"]:  # else the sample has no objects
                sample.objects.append(read_object(line))
    for line in _lines(folder, FOUND):
        if (sample := samples.get(tuple(line[name] for name in KEY[:4]))) is not None:
            sample.found.setdefault(line["method"], []).append(read_found(line))
    for line in _lines(folder, PIXELS):
        if (sample := samples.get(tuple(line[name] for name in KEY[:4]))) is not None:
            sample.pixels.setdefault(line["method"], {})[line["class"]] = read_pixels(line)


_TEXTS = frozenset(SOURCE_KEY)
