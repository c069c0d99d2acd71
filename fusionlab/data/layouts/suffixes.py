"""One folder, a suffix per source: ``01-A.png 01-B.png``."""

from __future__ import annotations

import re
from pathlib import Path

from fusionlab.data.files import natural, same_name
from fusionlab.data.layouts.listing import Sample, no_partner
from fusionlab.data.layouts.names import is_letter, known, truth_among

_SUFFIX = re.compile(r"^(?P<id>.+)[-_ ](?P<source>[^-_ ]+)$")


def find_suffixes(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    """Files that differ in nothing but their suffix are a sample."""
    return group_by_suffix(files, given, reference)


def group_by_suffix(
    files: list[Path], given: tuple[str, ...] | None, reference: str | None, alone: bool = False
) -> list[Sample]:
    """Samples of ``<id>-<source>`` files; ``alone``: they belong together whatever their id."""
    names = given or _names_among(files)
    truth = truth_among(reference, names, _suffixes_of(files))
    groups: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, name = (part.casefold() for part in parts(path))
        if name and name in (*names, truth):
            group = groups.setdefault("" if alone else stem, {})
            if name in group:
                raise same_name(group[name], path)
            group[name] = path
    samples = []
    for stem in sorted(groups, key=natural):
        group = groups[stem]
        ground_truth = group.pop(truth, None)
        if not group:
            continue
        some = next(iter(group.values()))
        for name in names:
            if name not in group:
                raise no_partner(some, some.parent / f"*{_title(name)}")
        found = {_title(name): group[name] for name in names}
        samples.append(Sample(parts(some)[0], found, ground_truth))
    return samples


def parts(path: Path) -> tuple[str, str]:
    """Id and suffix of a file; a name without suffix has an empty one."""
    match = _SUFFIX.match(path.stem)
    return (match["id"], match["source"]) if match else (path.stem, "")


def with_suffix(files: list[Path], given: tuple[str, ...] | None) -> list[Path]:
    """Files that end in the name of a source."""
    names = given or _names_among(files)
    return [path for path in files if parts(path)[1].casefold() in names]


def _suffixes_of(files: list[Path]) -> set[str]:
    return {parts(path)[1].casefold() for path in files}


def _names_among(files: list[Path]) -> tuple[str, ...]:
    """Suffixes that are sources: known ones, else letters."""
    suffixes = _suffixes_of(files)
    return known(suffixes) or tuple(sorted(name for name in suffixes if is_letter(name)))


def _title(name: str) -> str:
    """One spelling of a suffix: MEFB has scenes with ``_a`` and ``_B``."""
    return name.upper() if is_letter(name) else name
