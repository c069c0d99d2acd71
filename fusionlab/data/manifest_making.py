"""Making a manifest from the files that are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fusionlab.data.layouts import Listing, Sample, find_samples, task_of
from fusionlab.data.layouts.splits import find_folder, subfolders_of
from fusionlab.data.manifest import TRUTH, File, Manifest
from fusionlab.data.manifest_check import hash_files
from fusionlab.errors import InputError


def make_manifest(
    root: str | Path,
    name: str,
    task: str | None = None,
    layout: str = "auto",
    sources: Mapping[str, str] | None = None,
    reference: str | None = None,
    split: str | None = None,
) -> Manifest:
    """A manifest of all samples that are found in a folder, with sizes and hashes.

    Args:
        root: The folder.
        name: What to call the data set.
        task: ``vif``, ``mif``, ``mef`` or ``mff``; None where the names of the sources tell it.
        layout: As in :func:`find_samples`, as are reference and split.
        sources: Names of the sources in their order, each with its subfolder or suffix; None finds
            them.
        reference: Subfolder or suffix with the ground truth.
        split: Part of the data set.

    Raises:
        InputError: If no samples are found, their task cannot be told, or a file cannot be read.
    """
    folders = list(sources.values()) if sources else None
    listing = find_samples(root, layout, folders, reference, split)
    names = dict(sources) if sources else _sources(listing)
    task = task or task_of(names)
    if task is None:
        called = ", ".join(listing.source_names)
        raise InputError(f"the sources are called {called}, which does not tell the task; say it")
    base = find_folder(subfolders_of(Path(root)), split or "") or Path(root)
    return Manifest(
        name=name,
        title=f"{len(listing.samples)} samples of {Path(root).resolve().name}",
        task=task,
        layout=listing.layout,
        origin="whoever made it",
        licence="not stated",
        sources=names,
        reference=reference,
        split=split,
        count=len(listing.samples),
        samples=_samples(listing, list(names), base),
    )


def _sources(listing: Listing) -> dict[str, str]:
    """The sources as they are called; none for exposures, which may differ in number."""
    names = listing.source_names
    uniform = all(tuple(sample.sources) == names for sample in listing.samples)
    numbered = all(name.isdecimal() for name in names)
    if listing.layout == "scenes" and (numbered or not uniform):
        return {}
    return {name: name for name in names}


def _samples(listing: Listing, names: list[str], base: Path) -> dict[str, dict[str, File]]:
    paths = {sample.id: _paths(sample, names) for sample in listing.samples}
    flat = [path for sample in paths.values() for path in sample.values()]
    hashes = dict(zip(flat, hash_files(flat), strict=True))
    return {
        id: {
            name: File(path.relative_to(base).as_posix(), path.stat().st_size, hashes[path])
            for name, path in sample.items()
        }
        for id, sample in paths.items()
    }


def _paths(sample: Sample, names: list[str]) -> dict[str, Path]:
    paths = dict(zip(names or sample.sources, sample.sources.values(), strict=True))
    return paths | ({TRUTH: sample.reference} if sample.reference else {})
