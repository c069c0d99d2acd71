"""Samples of a folder: their files, as they are read, resized, aligned and described."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.alignment import Alignment, align
from fusionlab.data.classes import ClassSet
from fusionlab.data.dataset import FusionDataset, check_colours, has_colours
from fusionlab.data.decoding import Header, header
from fusionlab.data.files import content_hash, is_image, key
from fusionlab.data.images import Noticed, Reading, examine, read_image
from fusionlab.data.labels import LabelReader, Labels
from fusionlab.data.layouts import Listing, Sample
from fusionlab.data.layouts.labels import find_labels
from fusionlab.data.layouts.names import is_free
from fusionlab.data.layouts.roles import INFRARED, roles_of
from fusionlab.data.ranges import REFERENCE, readings
from fusionlab.data.registration import displaced
from fusionlab.errors import InputError

LOOKED_AT = 8  # samples whose registration is looked at


class FolderDataset(FusionDataset):
    """The samples that :func:`find_samples` finds.

    Args:
        listing: Files of the samples.
        task: The task.
        range_: White level of the stored values, ``auto``, or either by source; see
            :func:`~fusionlab.data.ranges.readings`.
        page: Page of files that have several, from 1.
        labels: Folder of the labels, or a COCO JSON file; None finds them, ``none`` has none.
        classes: Names of their classes by index, or the name of a known data set.
        resize: ``first`` or ``smallest``: whose size the images of a sample get where they differ.
        align: ``translation`` or ``homography``: lay sources onto the first of their sample. All
            are read for that at once.

    Raises:
        InputError: If the images of a sample differ in size, or one is unreadable.
    """

    def __init__(
        self,
        listing: Listing,
        task: str,
        range_: float | str | Mapping[str, float | str] | None = None,
        page: int | None = None,
        labels: str | None = None,
        classes: Sequence[str] | None = None,
        resize: str | None = None,
        align: str | None = None,
    ) -> None:
        super().__init__(listing.name, task)
        self.listing, self._labels, self._classes = listing, labels, classes
        self.notes: list[str] = []
        self.registration: list[str] = []
        self.resized: list[str] = []  # ids
        self.resize = resize
        for sample in listing.samples:
            self.ids.append(sample.id)
            self.source_names.append(tuple(sample.sources))
            sizes = _sizes(sample, page)
            self.sizes.append(_common_size(sizes, resize))
            if len(set(sizes.values())) > 1:
                self.resized.append(sample.id)
        self.keeps_last = True  # for whoever asks for the images of a sample again
        self._last: tuple[int, list[Tensor], Tensor | None] | None = None
        self.readings: dict[str, Reading] = readings(self._by_source(), range_, page)
        self.noticed = {name: Noticed() for name in self.readings}
        with_reference = [sample for sample in listing.samples if sample.reference]
        self.has_reference = bool(with_reference)
        if with_reference and len(with_reference) < len(listing.samples):
            lacking = next(sample for sample in listing.samples if not sample.reference)
            raise InputError(
                f"{lacking.id} in {listing.root} has no ground truth, others have; add it"
            )
        self._read_sizes = list(self.sizes)
        self.align, self.alignments = align, list[Alignment]()
        if align is not None:
            self._align(align)

    @property
    def aligned(self) -> list[str]:
        """Ids of the samples of which a source was moved."""
        pairs = zip(self.ids, self.alignments, strict=False)
        return [id_ for id_, one in pairs if one.maps]

    def _align(self, kind: str) -> None:
        """Find where the sources of all samples lie; what was odd in the files is said later."""
        counted, self.noticed = self.noticed, {name: Noticed() for name in self.noticed}
        found = [
            align(dict(zip(self.source_names[k], self.images(k)[0], strict=True)), kind)
            for k in range(len(self))
        ]
        self.noticed, self._last, self.alignments = counted, None, found
        self.sizes = [(one.height, one.width) for one in found]

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """Read the files of a sample, all at its size; the last one is kept, written next."""
        kept = self._last
        if kept is None or kept[0] != index:
            sample = self.listing.samples[index]
            read = [self._opened(index, name, path) for name, path in sample.sources.items()]
            truth = sample.reference
            whole = None if truth is None else self._opened(index, REFERENCE, truth)
            kept = (index, read, whole)
            self._last = kept if self.keeps_last else None
        return list(kept[1]), kept[2]

    def _opened(self, index: int, name: str, path: Path) -> Tensor:
        """An image of a sample as it is read, then resized, then aligned."""
        image = _at_size(self._read(name, path), self._read_sizes[index])
        return self.alignments[index].applied(name, image) if self.alignments else image

    @cached_property
    def label_reader(self) -> LabelReader:
        """The labels, whose files are looked for, read and checked when they are asked for.

        Raises:
            InputError: As :class:`LabelReader`.
        """
        files = find_labels(self.listing, self._labels)
        if files and self.resized:
            raise InputError(
                f"{self.listing.root} has labels, and {self.resized[0]} is resized, which would "
                "move them; leave out data.resize, or set data.labels to none"
            )
        if files and self.aligned:
            raise InputError(
                f"{self.listing.root} has labels, and {self.aligned[0]} is aligned and cut, which "
                "would move them; leave out data.align, or set data.labels to none"
            )
        return LabelReader(self.listing, files, self.sizes, self._classes)

    def labels(self, index: int) -> Labels:
        """Those of the label files."""
        return self.label_reader[index]

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """Those of the label files."""
        return self.label_reader.box_classes, self.label_reader.mask_classes

    def check_files(self) -> None:
        """Decode every file, so that a broken one is found before anything is computed.

        What is odd in them is said in :attr:`notes` then.

        Raises:
            InputError: Naming the first file that is unreadable or truncated.
        """
        for name, paths in self._by_source().items():
            self.noticed[name] = examine(paths, self.readings[name])
        self.check_registration()
        self.notes = [*self.oddities(), *self._pseudo_coloured(), *self.registration]

    def oddities(self) -> list[str]:
        """Lines about what was odd in the files that were read so far, and about their sizes."""
        said = f"{len(self.resized)} of {len(self)} samples have images of different sizes; they "
        told = [f"{said}are resized to the {self.resize}"] if self.resized else []
        if self.aligned:
            count = f"{len(self.aligned)} of {len(self)} samples were"
            told += [f"{count} aligned to their first source ({self.align}) and cut"]
        return [*(line for name, one in self.noticed.items() for line in one.lines(name)), *told]

    def _read(self, name: str, path: Path) -> Tensor:
        return read_image(path, self.readings[name], self.noticed[name])

    def check_registration(self) -> list[str]:
        """Lines on sources that do not lie on the first one, in a few samples spread evenly."""
        places = range(0, len(self), max(1, len(self) // LOOKED_AT))[:LOOKED_AT]
        counted, self.noticed = self.noticed, {name: Noticed() for name in self.noticed}
        self.registration = displaced(self._readable(places))
        self.noticed = counted  # each file counts once
        return self.registration

    def _readable(self, places: Iterable[int]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Ids and sources of samples, but not of broken ones: these are named at their turn."""
        for place in places:
            try:
                images = self.images(place)[0]
            except InputError:
                continue
            yield self.ids[place], dict(zip(self.source_names[place], images, strict=True))

    def _pseudo_coloured(self) -> list[str]:
        """A line on each infrared source whose first image has colours."""
        names, images = self.source_names[0], self.images(0)[0]
        check_colours(images, names, self.task)
        pairs = zip(names, roles_of(names, self.task), images, strict=True)
        return [
            f"{name}: its colours are dropped, since infrared has none: it is fused as grey"
            for name, role, image in pairs
            if role in INFRARED and has_colours(image)
        ]

    def _by_source(self) -> dict[str, list[Path]]:
        """The files of each source, those of ground truths last."""
        files: dict[str, list[Path]] = {}
        for sample in self.listing.samples:
            for name, path in sample.sources.items():
                files.setdefault(name, []).append(path)
        truths = [sample.reference for sample in self.listing.samples if sample.reference]
        return {**files, **({REFERENCE: truths} if truths else {})}

    def found(self) -> str:
        """What was found, in a line for the user."""
        listing = self.listing
        names = ", ".join(listing.source_names)
        kind = f"{listing.layout}: {names}" + (" and a ground truth" if self.has_reference else "")
        ignored = f"; {len(listing.ignored)} other files ignored" if listing.ignored else ""
        folders = dict.fromkeys(path.parent.name for path in listing.ignored if is_image(path))
        ignored += f", images in {', '.join(folders)}" if folders else ""
        if listing.layout == "subfolders" and any(is_free(key(name)) for name in folders):
            ignored += " (name all sources in data.sources if these are some)"
        if listing.left_out:
            names = ", ".join(path.name for path in listing.left_out[:3])
            ignored += f"; {len(listing.left_out)} files without a partner left out ({names} …)"
        manifest = listing.manifest
        named = (
            f" of {manifest['name']}, {manifest['hashes_checked']} hashes checked"
            if manifest
            else ""
        )
        return f"{listing.root}: {len(self)} samples{named} ({kind}), task {self.task}{ignored}"

    def describe(self) -> dict[str, Any]:
        """Folder, layout, ids, the names of ignored files, and the manifest if there is one."""
        root = self.listing.root
        levels = {
            name: [one.black or 0.0, one.white]
            for name, one in self.readings.items()
            if one.white is not None
        }
        pages = {one.page for one in self.readings.values()}
        settled = {
            "split": self.listing.split,
            "manifest": self.listing.manifest,
            "range": levels or None,
            "page": max(filter(None, pages), default=None),
            "registration": self.registration or None,
            "resized": {"to": self.resize, "ids": self.resized} if self.resized else None,
            "aligned": {"by": self.align, "ids": self.aligned} if self.align else None,
            "notes": self.notes or None,
        }
        return {
            "name": self.name,
            "root": str(root.resolve()),
            "layout": self.listing.layout,
            "task": self.task,
            "source_names": list(self.listing.source_names),
            "ids": self.ids,
            "ignored": [str(path.relative_to(root)) for path in self.listing.ignored],
            **{key: value for key, value in settled.items() if value is not None},
        }

    @cached_property
    def hashes(self) -> dict[str, str]:
        """By id a hash of the files of a sample."""
        return {sample.id: content_hash(_files(sample)) for sample in self.listing.samples}


