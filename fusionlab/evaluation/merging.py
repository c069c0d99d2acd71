"""Joining the shards of an evaluation: the run that they would be without shards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from math import isclose
from pathlib import Path
from typing import Any

import yaml

from fusionlab.errors import InputError
from fusionlab.evaluation.program import check_same, finish, show, what_lies_in
from fusionlab.report.html import write_report
from fusionlab.runs.files import write_atomic
from fusionlab.runs.folder import make, run_folder
from fusionlab.runs.run import SUMMARY, Run
from fusionlab.runs.tasks import PER_CLASS

CONFIG, REPORT = "config.yaml", "report"
SAME = ("metrics", "conditions", "commit", "fusionlab")  # in all shards
CLOSE = 1e-6  # temperatures that machines of several kinds choose on the same images


def merge_command(folders: Sequence[Path], output: str | None) -> Path:
    """Merge, print the tables and the place of the run.

    Args:
        folders: The run folders of all shards, in any order.
        output: Folder of the merged run; None for a new one.

    Raises:
        InputError: As :func:`merge`.
    """
    place = run_folder("runs", "merge") if output is None else Path(output)
    about = merge(folders, place)
    show(about)
    print(what_lies_in(place))
    if about["settings"].get("report", True):
        print(f"Report, for a browser: {write_report(place)}")
    return place


def merge(folders: Sequence[Path], place: Path) -> dict[str, Any]:
    """Make one run of its shards; what is large is linked, not copied, where that can be.

    Args:
        folders: The run folders of all shards, in any order.
        place: The folder of the merged run, which is made.

    Returns:
        Its ``summary.json``, whose tables are those of the run without shards.

    Raises:
        InputError: If a folder is no finished shard, shards are missing or doubled, or they are
            not of one evaluation; nothing has been written then.
    """
    shards = _in_order(folders)
    first = shards[0]
    for other in shards[1:]:
        _check_alike(first, other)
    if place.exists():
        raise InputError(f"{place} exists; choose another --output")
    make(place)
    for number, run in enumerate(shards, 1):
        _take(run.folder, place, number)
    about = {key: value for key, value in first.about.items() if key != "shard"}
    about["settings"] = {**about["settings"], "shard": None}
    about["results"] = []
    config = yaml.safe_load((first.folder / CONFIG).read_text(encoding="utf-8"))
    text = yaml.safe_dump({**config, "shard": None}, sort_keys=False, allow_unicode=True)
    write_atomic(place / CONFIG, text.encode())
    return finish(place, about)


def _in_order(folders: Sequence[Path]) -> list[Run]:
    """The shards from the first to the last."""
    found: dict[int, Run] = {}
    count = 0
    for folder in folders:
        run = Run.open(folder)
        if "shard" not in run.about:
            raise InputError(f"{folder} is no shard; make shards with evaluate --shard I/N")
        if not run.finished:
            raise InputError(
                f"{folder} has not finished; fusionlab evaluate --resume {folder} goes on"
            )
        number, of = run.about["shard"]
        if count not in (0, of):
            raise InputError(f"{folder} is shard {number} of {of}, others are of {count}")
        if number in found:
            raise InputError(f"{found[number].folder} and {folder} are both shard {number}/{of}")
        found[number], count = run, of
    missing = [f"{number}/{count}" for number in range(1, count + 1) if number not in found]
    if missing:
        raise InputError(f"shard {', '.join(missing)} is missing; give its folder too")
    return [found[number] for number in sorted(found)]


def _check_alike(first: Run, other: Run) -> None:
    """Refuse shards of different evaluations."""
    names = [[method.name for method in run.methods] for run in (first, other)]
    differing = [key for key in SAME if first.about.get(key) != other.about.get(key)]
    if names[0] != names[1]:
        differing.append("methods")
    if not _same_temperatures(first.about["calibrated"], other.about["calibrated"]):
        differing.append("calibrated temperatures")
    if differing:
        raise InputError(
            f"{first.folder} and {other.folder} are not of one evaluation: they differ in "
            f"{', '.join(differing)}"
        )
    check_same(first.folder, other.about)


def _same_temperatures(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether what was chosen is the same; a condition without samples in a shard chose nothing."""
    key = ("data", "condition", "method")
    known = {tuple(line[name] for name in key): line for line in one}
    pairs = [(known.get(tuple(line[name] for name in key)), line) for line in other]
    return all(
        before is None
        or (
            isclose(before["temperature"], after["temperature"], rel_tol=CLOSE)
            and before["channel"] == after["channel"]
        )
        for before, after in pairs
    )


def _take(folder: Path, place: Path, number: int) -> None:
    """Take what a shard has written; rows as those of a process of its own."""
    for path in sorted(folder.rglob("*")):
        own = path.relative_to(folder)
        if path.is_dir() or own.parts[0] in (SUMMARY, CONFIG, REPORT, PER_CLASS, "wandb"):
            continue
        if len(own.parts) == 1 and path.suffix == ".csv":
            later = place / f"{path.stem}.{number}{path.suffix}"
            shutil.copyfile(path, later if (place / own).exists() else place / own)
            continue
        if len(own.parts) == 1:
            continue  # tables and figures of a shard
        to = place / own
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.exists():
            continue  # legends are the same in all
        try:
            os.link(path, to)
        except OSError:  # another file system, or one without links
            shutil.copyfile(path, to)
