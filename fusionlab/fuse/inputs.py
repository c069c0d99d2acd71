"""What the user gave: its kind, the names of the sources, the task, the samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fusionlab.data.dataset import FusionDataset
from fusionlab.data.files import check_formats, key, stem, without_unmatched
from fusionlab.data.folder import FolderDataset
from fusionlab.data.images import image_size
from fusionlab.data.layouts import Listing, Sample, task_of
from fusionlab.data.layouts.roles import in_order
from fusionlab.data.layouts.subfolders import find_subfolders
from fusionlab.data.layouts.suffixes import parts
from fusionlab.errors import InputError
from fusionlab.fuse.video import VideoDataset, is_video


def kind_of(paths: Sequence[Path]) -> str:
    """``images``, ``folders`` or ``videos``.

    Raises:
        InputError: If there are fewer than two, one does not exist, or they are of several kinds.
    """
    kinds = {path: _kind(path) for path in paths}
    if len(paths) < 2:
        raise InputError(f"{paths[0]} is the only source; give two or more")
    first, kind = next(iter(kinds.items()))
    for path, other in kinds.items():
        if other != kind:
            raise InputError(
                f"{first} is among {kind} but {path} among {other}; give sources of one kind"
            )
    return kind


def named_sources(
    paths: Sequence[Path], given: Sequence[str] | None, task: str | None
) -> tuple[dict[str, Path], str]:
    """The sources by name, in the order in which they are fused, and the task.

    Convention: the names are those of the files, else their endings (``01_vi.png``), else those of
    their folders, whichever tell the task, else those that differ. Sources that data sets have
    under these names come in the data sets' order, as a network may want; others as given.

    Args:
        paths: The sources.
        given: Their names, which are kept, as is their order.
        task: The task; None if the names are to tell it.

    Raises:
        InputError: If ``given`` does not fit, or the task is not told.
    """
    if given is not None:
        _check_given(paths, given)
    names = list(given) if given is not None else _names(paths)
    task = task or task_of(names)
    if task is None:
        raise InputError(
            f"the sources are called {', '.join(names)}, which does not tell the task; add --task "
            "vif (infrared-visible), mif (medical), mef (multi-exposure) or mff (multi-focus)"
        )
    named = dict(zip(names, paths, strict=True))
    if given is None:
        named = {name: named[name] for name in in_order(names, task)}
    return named, task


def open_dataset(
    kind: str,
    sources: dict[str, Path],
    task: str,
    range_: float | str | Mapping[str, float | str] | None = None,
    page: int | None = None,
    resize: str | None = None,
    align: str | None = None,
    allow_unmatched: bool = False,
) -> tuple[FusionDataset, list[str]]:
    """The samples to fuse, and why others of a folder cannot be.

    Args:
        kind: See :func:`kind_of`.
        sources: Images, folders or videos, by the names of the sources.
        task: The task.
        range_: White level of stored values, ``auto``, or either by source.
        page: Page of files that have several, from 1.
        resize: ``first`` or ``smallest``, for images of different sizes.
        align: ``translation`` or ``homography``, to lay sources onto the first of their sample.
        allow_unmatched: Whether files of folders without a partner are left out.

    Raises:
        InputError: If images of a sample differ in size, one lacks a partner, or nothing is
            readable.
    """
    if kind == "videos":
        if any(one is not None for one in (range_, page, resize, align)):
            raise InputError("--range, --page, --resize and --align are for images, not for videos")
        return VideoDataset(sources, task), []
    first = next(iter(sources.values()))
    samples, left_out = [Sample(stem(first), sources)], list[Path]()
    if kind == "folders":
        samples, left_out = _match(sources, allow_unmatched)
    faults = {sample.id: _fault(sample, page) for sample in samples}
    readable = [sample for sample in samples if faults[sample.id] is None]
    if not readable:
        raise InputError(next(iter(faults.values())))
    dataset = FolderDataset(
        Listing(first.parent, kind, readable), task, range_, page, resize=resize, align=align
    )
    if left_out:
        names = ", ".join(path.name for path in left_out[:3])
        dataset.notes.append(f"{len(left_out)} files without a partner left out ({names} …)")
    dataset.keeps_last = False
    if kind == "images":
        dataset.check_files()  # of folders, a broken one costs its own sample only
    else:
        dataset.notes += dataset.check_registration()
    return dataset, [fault for fault in faults.values() if fault is not None]


def _fault(sample: Sample, page: int | None) -> str | None:
    """Why a sample's files are no images; None if they begin as such."""
    try:
        for path in sample.sources.values():
            image_size(path, page)
    except InputError as fault:
        return str(fault)
    return None


def readable_samples(dataset: FusionDataset) -> Iterator[dict[str, Any]]:
    """The samples of a folder without those whose files are broken."""
    for index in range(len(dataset)):
        try:
            sample = dataset[index]
        except InputError:
            continue  # it is named when its turn to be fused comes
        yield sample


def files_of(dataset: FusionDataset) -> list[Path]:
    """The files that are read."""
    if isinstance(dataset, VideoDataset):
        return dataset.paths
    assert isinstance(dataset, FolderDataset)
    return [path for sample in dataset.listing.samples for path in sample.sources.values()]


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folders"
    if not path.exists():
        raise InputError(f"no file or folder {path}")
    return "videos" if is_video(path) else "images"


def _check_given(paths: Sequence[Path], given: Sequence[str]) -> None:
    for name in given:
        if not name or Path(name).name != name:
            raise InputError(f"sources names {name!r}, which cannot be a part of a file's name")
    if len(given) != len(paths) or len({key(name) for name in given}) < len(given):
        raise InputError(
            f"sources must be {len(paths)} different names, one per source, got {', '.join(given)}"
        )


def _names(paths: Sequence[Path]) -> list[str]:
    own = [path.resolve().name if path.is_dir() else stem(path) for path in paths]
    endings = [parts(path)[1] for path in paths]
    folders = [path.resolve().parent.name for path in paths]
    candidates = [own, endings, folders]
    numbers = [str(k) for k in range(1, len(paths) + 1)]
    telling = (names for names in candidates if task_of(names) and _differ(names))
    distinct = (names for names in candidates if _differ(names))
    return next(telling, None) or next(distinct, numbers)


def _differ(names: Sequence[str]) -> bool:
    return all(names) and len({key(name) for name in names}) == len(names)


def _match(folders: dict[str, Path], allow_unmatched: bool) -> tuple[list[Sample], list[Path]]:
    """Files of equal stem in all folders, case-folded, whatever their extension.

    Besides, the files that are left out.
    """
    first = next(iter(folders.values()))
    names = tuple(map(key, folders))
    try:
        if not allow_unmatched:
            check_formats(folders.values())
        return without_unmatched(
            lambda: find_subfolders(first.parent, folders, [], names, None), allow_unmatched
        )
    except InputError as fault:
        text = str(fault).replace(", move the file away or set data.layout", " or move it away")
        raise InputError(text.replace("; set data.sources", "; give others")) from None
