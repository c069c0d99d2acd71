"""Where the label files of samples are: boxes as text, XML or JSON, and masks as images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fusionlab.data.files import is_image
from fusionlab.data.layouts.listing import Listing, Sample
from fusionlab.data.layouts.names import LABEL_FOLDERS, task_of
from fusionlab.data.layouts.splits import find_folder, subfolders_of
from fusionlab.errors import InputError

BOX_FILES = (".txt", ".xml")
NAMES = ("classes.txt", "data.yaml", "dataset.yaml")  # of the classes, not of a sample
LABELLED = ("vif", "mif")  # elsewhere a folder Label holds the ground truth of the fusion


@dataclass
class LabelFiles:
    """The label files of the samples of a listing.

    Args:
        folders: Where they lie.
        boxes: File with the boxes by number of the sample.
        masks: Image with the classes of the pixels by number of the sample.
        tables: COCO JSON files, each of many images.
        names: File that names the classes.
    """

    folders: list[Path] = field(default_factory=list)
    boxes: dict[int, Path] = field(default_factory=dict)
    masks: dict[int, Path] = field(default_factory=dict)
    tables: list[Path] = field(default_factory=list)
    names: Path | None = None

    def __bool__(self) -> bool:
        return bool(self.boxes or self.masks or self.tables)


def find_labels(listing: Listing, given: str | None = None) -> LabelFiles:
    """Find the labels of samples, by their names or those of their sources' files.

    Args:
        listing: The samples.
        given: Folder of the labels, or a COCO JSON file; ``none`` looks for nothing; None finds
            folders of usual names beside the sources, in ``root``, its split and, where the path
            has a folder ``images``, in ``labels`` or ``annotations`` in its place (YOLO, KAIST).

    Raises:
        InputError: If what is given is not there or holds no labels of the samples.
    """
    if given == "none" or (given is None and task_of(listing.source_names) not in LABELLED):
        return LabelFiles()
    found = LabelFiles()
    if given is not None:
        path = Path(given)
        if not path.exists():
            raise InputError(f"no {path}; set data.labels to a folder or a COCO JSON file, or none")
        _take(found, path, listing)
        if not found:
            raise InputError(f"{path} has no labels of the samples in {listing.root}")
        return found
    used = {path.parent for sample in listing.samples for path in sample.sources.values()}
    for folder in _folders(listing):
        if folder not in used:
            _take(found, folder, listing)
    for base in _bases(listing):  # a table, or box files beside the images
        _take(found, base, listing, masks=False)
    return found


def _bases(listing: Listing) -> list[Path]:
    """The folder of the split, and the root."""
    root, split = listing.root, listing.split
    return [*([root / split] if split and (root / split).is_dir() else []), root]


def _folders(listing: Listing) -> Iterator[Path]:
    """Folders that may hold labels; those of the split first."""
    split, parts = listing.split, listing.root.resolve().parts
    for place, part in enumerate(parts):
        if part.casefold() == "images":
            swapped = (
                Path(*parts[:place], name, *parts[place + 1 :]) for name in LABEL_FOLDERS[:4:2]
            )
            yield from (folder for folder in swapped if folder.is_dir())
    for base in _bases(listing):
        folders = subfolders_of(base)
        for name in LABEL_FOLDERS:
            folder = find_folder(folders, name)
            if folder is not None:
                inner = find_folder(subfolders_of(folder), split) if split else None
                yield inner or folder


def _take(found: LabelFiles, place: Path, listing: Listing, masks: bool = True) -> None:
    """Add what a folder, or a file, has; what was found before counts."""
    if place.is_file():
        found.tables.append(place)
        found.folders.append(place.parent)
        return
    files = sorted(path for path in place.iterdir() if path.is_file())
    known = _stems(listing.samples)
    sources = {path for sample in listing.samples for path in sample.sources.values()}
    before = len(found.boxes) + len(found.masks) + len(found.tables)
    for path in files:
        suffix, index = path.suffix.casefold(), known.get(path.stem.casefold())
        if path.name.casefold() in NAMES:
            found.names = found.names or path
        elif suffix == ".json":
            found.tables.append(path)
        elif index is not None and suffix in BOX_FILES:
            found.boxes.setdefault(index, path)
        elif masks and index is not None and is_image(path) and path not in sources:
            found.masks.setdefault(index, path)
    if len(found.boxes) + len(found.masks) + len(found.tables) > before:
        found.folders.append(place)


def _stems(samples: list[Sample]) -> dict[str, int]:
    """Numbers of the samples by the names that their label files may have."""
    known: dict[str, int] = {}
    for index, sample in enumerate(samples):
        for path in sample.sources.values():
            known.setdefault(path.stem.casefold(), index)
        known[sample.id.casefold()] = index
    return known
