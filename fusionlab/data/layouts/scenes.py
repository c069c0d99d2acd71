"""A folder per sample: ``01/01_A.png 01/01_B.png``, ``01/vi.png 01/ir.png``, or exposures.

The ground truth lies among them, or in a folder of its own, ``Label/01.png`` (SICE).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from fusionlab.data.files import UnmatchedError, by_stem, images_in, key, stem
from fusionlab.data.layouts.listing import Sample
from fusionlab.data.layouts.names import REFERENCES, is_free, known, resolved, truth_among
from fusionlab.data.layouts.suffixes import group_by_suffix, parts, with_suffix


def find_scenes(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    """The images in a folder are a sample; those without suffix in natural order."""
    truths = truths_of_scenes(folders, reference)
    samples = []
    for title, folder in folders.items():
        if key(title) in (*REFERENCES, reference) and not is_scene(folder, given):
            continue
        for sample in _in_folder(title, folder, given, reference):
            beside = truths.get(key(title))
            samples.append(replace(sample, reference=sample.reference or beside))
    _check_starts(samples)
    return samples


def truths_of_scenes(folders: dict[str, Path], reference: str | None) -> dict[str, Path]:
    """Ground truths in a folder of their own, by the case-folded name of their scene."""
    titles = {key(title): title for title in folders}
    truth = truth_among(reference, (), titles)
    if not truth:
        return {}
    found = by_stem(folders[titles[truth]])
    return {name: path for name, path in found.items() if name in titles}


def is_scene(folder: Path, given: tuple[str, ...] | None) -> bool:
    """Whether files are called as sources, or differ in nothing but the name of their source."""
    images = list(images_in(folder))
    if len(_called(images, given)) > 1:
        return True
    files = with_suffix(images, given)
    return len(files) > 1 and len({key(parts(path)[0]) for path in files}) == 1


def _called(images: list[Path], given: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of sources that are the whole names of files, in their order."""
    stems = [key(stem(path)) for path in images]
    if not given:
        return known(stems)
    names = resolved(given, stems)
    return names if set(names) <= set(stems) else ()


def _in_folder(
    title: str, folder: Path, given: tuple[str, ...] | None, reference: str | None
) -> list[Sample]:
    images = list(images_in(folder))
    names = _called(images, given)
    if names:
        paths = by_stem(folder)
        called = truth_among(reference, names, paths)
        found = {stem(paths[name]): paths[name] for name in names}
        return [Sample(title, found, paths[called] if called else None)]
    if given or with_suffix(images, None):
        grouped = group_by_suffix(images, given, reference, alone=True)
        return [Sample(title, one.sources, one.reference) for one in grouped]
    paths = by_stem(folder)
    truth = truth_among(reference, (), paths)
    exposures = {name: path for name, path in paths.items() if name != truth and is_free(name)}
    sources = dict(zip(_numbers(folder, exposures), exposures.values(), strict=True))
    return [Sample(title, sources, paths.get(truth))] if sources else []


def _numbers(folder: Path, exposures: dict[str, Path]) -> list[str]:
    """What exposures are called: by their own number in a series from 0 or 1, else by their place.

    Raises:
        UnmatchedError: If the series has a gap.
    """
    own = [int(name) for name in exposures if name.isdecimal()]
    count = len(exposures)
    if len(own) < count or count < 2 or own[0] > 1:
        return [str(place) for place in range(1, count + 1)]
    lacking = next((number for number in range(own[0], own[-1]) if number not in own), None)
    if lacking is not None:
        _refuse_series(folder, own, lacking, list(exposures.values()))
    return [str(number) for number in own]


def _check_starts(samples: list[Sample]) -> None:
    """Refuse a series from 1 where others begin at 0: its first member is missing."""
    if not any("0" in sample.sources for sample in samples):
        return
    for sample in samples:
        names = list(sample.sources)
        if names[0] == "1":
            paths = list(sample.sources.values())
            _refuse_series(paths[0].parent, list(map(int, names)), 0, paths)


def _refuse_series(folder: Path, own: list[int], lacking: int, paths: list[Path]) -> NoReturn:
    raise UnmatchedError(
        f"{folder} has exposures {', '.join(map(str, own))} and no {lacking}; add it, move the "
        "folder away, or rename them",
        paths,
    )
