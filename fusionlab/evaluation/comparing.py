"""Comparing run folders: one run with the methods of all, on the samples that they share."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from fusionlab.console import note
from fusionlab.errors import InputError
from fusionlab.evaluation.program import finish, show
from fusionlab.report.html import write_report
from fusionlab.runs.folder import make, run_folder
from fusionlab.runs.run import KEY, MEMORY, PER_IMAGE, RD, TIME, Method, Run, Sample

Place = tuple[str, str, str]  # task, condition, sample


@dataclass(frozen=True)
class Side:
    """A run of the comparison.

    Args:
        run: The run.
        letter: What its methods are marked with: A for the first.
    """

    run: Run
    letter: str

    def name(self, method: str) -> str:
        """What a method is called in the comparison: ``IFCNN (A)``; sources keep their name."""
        return f"{method} ({self.letter})" if self.run.method(method).is_fused else method

    @property
    def shown(self) -> list[Method]:
        """Its methods; sources alone are those of the first run."""
        return [one for one in self.run.methods if one.is_fused or self.letter == "A"]

    @property
    def samples(self) -> dict[Place, Sample]:
        """Its samples by task, condition and name: a data set may be called otherwise."""
        return {(one.task, one.condition, one.id): one for one in self.run.samples}


def compare_command(folders: Sequence[Path], output: str | None = None) -> Path:
    """Compare, print the tables and the place of the run.

    Args:
        folders: Two or more run folders.
        output: Folder of the comparison; None for a new one.

    Raises:
        InputError: As :func:`compare_runs`.
    """
    place = run_folder("runs", "compare") if output is None else Path(output)
    show(compare_runs(folders, place))
    print(f"Pictures, {PER_IMAGE} and summary.json: {place}")
    print(f"Report, for a browser: {write_report(place)}")
    return place


def compare_runs(folders: Sequence[Path], place: Path) -> dict[str, Any]:
    """Make one run of the methods of several on the samples and metrics that all of them have.

    A method that the first run has too is compared with it there, sample by sample: the difference
    is the later run minus the first.

    Args:
        folders: Run folders that have finished.
        place: The folder of the comparison, which is made.

    Returns:
        Its ``summary.json``.

    Raises:
        InputError: If a run has not finished, or they share no sample of the same content, no
            metric of the same convention, or nothing can be written there.
    """
    sides = [Side(_finished(folder), ascii_uppercase[k]) for k, folder in enumerate(folders)]
    first = sides[0].run
    metrics = _shared_metrics(sides)
    shared = _shared_samples(sides)
    if place.exists():
        raise InputError(f"{place} exists; choose another --output")
    make(place)
    data = [
        {**one, "ids": [id_ for id_ in one["ids"] if (one["task"], id_) in shared]}
        for one in first.about["data"]
    ]
    names = {one["task"]: one["name"] for one in data}
    about = {
        **first.about,
        "methods": list(_methods(sides)),
        "data": [one for one in data if one["ids"]],
        "metrics": {name: first.about["metrics"][name] for name in metrics},
        "settings": {"title": "; ".join(f"{one.letter}: {one.run.folder.name}" for one in sides)},
        "calibrated": [
            {**line, "data": names.get(_task(side, line), ""), "method": side.name(line["method"])}
            for side in sides
            for line in side.run.about["calibrated"]
        ],
        "tasks": {},
        "results": [],
    }
    _write_rows(sides, place, metrics, shared, names)
    for side in sides:
        for sample in side.samples.values():
            if (sample.task, sample.id) in shared:
                _link_pictures(side, sample, place)
    return finish(place, about)


def _task(side: Side, line: dict[str, Any]) -> str:
    """The task of the data set that a line speaks of."""
    return next(one["task"] for one in side.run.about["data"] if one["name"] == line["data"])


def _finished(folder: Path) -> Run:
    run = Run.open(folder)
    if not run.finished:
        raise InputError(f"{folder} has not finished; fusionlab evaluate --resume {folder} goes on")
    tasks = [data["task"] for data in run.about["data"]]
    if len(set(tasks)) < len(tasks):
        raise InputError(f"{folder} has two data sets of one task; compare runs with one of each")
    return run


def _shared_metrics(sides: Sequence[Side]) -> list[str]:
    """Metrics that every run has in the same convention, in the order of the first."""
    first, *others = (side.run.about["metrics"] for side in sides)
    shared = [name for name in first if all(one.get(name) == first[name] for one in others)]
    if not shared:
        raise InputError(
            f"{sides[0].run.folder} and the others share no metric of the same convention; "
            "evaluate them with the same metrics"
        )
    if left := [name for name in first if name not in shared]:
        note(f"left out, not in all runs in the same convention: {', '.join(left)}")
    return shared


def _shared_samples(sides: Sequence[Side]) -> set[tuple[str, str]]:
    """Task and name of the samples that every run has, with the same content."""
    conditions = [side.run.about["conditions"] for side in sides]
    if any(one != conditions[0] for one in conditions):
        raise InputError("the runs were measured under different conditions; evaluate them alike")
    known = [
        {
            (data["task"], id_): data.get("hashes", {}).get(id_)
            for data in side.run.about["data"]
            for id_ in data["ids"]
        }
        for side in sides
    ]
    shared = set(known[0]).intersection(*known[1:])
    if changed := sorted(one for one in shared if len({each[one] for each in known}) > 1):
        raise InputError(
            f"{changed[0][1]} is another picture in each run ({len(changed)} samples in all); "
            "evaluate them on the same data"
        )
    if not shared:
        raise InputError(f"{sides[0].run.folder} and the others share no sample")
    if left := len(set().union(*known)) - len(shared):
        note(f"samples that not all runs have, left out: {left}")
    return shared


def _methods(sides: Sequence[Side]) -> Iterator[dict[str, Any]]:
    """Every method, compared with that of its name in the first run, else with its own base."""
    first = sides[0]
    known = {one.name for one in first.run.methods if one.is_fused}
    for side in sides:
        for one in side.shown:
            base, facts = side.name(one.base) if one.base else None, one.facts
            if side is not first and one.name in known:
                facts = {**facts, "static": base} if base else facts
                base = first.name(one.name)
            yield asdict(replace(one, name=side.name(one.name), base=base, facts=facts))


def _write_rows(
    sides: Sequence[Side],
    place: Path,
    metrics: Sequence[str],
    shared: set[tuple[str, str]],
    names: dict[str, str],
) -> None:
    """``per_image.csv`` and, where a run has it, ``rd.csv``, of the shared samples."""
    with (place / PER_IMAGE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*KEY, *metrics, TIME, MEMORY])
        for side in sides:
            for one in side.samples.values():
                if (one.task, one.id) in shared:
                    writer.writerows(_rows(side, one, names[one.task], metrics))
    lines = [line for side in sides for line in _rd_rows(side, shared, names)]
    if lines:
        with (place / RD).open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
            table.writeheader()
            table.writerows(lines)


def _rows(side: Side, sample: Sample, data: str, metrics: Sequence[str]) -> Iterator[list[object]]:
    for one in side.shown:
        if one.name in sample.values:
            values = sample.values[one.name]
            yield [
                *(data, sample.task, sample.condition, sample.id, side.name(one.name)),
                *(values.get(name, "") for name in metrics),
                sample.milliseconds.get(one.name, ""),
                sample.megabytes.get(one.name, ""),
            ]


def _rd_rows(
    side: Side, shared: set[tuple[str, str]], names: dict[str, str]
) -> Iterator[dict[str, str]]:
    path = side.run.folder / RD
    if not path.exists():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if (line["task"], line["id"]) in shared:
                name = side.name(line["method"])
                yield {**line, "data": names[line["task"]], "method": name}


def _link_pictures(side: Side, sample: Sample, place: Path) -> None:
    """Link, or copy, what a run holds of a sample, under the names of the comparison."""
    sources = side.run.source_names
    pairs = [(sample.source(name), sample.source(name)) for name in sources]
    for one in side.shown:
        old, new = one.name, side.name(one.name)
        pairs += [(sample.picture(old), sample.picture(new))]
        pairs += [(sample.common(old), sample.common(new))]
        pairs += [(sample.rd_arrays(old), sample.rd_arrays(new))]
        for name in sources:
            pairs += [(sample.rd_map(old, name), sample.rd_map(new, name))]
            pairs += [(sample.unique(old, name), sample.unique(new, name))]
    for old_path, new_path in pairs:
        taken, given = side.run.folder / old_path, place / new_path
        if not taken.is_file() or given.exists():
            continue
        given.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(taken, given)
        except OSError:  # another file system, or one without links
            shutil.copyfile(taken, given)
