"""Data sets of M co-registered sources, from a folder or built in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.console import note
from fusionlab.data.alignment import Alignment, align
from fusionlab.data.classes import ClassSet
from fusionlab.data.colour import grey_levels, merge_chroma, to_chroma, to_luma, to_rgb
from fusionlab.data.decoding import Header, header
from fusionlab.data.files import content_hash, is_image
from fusionlab.data.images import Noticed, Reading, examine, read_image
from fusionlab.data.labels import LabelReader, Labels, object_labels
from fusionlab.data.layouts import Listing, Sample, find_samples, task_of
from fusionlab.data.layouts.labels import find_labels
from fusionlab.data.layouts.names import NO_TRUTH
from fusionlab.data.layouts.roles import INFRARED, roles_of
from fusionlab.data.manifest_files import load_manifest
from fusionlab.data.manifest_open import open_manifest
from fusionlab.data.ranges import REFERENCE, readings
from fusionlab.data.registration import displaced
from fusionlab.data.scenes import TASKS, Scene, built_in_scenes
from fusionlab.errors import InputError
from fusionlab.settings import Data

FEW = 3  # images that tell what a folder holds
LOOKED_AT = 8  # samples whose registration is looked at
PSEUDO = 0.02  # mean distance from neutral of an infrared image that is coloured on purpose
SCENE_CLASSES = {  # of boxes and of masks
    "vif": (ClassSet(("person",)), ClassSet(("background", "person"))),
    "mif": (ClassSet(("lesion",)), ClassSet(("background", "lesion"))),
}


class FusionDataset(Dataset):
    """Samples of M sources, as a network, a metric and a viewer want them.

    Args:
        name: What the data are called in results.
        task: ``vif``, ``mif``, ``mef`` or ``mff``.
    """

    def __init__(self, name: str, task: str) -> None:
        self.name, self.task = name, task
        self.ids: list[str] = []
        self.source_names: list[tuple[str, ...]] = []
        self.sizes: list[tuple[int, int]] = []
        self.has_reference = False
        self.with_labels = False  # whether samples carry their labels and the names of the classes

    @abstractmethod
    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The sources of a sample, each (1, H, W) or (3, H, W) in [0, 1], and its ground truth."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a result says of its data: plain values."""

    @property
    def hashes(self) -> dict[str, str]:
        """By id a hash of what a sample was read from: a run that goes on compares them.

        Empty where samples are made by the program.
        """
        return {}

    def labels(self, index: int) -> Labels:
        """The boxes and the mask of a sample, as far as it is labelled."""
        return Labels()

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """The classes of boxes, and those of masks; without names where nothing is labelled."""
        return ClassSet(()), ClassSet(())

    def coloured(self, index: int) -> list[Tensor]:
        """The sources of a sample, without the colours that infrared images have in some files."""
        return _coloured(self.images(index)[0], self.source_names[index], self.task)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample, as :func:`make_sample` makes it."""
        images, reference = self.images(index)
        sample = make_sample(images, self.source_names[index], self.task, self.ids[index])
        if reference is not None:
            sample["reference"] = grey_levels(reference[None])[0]
        if self.with_labels:
            sample["labels"] = self.labels(index)
            sample["classes"] = tuple(one.names for one in self.label_classes)
        return {"index": index, **sample}


def make_sample(
    images: list[Tensor], names: Sequence[str], task: str, id_: str = ""
) -> dict[str, Any]:
    """A sample of registered images, for a network, a metric and a viewer.

    Args:
        images: M sources, each (1, H, W) or (3, H, W) in [0, 1].
        names: Their names.
        task: ``vif``, ``mif``, ``mef`` or ``mff``.
        id_: Name of the sample.

    Returns:
        ``id``; ``source_names``; ``sources``, (M, C, H, W) float in [0, 1], C = 3 if one has
        colours; ``chroma`` (2, H, W), put back where a network fuses luma; ``grey`` (M, 1, H, W)
        uint8, what metrics see.
    """
    coloured = _coloured(images, names, task)
    in_colour = any(image.shape[0] == 3 for image in coloured)
    return {
        "id": id_,
        "source_names": tuple(names),
        "sources": torch.stack([to_rgb(image) if in_colour else image for image in coloured]),
        "chroma": merge_chroma(coloured, task),
        "grey": torch.stack([grey_levels(image[None])[0] for image in images]),
    }


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
        names = self.source_names[0]
        pairs = zip(names, roles_of(names, self.task), self.images(0)[0], strict=True)
        return [
            f"{name}: its colours are dropped, since infrared has none: it is fused as grey"
            for name, role, image in pairs
            if role in INFRARED and image.shape[0] == 3 and to_chroma(image).abs().mean() > PSEUDO
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


class SceneDataset(FusionDataset):
    """The built-in scenes of one task.

    Args:
        task: The task.
    """

    def __init__(self, task: str) -> None:
        super().__init__(f"built-in {task} scenes", task)
        self._take(built_in_scenes(task))
        self.has_reference = self.scenes[0].reference is not None

    def _take(self, scenes: Sequence[Scene]) -> None:
        self.scenes = tuple(scenes)
        self.ids = [scene.id for scene in self.scenes]
        self.source_names = [scene.source_names for scene in self.scenes]
        self.sizes = [_size(scene.sources[0]) for scene in self.scenes]

    def keep(self, count: int) -> list[str]:
        """Keep the scenes of so many sources, if there are some; returns the ids of the others."""
        fitting = [scene for scene in self.scenes if len(scene.sources) == count]
        others = [scene.id for scene in self.scenes if len(scene.sources) != count]
        if not fitting:
            return []
        self._take(fitting)
        return others

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The tensors of a scene."""
        scene = self.scenes[index]
        return list(scene.sources), scene.reference

    def labels(self, index: int) -> Labels:
        """People and lesions, where the code drew them."""
        return object_labels(self.scenes[index].objects, *self.label_classes)

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """Of infrared and visible scenes the people, of medical ones the lesions."""
        return SCENE_CLASSES.get(self.task, (ClassSet(()), ClassSet(())))

    def describe(self) -> dict[str, Any]:
        """Name, task and ids."""
        names = max(self.source_names, key=len)
        return {
            "name": self.name,
            "task": self.task,
            "source_names": list(names),
            "ids": self.ids,
        }


