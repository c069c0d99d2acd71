"""Values of metrics that others published for their fused pictures: text files, or a sheet."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusionlab.data.files import key
from fusionlab.data.fused import split_name
from fusionlab.errors import InputError

Place = tuple[str, str]  # a method and a sample


@dataclass
class Published:
    """What is published of the pictures of a collection.

    Args:
        values: By metric, called as there, and by method and sample; NaN where NaN is published.
        notes: Lines about what could not be used.
    """

    values: dict[str, dict[Place, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_texts(
    folder: Path, ids: Sequence[str], methods: Collection[str], metrics: Collection[str]
) -> Published:
    """Read ``<sample>_<method>_<metric>.txt``, each of which holds one number.

    Args:
        folder: The folder.
        ids: The N samples.
        methods: The methods whose pictures are there.
        metrics: The metrics, called as there.

    Raises:
        InputError: If a file does not hold a number.
    """
    found = Published({metric: {} for metric in metrics})
    unknown: list[str] = []
    others: Counter[str] = Counter()
    for path in sorted(folder.glob("*.txt")):
        metric = next((one for one in metrics if path.stem.endswith(f"_{one}")), None)
        place = metric and split_name(path.stem.removesuffix(f"_{metric}"), ids)
        if not metric or not place:
            unknown.append(path.name)
            continue
        sample, method = place
        if method not in methods:
            others[method] += 1
            continue
        found.values[metric][method, sample] = _number(path)
    if unknown:
        found.notes.append(
            f"{len(unknown)} files without a known sample and metric in their name, first "
            f"{unknown[0]}"
        )
    found.notes.extend(
        f"{count} values of {name}, which has no pictures" for name, count in others.items()
    )
    return found


def _number(path: Path) -> float:
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{path} must hold one number, got {text[:40]!r}") from None


def read_sheet(
    path: Path, ids: Sequence[str], methods: Collection[str], metrics: Collection[str]
) -> Published:
    """Read an Excel file with a sheet per metric, a column per method and a line per sample.

    Convention: the names of the methods are the first line that has a known one; MATLAB writes the
    name of a variable above it. The N values are in the order of the samples' names.

    Args:
        path: The file.
        ids: The N samples, in that order.
        methods: The methods whose pictures are there.
        metrics: The metrics, called as the sheets.

    Raises:
        InputError: If the file cannot be read, or a column does not have N numbers.
    """
    found = Published({metric: {} for metric in metrics})
    sheets = _sheets(path)
    for name, lines in sheets.items():
        if name not in metrics:
            if lines:
                found.notes.append(f"sheet {name}, which is no metric of this table")
            continue
        columns = _columns(lines, methods)
        if not columns:
            raise InputError(
                f"{path}, sheet {name}: no line has the name of a method, {', '.join(methods)}"
            )
        for method, column in columns.items():
            known = next((one for one in methods if key(one) == key(method)), None)
            if known is None:
                found.notes.append(f"{method} in sheet {name}, which has no pictures")
                continue
            values = _values(f"{path}, sheet {name}, {method}", column, len(ids))
            found.values[name].update({(known, one): v for one, v in zip(ids, values, strict=True)})
    lacking = [metric for metric in metrics if metric not in sheets]
    if lacking:
        found.notes.append(f"no sheet {', '.join(lacking)}")
    return found


def _sheets(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The lines of every sheet, without empty ones at the end."""
    try:
        import openpyxl
    except ImportError:
        raise InputError(f"{path} needs openpyxl; pip install openpyxl") from None
    from zipfile import BadZipFile

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, OSError, ValueError) as mistake:
        raise InputError(f"{path} is no Excel file that can be read: {mistake}") from None
    lines = {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}
    book.close()
    return {
        name: [line for line in own if any(cell is not None for cell in line)]
        for name, own in lines.items()
    }


def _columns(lines: Sequence[tuple[Any, ...]], methods: Collection[str]) -> dict[str, list[Any]]:
    """What stands below each name in the first line with the name of a known method."""
    known = {key(one) for one in methods}
    for k, line in enumerate(lines):
        names = {place: cell for place, cell in enumerate(line) if isinstance(cell, str)}
        if any(key(name) in known for name in names.values()):
            return {name: [one[place] for one in lines[k + 1 :]] for place, name in names.items()}
    return {}


def _values(place: str, column: Sequence[Any], count: int) -> list[float]:
    """The numbers of a column; an empty cell is NaN, as MATLAB writes it."""
    cells = [math.nan if cell is None else cell for cell in column[:count]]
    numbers = sum(isinstance(cell, int | float) for cell in cells)
    below = sum(cell is not None for cell in column[count:])
    if numbers < count or below:
        raise InputError(
            f"{place} must hold {count} numbers, one for each sample, got {numbers + below}"
        )
    return [float(cell) for cell in cells]