def _files(sample: Sample) -> list[Path]:
    return [*sample.sources.values(), *([sample.reference] if sample.reference else [])]


def _sizes(sample: Sample, page: int | None) -> dict[Path, tuple[int, int]]:
    """Height and width of the files of a sample, which must not be crops of different places."""
    headers: dict[Path, Header] = {path: header(path, page) for path in _files(sample)}
    first, own = next(iter(headers.items()))
    for path, other in headers.items():
        if other.offset != own.offset:
            raise InputError(
                f"{path} lies at {other.offset} in its picture but {first} at {own.offset} "
                "(XPosition, YPosition); save both uncropped"
            )
    return {path: one.size for path, one in headers.items()}


def _common_size(sizes: dict[Path, tuple[int, int]], resize: str | None) -> tuple[int, int]:
    first, size = next(iter(sizes.items()))
    if resize == "smallest":
        return min(sizes.values(), key=lambda one: one[0] * one[1])
    for path, other in sizes.items():
        if other != size and resize is None:
            raise InputError(
                f"{path} is {other[1]}x{other[0]} but {first} is {size[1]}x{size[0]}; "
                "register them to one size first, or let them be resized (--data.resize; fuse: "
                "--resize)"
            )
    return size


def _at_size(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) at a size: bilinear, smoothed first where it becomes smaller."""
    if tuple(image.shape[-2:]) == size:
        return image
    resized = F.interpolate(image[None], size, mode="bilinear", antialias=True)
    return resized[0].clamp(0, 1)
