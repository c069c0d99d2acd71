"""From the settings of the data to a data set: a folder, or the built-in scenes."""

from __future__ import annotations

from dataclasses import replace

from fusionlab.console import note
from fusionlab.data.built_in import SceneDataset
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.folder import FolderDataset
from fusionlab.data.images import read_image
from fusionlab.data.layouts import Listing, find_samples, task_of
from fusionlab.data.layouts.names import NO_TRUTH
from fusionlab.data.manifest_files import load_manifest
from fusionlab.data.manifest_open import open_manifest
from fusionlab.data.scenes import TASKS
from fusionlab.errors import InputError
from fusionlab.settings import Data

FEW = 3  # images that tell what a folder holds


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
