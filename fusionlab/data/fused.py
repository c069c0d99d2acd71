"""Folders of fused images, made by any tool, matched with the samples of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from fusionlab.data.dataset import FusionDataset
from fusionlab.data.decoding import kind_of
from fusionlab.data.files import by_stem, content_hash, images_in, key, same_name, stem
from fusionlab.data.images import AS_STORED, Reading, examine, image_size, read_image
from fusionlab.data.ranges import readings
from fusionlab.errors import InputError


@dataclass(frozen=True)
class FusedFolder:
    """The fused images of one method.

    Args:
        name: What the method is called.
        folder: The folder.
        paths: The files by position of their sample in the data set, in that order.
        ids: The names of these samples.
        missing: Samples without a fused image.
        surplus: Images that belong to no sample.
        jpegs: Those of ``paths`` that were compressed with JPEG.
        reading: How the files are read.
        odd: Lines about values and pages that may be meant otherwise.
    """

    name: str
    folder: Path
    paths: dict[int, Path]
    ids: list[str]
    missing: list[str]
    surplus: list[str]
    jpegs: list[Path]
    reading: Reading = AS_STORED
    odd: list[str] = field(default_factory=list)

    def picture(self, index: int) -> Tensor | None:
        """That of a sample, (1 or 3, H, W) in [0, 1]; None if there is none."""
        path = self.paths.get(index)
        return None if path is None else read_image(path, self.reading)

    def describe(self) -> dict[str, Any]:
        """What a result says of it: plain values."""
        return {
            "folder": str(self.folder.resolve()),
            "images": len(self.paths),
            "files": {
                id_: path.name for id_, path in zip(self.ids, self.paths.values(), strict=True)
            },
            "hashes": {
                id_: content_hash([path])
                for id_, path in zip(self.ids, self.paths.values(), strict=True)
            },
            "missing": self.missing,
            "surplus": self.surplus,
            "jpeg": [path.name for path in self.jpegs],
            **({"range": list(self.reading.levels)} if self.reading.levels else {}),
        }

    @property
    def place(self) -> str:
        """The folder, with the method where its name does not tell it."""
        named = self.name.rpartition("/")[2] == self.folder.name
        return str(self.folder) if named else f"{self.folder}, {self.name}"

    def left_out(self) -> list[str]:
        """Lines for the user: what is odd, missing or surplus."""
        lines = [*self.odd]
        if self.missing:
            lines.append(f"{self.place}: not scored, no fused image: {_some(self.missing)}")
        if self.surplus:
            lines.append(f"{self.place}: ignored, no such sample: {_some(self.surplus)}")
        return lines

    def notes(self) -> list[str]:
        """The same, and what was compressed."""
        notes = self.left_out()
        if self.jpegs:
            count = f"{len(self.jpegs)} of {len(self.paths)}"
            notes.append(
                f"{self.folder}: {count} images are JPEG files (first: {self.jpegs[0].name}), "
                "whose blocks and ringing are scored too; save PNG to compare with others"
            )
        return notes


def open_fused(
    folders: Sequence[str],
    dataset: FusionDataset,
    allow_unmatched: bool,
    ranges: Mapping[str, float | str] | None = None,
) -> list[FusedFolder]:
    """Match the images of every folder with the samples by their names, case-folded, any extension.

    Args:
        folders: One folder per method.
        dataset: What was fused.
        allow_unmatched: Whether samples without an image, and images without a sample, are left
            out instead of refused.
        ranges: ``data.range`` of some of the folders, by their names.

    Raises:
        InputError: If a folder is missing, has images missing or surplus, two images of one name,
            an unreadable one, or one of another size than its sources.
    """
    names = method_names([Path(folder) for folder in folders])
    opened = [
        _open(Path(folder), name, dataset) for folder, name in zip(folders, names, strict=True)
    ]
    if ranges:
        files = {one.name: one.paths.values() for one in opened}
        how = readings(files, ranges)
        opened = [replace(one, reading=how[one.name]) for one in opened]
    _check_matched(opened, dataset, allow_unmatched)
    return opened


def open_named(folder: Path, dataset: FusionDataset, allow_unmatched: bool) -> list[FusedFolder]:
    """Match one folder with the images of all methods, ``<sample>_<method>.png``, any extension.

    Args:
        folder: The folder. What follows a sample's name, case-folded, and ``_`` is the method.
        dataset: What was fused.
        allow_unmatched: As for :func:`open_fused`.

    Returns:
        One for each method, in the order of their names.

    Raises:
        InputError: As :func:`open_fused`.
    """
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; it should hold the fused images")
    methods: dict[str, dict[str, Path]] = {}
    surplus = []
    for path in images_in(folder):
        found = split_name(stem(path), dataset.ids)
        if found is None:
            surplus.append(path.name)
            continue
        sample, method = found
        other = methods.setdefault(method, {}).setdefault(key(sample), path)
        if other != path:
            raise same_name(other, path)
    if not methods:
        raise InputError(
            f"{folder} has no image called <sample>_<method> of {dataset.name}, whose first "
            f"sample is {dataset.ids[0]}"
        )
    names = sorted(methods, key=str.casefold)
    opened = [_match(folder, name, methods[name], dataset) for name in names]
    opened[0].surplus.extend(surplus)
    _check_matched(opened, dataset, allow_unmatched)
    return opened


def split_name(name: str, ids: Sequence[str]) -> tuple[str, str] | None:
    """``<sample>_<rest>`` to the sample, the longest of those that fit, and the rest."""
    known = {key(one): one for one in ids}
    ends = [k for k, letter in enumerate(name[:-1]) if letter == "_" and key(name[:k]) in known]
    return (known[key(name[: ends[-1]])], name[ends[-1] + 1 :]) if ends else None


def _check_matched(
    opened: Sequence[FusedFolder], dataset: FusionDataset, allow_unmatched: bool
) -> None:
    """Refuse what is unmatched, and note odd values."""
    for folder in opened:
        faults = {"no fused image for": folder.missing, "no sample for": folder.surplus}
        found = "; ".join(f"{kind} {_some(them)}" for kind, them in faults.items() if them)
        if found and not (allow_unmatched and folder.paths):
            remedy = "" if not folder.paths else ", or set allow_unmatched to leave them out"
            raise InputError(f"{folder.place}: {found}; names must match {dataset.name}{remedy}")
        folder.odd.extend(examine(folder.paths.values(), folder.reading).lines(folder.place))
    if not set.intersection(*(set(folder.paths) for folder in opened)):
        raise InputError(f"no sample of {dataset.name} has a fused image in every folder")


def method_names(folders: list[Path]) -> list[str]:
    """The folders' names; with those of their parents where they are equal (method/TNO)."""
    names = [folder.name or folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{folder.resolve().parent.name}/{folder.resolve().name}" for folder in folders]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two --fused folders are called {name}, as methods are; rename one")
    return names


