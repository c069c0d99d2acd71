"""The folder of an evaluation, finished or not, read back."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusionlab.errors import InputError

ALONE = " alone"  # ending of the rows of single sources
FUSED = ("static", "ttd")
KEY = ("data", "task", "id", "row")
TIME = "ms"
SUMMARY, PER_IMAGE = "summary.json", "per_image.csv"
THEOREM, THEOREM_KEY = "theorem.csv", ("data", "task", "id", "source")


@dataclass
class Sample:
    """What was computed of one sample.

    Args:
        data: Name of its data set.
        task: Its task.
        id: Its name.
        values: By row (``static``, ``ttd``, ``ir alone``) and metric; NaN where a metric is not
            defined.
        milliseconds: By fused row.
        theorem: What the theorem of TTD says of it, by source and column of ``theorem.csv``; empty
            if it was not measured.
    """

    data: str
    task: str
    id: str
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    theorem: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The sources, in the order of the rows."""
        return tuple(row.removesuffix(ALONE) for row in self.values if row.endswith(ALONE))

    @property
    def fused_rows(self) -> tuple[str, ...]:
        """``static`` and perhaps ``ttd``."""
        return tuple(row for row in FUSED if row in self.values)

    def image(self, row: str) -> Path:
        """The fused image, like all paths relative to the run folder."""
        return Path(self.task, row, f"{self.id}.png")

    def source(self, name: str) -> Path:
        """A source as it was read."""
        return Path(self.task, "sources", f"{self.id}-{name}.png")

    def weight_map(self, source: str) -> Path:
        """Relative Dominability of a source, in colours from 0 to 1."""
        return Path(self.task, "rd", f"{self.id}-{source}.png")

    @property
    def arrays(self) -> Path:
        """The raw ``weights`` and ``losses``, (M, H, W), and ``source_names``."""
        return Path(self.task, "rd", f"{self.id}.npz")


@dataclass(frozen=True)
class EvaluationRun:
    """An evaluation's folder.

    Args:
        folder: The folder.
        about: ``summary.json``; its ``results`` are empty until the evaluation has finished.
        metrics: Short names, in the order of the table.
        samples: In the order of the data; those that are done.
    """

    folder: Path
    about: dict[str, Any]
    metrics: list[str]
    samples: list[Sample]

    @classmethod
    def open(cls, folder: Path) -> EvaluationRun:
        """Read a run folder.

        Raises:
            InputError: If it is not one of an evaluation.
        """
        try:
            about = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            raise InputError(
                f"no readable {SUMMARY} in {folder}; name the folder of an evaluation"
            ) from None
        if "directions" not in about or about.get("job") == "train":
            raise InputError(f"{folder} holds no evaluation of a network; name one that does")
        metrics = list(about["directions"])
        samples: dict[tuple[str, str], Sample] = {}
        for path in sorted(folder.glob(of_all_processes(PER_IMAGE))):
            for line in _whole_lines(path):
                key = (line["data"], line["id"])
                sample = samples.setdefault(key, Sample(line["data"], line["task"], line["id"]))
                _fill(sample, line, metrics)
        for path in sorted(folder.glob(of_all_processes(THEOREM))):
            for line in _whole_lines(path):
                if (line["data"], line["id"]) in samples:
                    _fill_theorem(samples[line["data"], line["id"]], line)
        order = [(data["name"], id_) for data in about["data"] for id_ in data["ids"]]
        return cls(folder, about, metrics, [samples[key] for key in order if key in samples])

    @property
    def finished(self) -> bool:
        """Whether every image is done."""
        return bool(self.about["results"])

    @property
    def higher_is_better(self) -> dict[str, bool | None]:
        """Direction by metric; None if it is best at 0."""
        named = {"higher": True, "lower": False, "zero": None}
        return {name: named[direction] for name, direction in self.about["directions"].items()}

    @property
    def conventions(self) -> dict[str, str]:
        """What each metric computes, in one line, by short name."""
        return {name: self.about["conventions"][name] for name in self.metrics}


def of_all_processes(name: str) -> str:
    """The pattern of the files that processes write, the first one ``name`` itself."""
    return name.replace(".", "*.")


def _whole_lines(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that may be in the middle of being written."""
    content = path.read_bytes().decode(errors="replace")
    whole = io.StringIO(content[: content.rfind("\n") + 1], newline="")
    return [line for line in csv.DictReader(whole) if None not in line.values()]


def _fill(sample: Sample, line: dict[str, str], metrics: list[str]) -> None:
    """Headings are those of ``metrics`` with their convention; an empty cell is left out."""
    cells = {heading: float(cell) for heading, cell in line.items() if heading not in KEY and cell}
    if TIME in cells:
        sample.milliseconds[line["row"]] = cells.pop(TIME)
    named = {name if name in metrics else name.partition(":")[0]: v for name, v in cells.items()}
    sample.values[line["row"]] = {name: named[name] for name in metrics if name in named}


def _fill_theorem(sample: Sample, line: dict[str, str]) -> None:
    """An empty cell is left out."""
    cells = {column: cell for column, cell in line.items() if column not in THEOREM_KEY and cell}
    sample.theorem[line["source"]] = {column: float(cell) for column, cell in cells.items()}
