"""One folder, a suffix per source: ``01-A.png 01-B.png``."""

from __future__ import annotations

import re
from pathlib import Path

from fusionlab.data.files import key, natural, same_name, stem
from fusionlab.data.layouts.listing import Sample, no_partner
from fusionlab.data.layouts.names import is_letter, known, resolved, truth_among
from fusionlab.data.layouts.roles import role_of

_SUFFIX = re.compile(r"^(?P<id>.+)[-_ ](?P<source>[^-_ ]+)$")
_PREFIX = re.compile(r"^(?P<source>[^\W\d_]{2,})[-_ ]?(?P<id>\d.*)$")


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
    names = resolved(given, _suffixes_of(files)) if given else _names_among(files)
    truth = truth_among(reference, names, _suffixes_of(files))
    groups: dict[str, dict[str, Path]] = {}
    for path in files:
        id_, name = (key(part) for part in parts(path))
        if name and name in (*names, truth):
            group = groups.setdefault("" if alone else id_, {})
            if name in group:
                raise same_name(group[name], path)
            group[name] = path
    _check_complete(groups, names, truth)
    samples = []
    for id_ in sorted(groups, key=natural):
        group = groups[id_]
        ground_truth = group.pop(truth, None)
        if not group:
            continue
        some = next(iter(group.values()))
        found = {_title(name): group[name] for name in names}
        samples.append(Sample(parts(some)[0], found, ground_truth))
    return samples


def _check_complete(groups: dict[str, dict[str, Path]], names: tuple[str, ...], truth: str) -> None:
    """Refuse samples that lack a source."""
    lone: list[Path] = []
    first: Path | None = None
    for id_ in sorted(groups, key=natural):
        own = [path for name, path in groups[id_].items() if name != truth]
        missing = next((name for name in names if name not in groups[id_]), None)
        if own and missing is not None:
            lone += own
            first = first or own[0].parent / f"*{_title(missing)}"
    if first is not None:
        raise no_partner(lone, first)


def parts(path: Path) -> tuple[str, str]:
    """Id and suffix of a file; a name without suffix has an empty one.

    ``IR12`` and ``VIS_12`` have their source before their id.
    """
    name = stem(path)
    match = _SUFFIX.match(name)
    if match and not (match["source"].isdecimal() and role_of(match["id"])):
        return match["id"], match["source"]
    before = _PREFIX.match(name)
    if before and role_of(before["source"]):
        return before["id"], before["source"]
    return name, ""


def with_suffix(files: list[Path], given: tuple[str, ...] | None) -> list[Path]:
    """Files that end in the name of a source."""
    names = resolved(given, _suffixes_of(files)) if given else _names_among(files)
    return [path for path in files if key(parts(path)[1]) in names]


def has_several(files: list[Path], given: tuple[str, ...] | None) -> bool:
    """Whether files hold two samples or more that differ in more than their suffix."""
    ids: dict[str, set[str]] = {}
    for path in with_suffix(files, given):
        id_, name = parts(path)
        ids.setdefault(key(id_), set()).add(key(name))
    return sum(len(names) > 1 for names in ids.values()) > 1


def _suffixes_of(files: list[Path]) -> set[str]:
    return {key(parts(path)[1]) for path in files}


def _names_among(files: list[Path]) -> tuple[str, ...]:
    """Suffixes that are sources: known ones, else letters."""
    suffixes = _suffixes_of(files)
    return known(suffixes) or tuple(sorted(name for name in suffixes if is_letter(name)))


def _title(name: str) -> str:
    """One spelling of a suffix: MEFB has scenes with ``_a`` and ``_B``."""
    return name.upper() if is_letter(name) else name
