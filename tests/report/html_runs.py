"""Run folders of evaluations that never took place, with values that can be told by hand."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fusionlab.runs.files import write_json
from fusionlab.runs.folder import file_stem
from fusionlab.runs.run import ALONE, KEY, RD_COLUMNS, SOURCE_KEY, THEOREM_COLUMNS, Run, Sample
from fusionlab.runs.summary import summarise

HOSTILE = """<img src=x onerror=alert(1)>&"'#?% ü \u2028"""
METRICS = {"EN": "higher", "CE": "lower", "PSNR_truth": "higher"}
SETTINGS = {
    "preset": "paper",
    "basis": "loss",
    "compare": "components",
    "loss": "l1",
    "temperature": 1.0,
    "channel": "mean",
    "form": "exp",
    "normalization": "softmax",
    "correlation": "negative",
    "gain": "share",
}


@dataclass(frozen=True)
class FakeMethod:
    """A method that fuses: EN of image k is k and ``factor`` times the gain of that image."""

    name: str
    kind: str
    factor: float
    colour: tuple[int, int, int]
    settings: tuple[tuple[str, Any], ...] = ()

    def about(self, folder: Path, ids: list[str]) -> dict[str, Any]:
        """What the summary says of it."""
        network = {
            "name": "ifcnn",
            "options": {"rule": "max"},
            "checkpoint": {"path": "/home/someone/best.safetensors", "sha256": "abc123"},
            "trainable": True,
            "stretch": False,
        }
        facts: dict[str, Any] = {"network": network, "colour": {"vif": "luma", "mff": "rgb"}}
        if self.kind == "ttd":
            facts["ttd"] = {**SETTINGS, **dict(self.settings)}
        if self.kind == "folder":
            named = {id_: f"{k}.png" for k, id_ in enumerate(ids)}
            described = {"folder": str(folder / "private" / self.name), "images": len(ids)}
            described |= {"files": named, "missing": [], "surplus": ["x.png"], "jpeg": []}
            facts = {"folder": described}
        base = STATIC.name if self.kind == "ttd" else None
        return {
            **{"name": self.name, "kind": self.kind, "base": base},
            **{"source": None, "facts": facts},
        }


STATIC = FakeMethod("IFCNN", "network", 0, (200, 0, 0))
TTD = FakeMethod("IFCNN+TTD", "ttd", 1, (0, 0, 200))
AUTHORS = FakeMethod("IFCNN+TTD (authors)", "ttd", 2, (0, 100, 200))
FOLDER = FakeMethod("other tool", "folder", -1, (200, 0, 200))
PAIR = (STATIC, TTD)
COLOURS = {"vi": (0, 200, 0), "ir": (90, 90, 90)}
MAP = (253, 231, 37)


@dataclass(frozen=True)
class FakeData:
    """A data set of a run, and how far the run came with it.

    CE is 10 − EN. Sources alone have an EN of −1. The truth is known to nobody. RD of the first
    source is 0.25, of any other 0.75. The theorem: source m covaries by m − 1/2 + k/4, the static
    bound is 1 + k, the dynamic one 2.
    """

    gains: tuple[float, ...] = (0.5, -0.25, 2.0)
    ids: tuple[str, ...] = ("a", "b", "c")
    done: int = 3
    task: str = "vif"
    name: str = "fake pairs"
    sources: tuple[str, ...] = ("vi", "ir")
    size: tuple[int, int] = (24, 16)  # width, height

    def describe(self) -> dict[str, Any]:
        """What the summary says of the data."""
        return {
            "name": self.name,
            "root": "/somewhere/private",
            "task": self.task,
            "source_names": list(self.sources),
            "ids": list(self.ids),
        }


@dataclass(frozen=True)
class FakeCondition:
    """A condition: ``shift`` is added to the EN of what fuses."""

    name: str = ""
    group: str = ""
    kind: str = ""
    level: float | None = None
    shift: float = 0.0

    def describe(self) -> dict[str, Any]:
        """What the summary says of it."""
        return {"name": self.name, "group": self.group, "kind": self.kind, "level": self.level}


