"""Finding the samples in a folder, laid out as data sets of the field are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fusionlab.data.files import (
    UnmatchedError,
    check_formats,
    images_in,
    key,
    stem,
    without_unmatched,
)
from fusionlab.data.layouts.categories import is_category
from fusionlab.data.layouts.listing import Listing, Sample
from fusionlab.data.layouts.names import KNOWN_SOURCES, known, resolved, task_of
from fusionlab.data.layouts.scenes import is_scene, truths_of_scenes
from fusionlab.data.layouts.splits import enter
from fusionlab.data.layouts.suffixes import with_suffix
from fusionlab.errors import InputError
from fusionlab.registry import LAYOUTS

__all__ = ["KNOWN_SOURCES", "Listing", "Sample", "find_samples", "task_of"]

_LOOKS = {
    "subfolders": "subfolders: vi/01.png with ir/01.png",
    "scenes": "scenes: 01/01_A.png with 01/01_B.png",
    "categories": "categories: day/vi/01.png with day/ir/01.png",
    "suffixes": "suffixes: 01-A.png with 01-B.png",
}


def find_samples(
    root: str | Path,
    layout: str = "auto",
    sources: Sequence[str] | None = None,
    reference: str | None = None,
    split: str | None = None,
    allow_unmatched: bool = False,
) -> Listing:
    """Find the samples below a folder.

    Args:
        root: The folder.
        layout: ``subfolders`` (``vi/01.png ir/01.png``), ``scenes`` (``01/01_A.png 01/01_B.png``,
            ``01/vi.png 01/ir.png``, or a folder of exposures without suffixes), ``categories``
            (a folder per category, each laid out as one of the others), ``suffixes``
            (``01-A.png 01-B.png``) or ``auto``. Names are matched case-folded, whatever their
            extension.
        sources: Names of the subfolders or suffixes that are sources, in their order; None finds
            known pairs, else takes all subfolders, or all suffixes of one letter.
        reference: Name of the subfolder or suffix with the ground truth; None finds usual names,
            except beside infrared–visible and medical sources; empty takes none.
        split: Name of the subfolder of ``root``, or of each source's, that is meant.
        allow_unmatched: Whether samples that lack a file are left out instead of refused.

    Raises:
        InputError: If nothing is found, a partner or a named reference is missing, or two files
            share a name.
    """
    root = Path(root)
    listing, left_out = without_unmatched(
        lambda: _found(root, layout, sources, reference, split), allow_unmatched
    )
    listing.left_out = left_out
    if not allow_unmatched:
        check_formats(
            {path.parent: None for one in listing.samples for path in one.sources.values()}
        )
    return listing


def _found(
    root: Path,
    layout: str,
    sources: Sequence[str] | None,
    reference: str | None,
    split: str | None,
) -> Listing:
    if not root.is_dir():
        raise InputError(f"no folder {root}; set data.root to an existing one")
    base, folders = enter(root, split)
    files = list(images_in(base))
    given = tuple(key(name) for name in sources) if sources else None
    truth = None if reference is None else key(reference)
    if layout == "auto":
        layout = _guess(base, folders, files, given, truth)
    samples = LAYOUTS[layout](base, folders, files, given, truth)
    _check(samples, base, layout, sources, reference)
    searched = list(folders.values()) if split and base == root else [base]
    return Listing(root, layout, samples, _unused(searched, samples), split=split)


def _check(
    samples: list[Sample],
    root: Path,
    layout: str,
    sources: Sequence[str] | None,
    reference: str | None,
) -> None:
    if not samples:
        named = f" of sources {', '.join(sources)}" if sources else ""
        raise InputError(
            f"no samples{named} under {root} (looked for {_LOOKS.get(layout, layout)}); "
            "set data.root, data.layout or data.sources"
        )
    if reference and not any(sample.reference for sample in samples):
        raise InputError(f"no {reference} for the samples under {root}; set data.reference")
    for sample in samples:
        if len(sample.sources) == 1:
            (path,) = sample.sources.values()
            text = f"{path} has no partner; add it, or set data.layout or data.sources"
            raise UnmatchedError(text, [path])


def _unused(folders: list[Path], samples: list[Sample]) -> list[Path]:
    """Files below the folders that are in no sample."""
    used = {path for sample in samples for path in (*sample.sources.values(), sample.reference)}
    below = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return [path for path in below if path.is_file() and path not in used]


def _guess(
    root: Path,
    folders: dict[str, Path],
    files: list[Path],
    given: tuple[str, ...] | None,
    reference: str | None,
) -> str:
    names = {key(title) for title in folders}
    full = [title for title, folder in folders.items() if any(images_in(folder))]
    if names.issuperset(resolved(given, folders)) if given else known(full):
        return "subfolders"
    if with_suffix(files, given) and not any(is_category(one, given) for one in folders.values()):
        return "suffixes"
    if any(is_category(folder, given) for folder in folders.values()):
        return "categories"
    if any(is_scene(folder, given) for folder in folders.values()):
        return "scenes"
    if files and not folders:
        return "suffixes"
    if given is None and known(list(folders)):
        return "subfolders"  # one is empty, which is said there
    if given is None:
        _refuse_half_a_pair(root, names)
    if truths_of_scenes(folders, reference):
        return "scenes"
    stems = [{key(stem(path)) for path in images_in(folder)} for folder in folders.values()]
    if len(set().union(*stems)) == sum(map(len, stems)):
        return "scenes"
    if all(name.isdigit() for name in names.union(*stems)):
        raise InputError(
            f"{root} could hold a folder per source or a folder per sample; "
            "set data.layout to subfolders or scenes"
        )
    return "subfolders"


def _refuse_half_a_pair(root: Path, names: set[str]) -> None:
    """One source of a known pair alone is no folder of exposures."""
    known = {name for pair in KNOWN_SOURCES for name in pair}
    for name in sorted(names & known):
        partners = sorted(
            {other for pair in KNOWN_SOURCES if name in pair for other in pair} - {name}
        )
        raise InputError(
            f"{root} has a folder {name} but no partner ({', '.join(partners)}); "
            "add it, or set data.sources"
        )