def open_data(settings: Data, allow_unmatched: bool = False) -> list[FusionDataset]:
    """The folder of the config, or the built-in scenes of its task, or of all tasks.

    Args:
        settings: The config.
        allow_unmatched: Whether samples that lack a file are left out instead of refused.

    Raises:
        InputError: If the folder cannot be used, or its task cannot be told.
    """
    if settings.root is not None:
        listing, task = _find(settings, allow_unmatched)
        page, labels, classes = settings.page, settings.labels, settings.classes
        how = (settings.range, page, labels, classes, settings.resize, settings.align)
        return [FolderDataset(listing, task, *how)]
    return [SceneDataset(task) for task in ([settings.task] if settings.task else TASKS)]


def _find(settings: Data, allow_unmatched: bool) -> tuple[Listing, str]:
    """The samples and their task."""
    assert settings.root is not None
    if settings.name is not None:
        manifest = load_manifest(settings.name)
        if settings.task not in (None, manifest.task):
            raise InputError(
                f"data.task is {settings.task}, but {manifest.name} is {manifest.task}; unset it"
            )
        return open_manifest(manifest, settings.root, settings.verify_hashes), manifest.task
    reference = settings.reference
    if reference is None and settings.task in ("vif", "mif"):
        reference = NO_TRUTH
    listing = find_samples(
        settings.root,
        settings.layout,
        [str(name) for name in settings.sources or ()] or None,
        reference,
        settings.split,
        allow_unmatched,
    )
    if settings.reference is None:
        _drop_masks(listing)
    task = settings.task or task_of(listing.source_names)
    if task is None:
        names = ", ".join(listing.source_names)
        raise InputError(
            f"the sources in {settings.root} are called {names}, which does not tell the task; "
            "set data.task to vif, mif, mef or mff"
        )
    return listing, task


def _drop_masks(listing: Listing) -> None:
    """Take no ground truth whose images have two levels only: these are masks."""
    truths = [sample.reference for sample in listing.samples if sample.reference]
    if truths and all(len(read_image(path).unique()) == 2 for path in truths[:FEW]):
        note(
            f"{truths[0].parent} holds masks of two levels, no ground truth; if it is one, set "
            "data.reference"
        )
        listing.samples = [replace(sample, reference=None) for sample in listing.samples]


def _coloured(images: Sequence[Tensor], names: Sequence[str], task: str) -> list[Tensor]:
    """An infrared image has no colour, whatever three channels its file has."""
    roles = roles_of(names, task)
    pairs = zip(images, roles, strict=True)
    return [to_luma(image) if role in INFRARED else image for image, role in pairs]


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


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
    if _size(image) == size:
        return image
    resized = F.interpolate(image[None], size, mode="bilinear", antialias=True)
    return resized[0].clamp(0, 1)
