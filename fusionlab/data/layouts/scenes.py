"""A folder per sample: ``01/01_A.png 01/01_B.png``, or exposures without suffixes.

The ground truth lies among them, or in a folder of its own, ``Label/01.png`` (SICE).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fusionlab.data.files import by_stem, images_in
from fusionlab.data.layouts.listing import Sample
from fusionlab.data.layouts.names import REFERENCES, truth_among
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
        if title.casefold() in (*REFERENCES, reference):
            continue
        for sample in _in_folder(title, folder, given, reference):
            beside = truths.get(title.casefold())
            samples.append(replace(sample, reference=sample.reference or beside))
    return samples


def truths_of_scenes(folders: dict[str, Path], reference: str | None) -> dict[str, Path]:
    """Ground truths in a folder of their own, by the case-folded name of their scene."""
    titles = {title.casefold(): title for title in folders}
    truth = truth_among(reference, (), titles)
    if not truth:
        return {}
    found = by_stem(folders[titles[truth]])
    return {name: path for name, path in found.items() if name in titles}


def is_scene(folder: Path, given: tuple[str, ...] | None) -> bool:
    """Whether files differ in nothing but the name of their source."""
    files = with_suffix(list(images_in(folder)), given)
    return len(files) > 1 and len({parts(path)[0].casefold() for path in files}) == 1


def _in_folder(
    title: str, folder: Path, given: tuple[str, ...] | None, reference: str | None
) -> list[Sample]:
    images = list(images_in(folder))
    if given or with_suffix(images, None):
        found = group_by_suffix(images, given, reference, alone=True)
        return [Sample(title, one.sources, one.reference) for one in found]
    exposures = by_stem(folder)
    truth = exposures.pop(truth_among(reference, (), exposures), None)
    sources = {str(k): path for k, path in enumerate(exposures.values(), start=1)}
    return [Sample(title, sources, truth)] if sources else []