def make_run(
    folder: Path,
    *data: FakeData,
    methods: tuple[FakeMethod, ...] = PAIR,
    conditions: tuple[FakeCondition, ...] = (FakeCondition(),),
    theorem: bool = False,
    truth: bool = False,
    pictures: bool = True,
) -> Path:
    """Write a run over these data; it has finished if all their images are done.

    Args:
        folder: The run folder.
        data: The data sets.
        methods: What fuses.
        conditions: The conditions.
        theorem: Whether the theorem was measured.
        truth: Whether it knows a truth.
        pictures: Whether pictures were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = _about(folder, data, methods, conditions, theorem)
    (folder / "summary.json").write_text(json.dumps(about))
    samples = [
        (one, condition, k) for one in data for condition in conditions for k in range(one.done)
    ]
    with _csv(folder / "per_image.csv", [*KEY, *(f"{name}:ttd" for name in METRICS), "ms"]) as file:
        for one, condition, k in samples:
            csv.writer(file).writerows(_values(one, condition, k, methods))
    dynamic = [method.name for method in methods if method.kind == "ttd"]
    with _csv(folder / "rd.csv", [*SOURCE_KEY, *RD_COLUMNS]) as file:
        for one, condition, k in samples:
            csv.writer(file).writerows(_rd(one, condition, k, dynamic))
    if theorem:
        with _csv(folder / "theorem.csv", [*SOURCE_KEY, *THEOREM_COLUMNS]) as file:
            for one, condition, k in samples:
                csv.writer(file).writerows(_theorem(one, condition, k, dynamic, truth))
    for one, condition, k in samples if pictures else ():
        _write_pictures(folder, one, condition, k, methods)
    if all(one.done == len(one.ids) for one in data):
        write_json(folder / "summary.json", {**about, "results": summarise(Run.open(folder))})
    return folder


def _about(
    folder: Path,
    data: tuple[FakeData, ...],
    methods: tuple[FakeMethod, ...],
    conditions: tuple[FakeCondition, ...],
    theorem: bool,
) -> dict[str, Any]:
    sources = dict.fromkeys(name for one in data for name in one.sources)
    alone = [
        {"name": name + ALONE, "kind": "source", "base": None, "source": name, "facts": {}}
        for name in sources
    ]
    ids = [id_ for one in data for id_ in one.ids]
    return {
        "methods": [*alone, *(method.about(folder, ids) for method in methods)],
        "settings": {"seed": 7},
        "data": [one.describe() for one in data],
        "conditions": [condition.describe() for condition in conditions],
        "metrics": {
            name: {
                "direction": direction,
                "convention": f"ttd: {name} as such",
                "truth": name.endswith("_truth"),
            }
            for name, direction in METRICS.items()
        },
        "metrics_form": "preset ttd",
        "notes": {"mean": "of values", **({"theorem": "ω is RD."} if theorem else {})},
        "fusionlab": "0.1.0",
        "commit": "c0ffee",
        "versions": {"torch": "2.4"},
        "python": "3.11",
        "platform": "Linux",
        "threads": 1,
        "devices": [],
        "calibrated": [],
        "results": [],
    }


def _csv(path: Path, heading: list[str]) -> Any:
    file = path.open("w", newline="", encoding="utf-8")
    csv.writer(file).writerow(heading)
    return file


def _values(
    data: FakeData, condition: FakeCondition, k: int, methods: tuple[FakeMethod, ...]
) -> list[list[Any]]:
    place = [data.name, data.task, condition.name, data.ids[k]]
    rows: list[list[Any]] = []
    if not condition.kind:
        rows += [[*place, name + ALONE, -1.0, 11.0, "", ""] for name in data.sources]
    for method in methods:
        value = k + condition.shift + method.factor * data.gains[k]
        time = "" if method.kind == "folder" else 10 + k
        rows.append([*place, method.name, value, 10 - value, "", time])
    return rows


def _rd(data: FakeData, condition: FakeCondition, k: int, methods: list[str]) -> list[list[Any]]:
    place = [data.name, data.task, condition.name, data.ids[k]]
    share = {True: (0.25, 0.125, 0.5, 0.0, -0.5 - k / 8), False: (0.75, 0.5, 0.875, 1.0, "nan")}
    return [
        [*place, method, source, *share[m == 0]]
        for method in methods
        for m, source in enumerate(data.sources)
    ]


def _theorem(
    data: FakeData, condition: FakeCondition, k: int, methods: list[str], truth: bool
) -> list[list[Any]]:
    place = [data.name, data.task, condition.name, data.ids[k]]
    covariances = [m - 0.5 + k / 4 for m in range(len(data.sources))]
    total = sum(covariances)
    of_image = {
        "covariance_sum": total,
        "covariance_is_negative": float(total < 0),
        "static_bound": 1 + k,
        "dynamic_bound": 2,
        "dynamic_is_lower": float(1 + k > 2),
    }
    if truth:
        of_image |= {"static_error": 0.5, "dynamic_error": 0.25}
        of_image |= {"static_truth_bound": 0.75, "dynamic_truth_bound": 0.5}
    rows = []
    for method in methods:
        for source, covariance in zip(data.sources, covariances, strict=True):
            cells = {**of_image, "rd": 0.5, "loss": 0.125, "covariance": covariance}
            rows.append([*place, method, source, *(cells.get(one, "") for one in THEOREM_COLUMNS)])
    return rows


def _write_pictures(
    folder: Path,
    data: FakeData,
    condition: FakeCondition,
    k: int,
    methods: tuple[FakeMethod, ...],
) -> None:
    """Each kind of picture in one colour; those of one colour are one file under many names."""
    sample = Sample(data.name, data.task, condition.name, data.ids[k])
    for method in methods:
        path = folder / sample.picture(method.name)
        if method.kind == "folder":
            path = folder / "private" / method.name / f"{k}.png"
        _picture(path, folder, method.colour, data.size)
    for source in data.sources:
        colour = COLOURS.get(source, (9, 9, 9))
        _picture(folder / sample.source(source), folder, colour, data.size)
        for method in methods:
            if method.kind == "ttd":
                _picture(folder / sample.rd_map(method.name, source), folder, MAP, data.size)


def _picture(path: Path, folder: Path, colour: tuple[int, ...], size: tuple[int, int]) -> None:
    first = folder / f".{file_stem(str((*colour, *size)))}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not first.exists():
        Image.fromarray(np.full((size[1], size[0], 3), colour, np.uint8)).save(first)
    path.unlink(missing_ok=True)
    os.link(first, path)
