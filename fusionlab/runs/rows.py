"""Values per image on disk, appended as they come, so that an interrupted run can go on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from fusionlab.errors import InputError
from fusionlab.runs.files import write_atomic


class RowFile:
    """A CSV file of rows with a key and values.

    A row that was cut off in the middle is removed when the file is opened again.

    Args:
        path: The file; made with its heading if there is none.
        key: Columns that tell rows apart.
        columns: Columns of values; NaN is written as ``nan``, None as nothing.

    Raises:
        InputError: If the file has other columns, or a damaged row.
    """

    def __init__(self, path: Path, key: Sequence[str], columns: Sequence[str]) -> None:
        self.path, self.key, self.columns = path, tuple(key), tuple(columns)
        heading = [*self.key, *self.columns]
        if path.exists():
            self._drop_incomplete_row()
        if not path.exists() or path.stat().st_size == 0:
            self._append(heading)
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file))
        if lines[0] != heading:
            raise InputError(f"{path} has other columns than this run; start a new one")
        for number, line in enumerate(lines, 1):
            if len(line) != len(heading):
                raise InputError(f"line {number} of {path} is damaged; take it out, or start anew")

    def append_all(self, rows: Iterable[tuple[Sequence[str], Sequence[float | None]]]) -> None:
        """Write rows that belong together, in one go."""
        self._append(*([*key, *values] for key, values in rows))

    def _append(self, *lines: Sequence[str | float | None]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows(lines)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(text.getvalue())

    def _drop_incomplete_row(self) -> None:
        text = self.path.read_bytes().decode(errors="replace")
        lines = list(csv.reader(io.StringIO(text, newline="")))
        in_quotes = text.count('"') % 2 == 1  # a name may hold the end of a line
        if text and (in_quotes or not text.endswith("\n")):
            kept = io.StringIO()
            csv.writer(kept).writerows(lines[:-1])
            write_atomic(self.path, kept.getvalue().encode())


def write_table(path: Path, lines: Iterable[Sequence[object]]) -> None:
    """Write a CSV file that is made in one go."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    write_atomic(path, text.getvalue().encode())


def join_files(paths: Sequence[Path], order: Sequence[Sequence[str]]) -> None:
    """Make one row file of those that processes wrote, in an order that tells nothing of them.

    Of two rows with one key the last counts.

    Args:
        paths: The files; the first is kept, the others are removed.
        order: For each column of the key, its values in their order.
    """
    heading: list[str] = []
    rows: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *lines = csv.reader(file)
        rows |= {tuple(line[: len(order)]): line for line in lines}
    places = [{value: place for place, value in enumerate(values)} for values in order]

    def place(key: tuple[str, ...]) -> list[int]:
        known = zip(places, key, strict=True)
        return [of_column.get(value, len(of_column)) for of_column, value in known]

    text = io.StringIO()
    csv.writer(text).writerows([heading, *(rows[key] for key in sorted(rows, key=place))])
    write_atomic(paths[0], text.getvalue().encode())
    for path in paths[1:]:
        path.unlink()
