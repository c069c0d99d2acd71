"""A folder per source: ``vi/01.png ir/01.png``, or ``imageA/001_A.png imageB/001_B.png``."""

from __future__ import annotations

from pathlib import Path

from fusionlab.data.files import by_stem, images_in, natural
from fusionlab.data.layouts.listing import Sample, no_partner
from fusionlab.data.layouts.names import is_letter, known, truth_among
from fusionlab.data.layouts.suffixes import parts
from fusionlab.errors import InputError


def find_subfolders(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> list[Sample]:
    """Files of equal stem in the folders of the sources are a sample."""
    titles = {title.casefold(): title for title in folders}
    names, truth = _sources_and_truth(root, folders, given, reference)
    needed = {
        name: by_stem(folders[titles[name]]) for name in (*names, *([truth] if truth else []))
    }
    needed = _without_letters(needed)
    ids = {stem: _id(path, stem) for name in names for stem, path in needed[name].items()}
    samples = []
    for stem in sorted(ids, key=natural):
        for name, paths in needed.items():
            if stem not in paths:
                partner = next(found[stem] for found in needed.values() if stem in found)
                raise no_partner(partner, folders[titles[name]] / ids[stem])
        found = {titles[name]: needed[name][stem] for name in names}
        samples.append(Sample(ids[stem], found, needed[truth][stem] if truth else None))
    return samples


def _sources_and_truth(
    root: Path,
    folders: dict[str, Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> tuple[tuple[str, ...], str]:
    """Case-folded names of the folders of the sources and of the ground truth."""
    full = [title.casefold() for title, folder in folders.items() if any(images_in(folder))]
    recognised = known(title.casefold() for title in folders)
    names = given or recognised
    truth = truth_among(reference, names or (), full)
    names = names or tuple(name for name in full if name != truth)
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
                f"no images in {root / name}; set data.sources (subfolders there: {have})"
            )
    return names, truth


def _id(path: Path, stem: str) -> str:
    """The case-folded stem as the file spells it, which may go on with a letter."""
    return path.stem if path.stem.casefold() == stem else parts(path)[0]


def _without_letters(needed: dict[str, dict[str, Path]]) -> dict[str, dict[str, Path]]:
    """Stems without the letter that all files of a folder end in, if each folder has its own."""
    letters: list[str] = []
    for paths in needed.values():
        found = {parts(path)[1].casefold() for path in paths.values()}
        if len(found) != 1 or not is_letter(min(found)):
            return needed
        letters += found
    if len(set(letters)) < len(letters):
        return needed
    return {
        name: {parts(path)[0].casefold(): path for path in paths.values()}
        for name, paths in needed.items()
    }