def _open(folder: Path, name: str, dataset: FusionDataset) -> FusedFolder:
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; set fused to folders of fused images")
    return _match(folder, name, by_stem(folder), dataset)


def _match(
    folder: Path, name: str, files: Mapping[str, Path], dataset: FusionDataset
) -> FusedFolder:
    """The images of a method, given by the case-folded names of their samples."""
    ids = {key(name): index for index, name in enumerate(dataset.ids)}
    paths = {index: files[stem] for stem, index in ids.items() if stem in files}
    for index, path in paths.items():
        _check_size(path, dataset, index)
    return FusedFolder(
        name=name,
        folder=folder,
        paths=paths,
        ids=[dataset.ids[index] for index in paths],
        missing=[name for index, name in enumerate(dataset.ids) if index not in paths],
        surplus=[path.name for stem, path in files.items() if stem not in ids],
        jpegs=[path for path in paths.values() if _is_jpeg(path)],
    )


def _check_size(path: Path, dataset: FusionDataset, index: int) -> None:
    height, width = image_size(path)
    if (height, width) != dataset.sizes[index]:
        expected = "{1}x{0}".format(*dataset.sizes[index])
        raise InputError(
            f"{path} is {width}x{height}, its sources are {expected}; fuse at their size"
        )


def _is_jpeg(path: Path) -> bool:
    return kind_of(path) == "JPEG"


def _some(names: list[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
