"""A folder per source: ``vi/01.png ir/01.png``, or ``imageA/001_A.png imageB/001_B.png``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fusionlab.data.files import UNREAD, by_stem, extension, images_in, key, natural, stem
from fusionlab.data.layouts.listing import Sample, no_partner
from fusionlab.data.layouts.names import is_free, is_letter, known, resolved, truth_among
from fusionlab.data.layouts.roles import in_order
from fusionlab.data.layouts.splits import subfolders_of
from fusionlab.data.layouts.suffixes import parts
from fusionlab.errors import InputError


def find_subfolders(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    """Files of equal stem in the folders of the sources are a sample; ``vi/day/01``: day/01."""
    inner = _categories(folders, given)
    if inner:
        return [
            replace(sample, id=f"{title}/{sample.id}")
            for title, within in inner.items()
            for sample in find_subfolders(root, within, files, given, reference)
        ]
    titles = {key(title): title for title in folders}
    names, truth = _sources_and_truth(root, folders, given, reference)
    needed = {
        name: by_stem(folders[titles[name]]) for name in (*names, *([truth] if truth else []))
    }
    needed = _without_letters(needed)
    ids = {one: _id(path, one) for name in names for one, path in needed[name].items()}
    _check_complete(needed, ids, {name: folders[titles[name]] for name in needed})
    samples = []
    for one in sorted(ids, key=natural):
        found = {titles[name]: needed[name][one] for name in names}
        samples.append(Sample(ids[one], found, needed[truth][one] if truth else None))
    return samples


def _categories(
    folders: dict[str, Path], given: tuple[str, ...] | None
) -> dict[str, dict[str, Path]]:
    """The folders of each category, where sources hold folders of the same names and no images."""
    names = resolved(given, folders) if given else known(folders)
    sources = {title: path for title, path in folders.items() if key(title) in names}
    if not sources or any(any(images_in(path)) for path in sources.values()):
        return {}
    titles = dict.fromkeys(title for path in sources.values() for title in subfolders_of(path))
    for title in titles:
        for path in sources.values():
            if not (path / title).is_dir():
                raise InputError(
                    f"{path} has no folder {title}, as others have; add it, or set data.split"
                )
    return {
        title: {name: path / title for name, path in folders.items() if (path / title).is_dir()}
        for title in titles
    }


def _check_complete(
    needed: dict[str, dict[str, Path]], ids: dict[str, str], folders: dict[str, Path]
) -> None:
    """Refuse samples that lack a source or their ground truth."""
    lone: list[Path] = []
    first: Path | None = None
    for one in sorted(ids, key=natural):
        missing = next((name for name, paths in needed.items() if one not in paths), None)
        if missing is not None:
            lone += [paths[one] for paths in needed.values() if one in paths]
            first = first or folders[missing] / ids[one]
    if first is not None:
        raise no_partner(lone, first)


def _sources_and_truth(
    root: Path,
    folders: dict[str, Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> tuple[tuple[str, ...], str]:
    """Case-folded names of the folders of the sources and of the ground truth."""
    full = [key(title) for title, folder in folders.items() if any(images_in(folder))]
    recognised = known(full) or known(folders)
    names = resolved(given, folders) if given else recognised
    truth = truth_among(reference, names or (), full)
    names = names or tuple(in_order([name for name in full if name != truth and is_free(name)]))
    if reference and reference not in full:
        raise InputError(f"no {reference} among the folders in {root}; set data.reference")
    if not given and not recognised and len(names) > 2:
        raise InputError(
            f"{root} has the folders {', '.join(names)}; say with data.sources which are sources"
        )
    if truth in names:
        raise InputError(f"data.reference {truth} in {root} is also a source; set data.sources")
    for name in names:
        if name not in full:
            have = ", ".join(folders) or "none"
            raise InputError(
                f"no images in {root / name}{_unread(folders, name)}; "
                f"set data.sources (subfolders there: {have})"
            )
    return names, truth


def _unread(folders: dict[str, Path], name: str) -> str:
    """Which files of a format that is not read a folder has instead."""
    folder = next((path for title, path in folders.items() if key(title) == name), None)
    found = {extension(path) for path in folder.iterdir()} & UNREAD if folder else set()
    return (
        f", but {', '.join(sorted(found))}, which is not read: convert it to PNG" if found else ""
    )


def _id(path: Path, name: str) -> str:
    """The case-folded stem as the file spells it, which may go on with a letter."""
    own = stem(path)
    return own if key(own) == name else parts(path)[0]


def _without_letters(needed: dict[str, dict[str, Path]]) -> dict[str, dict[str, Path]]:
    """Stems without the letter that all files of a folder end in, if each folder has its own."""
    letters: list[str] = []
    for paths in needed.values():
        found = {key(parts(path)[1]) for path in paths.values()}
        if len(found) != 1 or not is_letter(min(found)):
            return needed
        letters += found
    if len(set(letters)) < len(letters):
        return needed
    return {
        name: {key(parts(path)[0]): path for path in paths.values()}
        for name, paths in needed.items()
    }
