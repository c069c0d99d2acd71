"""A folder per category, each laid out as any data set: ``day/vi/01.png``, ``night/01_ir.png``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fusionlab.data.files import images_in
from fusionlab.data.layouts.listing import Sample
from fusionlab.data.layouts.names import known
from fusionlab.data.layouts.roles import roles_of
from fusionlab.data.layouts.scenes import find_scenes, is_scene
from fusionlab.data.layouts.splits import SPLITS, subfolders_of
from fusionlab.data.layouts.subfolders import find_subfolders
from fusionlab.data.layouts.suffixes import find_suffixes, has_several, with_suffix
from fusionlab.errors import InputError

_DEEPEST = 4  # folders within folders


def find_categories(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    """The samples of every category, which keep its name in theirs: ``day/01``.

    Raises:
        InputError: If categories have other sources, or are the parts of a data set.
    """
    found: list[Sample] = []
    for title, folder in folders.items():
        for sample in _within(folder, given, reference, _DEEPEST):
            found.append(replace(sample, id=f"{title}/{sample.id}" if sample.id else title))
    if found and all(title.casefold() in SPLITS for title in folders):
        raise InputError(
            f"{root} is split into {', '.join(folders)}; set data.split, or data.root to one"
        )
    first = {len(sample.sources): sample for sample in reversed(found)}
    for sample in found:
        other = first[len(sample.sources)]
        if roles_of(list(sample.sources)) != roles_of(list(other.sources)):
            raise InputError(
                f"{other.id} in {root} has the sources {', '.join(other.sources)} but {sample.id} "
                f"{', '.join(sample.sources)}; set data.root to one category"
            )
    return found


def is_category(folder: Path, given: tuple[str, ...] | None, depth: int = _DEEPEST) -> bool:
    """Whether a folder holds several samples, in files or in folders."""
    if has_several(list(images_in(folder)), given):
        return True
    inner = subfolders_of(folder)
    if _are_sources(inner, given) or any(is_scene(one, given) for one in inner.values()):
        return True
    return depth > 0 and any(is_category(one, given, depth - 1) for one in inner.values())


def _are_sources(folders: dict[str, Path], given: tuple[str, ...] | None) -> bool:
    """Whether folders are those of sources."""
    full = {title: path for title, path in folders.items() if any(images_in(path))}
    names = {title.casefold() for title in full}
    return names.issuperset(given) if given else bool(known(full))


def _within(
    folder: Path, given: tuple[str, ...] | None, reference: str | None, depth: int
) -> list[Sample]:
    """The samples in a category; that of a scene has no name of its own."""
    files, inner = list(images_in(folder)), subfolders_of(folder)
    if _are_sources(inner, given):
        return find_subfolders(folder, inner, files, given, reference)
    if is_scene(folder, given):
        (sample,) = find_scenes(folder, {"": folder}, [], given, reference)
        return [sample]
    if with_suffix(files, given):
        return find_suffixes(folder, inner, files, given, reference)
    if depth and any(is_category(one, given, depth - 1) for one in inner.values()):
        return find_categories(folder, inner, files, given, reference)
    if any(is_scene(one, given) for one in inner.values()):
        return find_scenes(folder, inner, files, given, reference)
    return []
