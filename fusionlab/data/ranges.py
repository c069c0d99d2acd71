"""How the files of each source are read: the range and the page that the settings name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from fusionlab.data.files import key
from fusionlab.data.images import Reading, stored_range
from fusionlab.errors import InputError

AUTO = "auto"
REFERENCE = "reference"  # what the ground truth is called here


def readings(
    files: Mapping[str, Iterable[Path]],
    range_: float | str | Mapping[str, float | str] | None = None,
    page: int | None = None,
) -> dict[str, Reading]:
    """How the files of every source are read.

    Args:
        files: The files of a whole data set by source, the ground truth's as ``reference``.
        range_: The stored value that is white, where 0 is black; ``auto`` for the smallest and the
            largest of all files of a source; or either by source. None leaves it to the files.
        page: Page of files that have several, from 1.

    Raises:
        InputError: If a source is named that is not there, or its range cannot be found.
    """
    if isinstance(range_, Mapping):
        asked = {key(name): value for name, value in range_.items()}
        unknown = [name for name in range_ if key(name) not in {key(one) for one in files}]
        if unknown:
            have = ", ".join(files)
            raise InputError(f"data.range names {unknown[0]}, which is no source; there are {have}")
    else:
        asked = {} if range_ is None else {key(name): range_ for name in files}
    return {name: _reading(asked.get(key(name)), page, paths) for name, paths in files.items()}


def _reading(value: float | str | None, page: int | None, paths: Iterable[Path]) -> Reading:
    if value is None:
        return Reading(page=page)
    if value == AUTO:
        black, white = stored_range(paths, page)
        return Reading(black, white, page)
    return Reading(white=float(value), page=page)
