"""Opening a named data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fusionlab.data.files import natural, same_name
from fusionlab.data.layouts import Listing, Sample, find_samples
from fusionlab.data.layouts.splits import has_split
from fusionlab.data.manifest import TRUTH, Manifest
from fusionlab.data.manifest_check import Check, check_files
from fusionlab.errors import InputError

SHOWN = 3  # names in a message, before their number


def open_manifest(manifest: Manifest, root: str | Path, hashes: bool = True) -> Listing:
    """The samples of a named data set, checked.

    Args:
        manifest: The data set.
        root: The folder, or the one above it where the manifest has a split.
        hashes: Whether to compare the hashes that the manifest knows; sizes are in any case.

    Raises:
        InputError: Naming the first file that is missing or not as the manifest says, or the
            number of samples if that is all the manifest knows.
    """
    if manifest.samples is None:
        return _open_layout(manifest, Path(root))
    check = check_files(manifest, root, hashes)
    if not check.passed:
        raise _mistake(manifest, check)
    samples = []
    for id in manifest.ids or ():
        files = manifest.samples[id]
        order = manifest.sources or sorted(files.keys() - {TRUTH}, key=natural)
        sources = {name: check.found[files[name].path] for name in order}
        truth = check.found[files[TRUTH].path] if TRUTH in files else None
        samples.append(Sample(id, sources, truth))
    said = _said(manifest, check.hashes)
    return Listing(
        Path(root),
        manifest.layout,
        samples,
        check.surplus,
        split=manifest.split,
        manifest=said,
    )


def first_few(names: Sequence[str]) -> str:
    """The first names and how many there are besides."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _open_layout(manifest: Manifest, root: Path) -> Listing:
    """All samples in the folder, if there are as many as there should be."""
    split = manifest.split if root.is_dir() and has_split(root, manifest.split or "") else None
    folders = list(manifest.sources.values()) or None
    listing = find_samples(root, manifest.layout, folders, manifest.reference, split)
    if manifest.count not in (None, len(listing.samples)):
        raise InputError(
            f"{root} holds {len(listing.samples)} samples, {manifest.name} has {manifest.count}; "
            f"get it from {manifest.origin}, or leave out data.name to take what is there"
        )
    listing.samples = [_renamed(sample, manifest) for sample in listing.samples]
    listing.manifest = _said(manifest, 0)
    return listing


def _renamed(sample: Sample, manifest: Manifest) -> Sample:
    names = manifest.sources or sample.sources
    sources = dict(zip(names, sample.sources.values(), strict=True))
    return Sample(sample.id, sources, sample.reference if manifest.reference else None)


def _said(manifest: Manifest, hashes: int) -> dict[str, object]:
    return {"name": manifest.name, "sha256": manifest.sha256, "hashes_checked": hashes}


def _mistake(manifest: Manifest, check: Check) -> InputError:
    """What is wrong first, in a line with a remedy."""
    name, again = manifest.name, f"get it again from {manifest.origin}"
    if check.missing:
        count = f"{len(check.missing)} of the {len(manifest.files)} files of {name}"
        return InputError(
            f"{check.base} lacks {count}: {first_few(check.missing)}; set data.root to the folder "
            f"that holds them, or get them from {manifest.origin}"
        )
    if check.same_name:
        one, other, *_ = next(iter(check.same_name.values()))
        return same_name(one, other)
    if check.swapped:
        path, content = next(iter(check.swapped.items()))
        return InputError(
            f"{check.found[path]} holds what {name} calls {content}: files are swapped "
            f"({len(check.swapped)} in all); rename them, or {again}"
        )
    kind, remedy = check.wrong_size, "leave out data.name"
    if not kind:
        kind, remedy = check.wrong_hash, "set data.verify_hashes to false"
    path, reason = next(iter(kind.items()))
    more = f", {len(kind) - 1} more such" if len(kind) > 1 else ""
    return InputError(
        f"{check.found[path]} is not the file of {name} ({reason}{more}); {again}, or {remedy}"
    )
