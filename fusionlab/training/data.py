"""What an objective learns from and is validated on, opened as the settings say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jsonargparse import Namespace
from torch.utils.data import Dataset

from fusionlab.console import note
from fusionlab.data.crops import MultiFocusCrops
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.folder import FolderDataset
from fusionlab.data.opening import open_data
from fusionlab.data.patches import PairPatches, ResizedPhotographs
from fusionlab.data.photographs import open_photographs
from fusionlab.errors import InputError
from fusionlab.losses import Objective
from fusionlab.networks import FusionNetwork
from fusionlab.settings import Data

BUILT_IN_TASKS = {"multi_focus": "mff", "photographs": "vif", "pairs": "vif"}
CHANNELS = {"multi_focus": 3, "pairs": 1}  # of the sources; photographs are as the network wants


def open_training(
    objective: Objective, network: FusionNetwork, settings: Namespace
) -> tuple[Dataset, Dataset]:
    """Data to learn from and data to validate on.

    Args:
        objective: Says which, or brings its own.
        network: What is trained.
        settings: The instantiated config.

    Raises:
        InputError: If there is nothing to learn from, or a setting does not fit.
    """
    _check_crop(objective, network, settings.training.crop_size)
    own = objective.open_data(settings.training, settings.seed)
    if own is None:
        _check_kind(objective, network)
        dataset = _open_validation(objective, network, settings.data)
        return _open_kind(objective, network, settings, dataset.task), dataset
    learns_from, validation = own
    if validation is None:
        validation = _open_validation(objective, network, settings.data)
        validation.with_labels = objective.labelled
    if not objective.validates and not isinstance(validation, FusionDataset):
        raise InputError(
            f"training.objective {objective.name} brings data to validate on that are no "
            "FusionDataset, and states no values of its own (validates)"
        )
    return learns_from, validation


def _open_validation(objective: Objective, network: FusionNetwork, settings: Data) -> FusionDataset:
    if settings.root is None and settings.task is None:
        usual = objective.built_in or (*network.tasks, "vif")[0]
        task: Any = BUILT_IN_TASKS.get(objective.learns_from or "", usual)
        settings = replace(settings, task=task)
    (dataset,) = open_data(settings)
    return dataset


def _open_kind(
    objective: Objective, network: FusionNetwork, settings: Namespace, task: str
) -> Dataset:
    """Patches of pairs, photographs, or crops made from them."""
    training = settings.training
    if objective.learns_from == "pairs":
        return _open_pairs(objective, network, settings, task)
    for name in ("stride", "contrast"):
        if getattr(training, name):
            raise InputError(
                f"training.{name} is for objectives that learn from pairs, not for "
                f"{objective.name}; unset it"
            )
    if objective.learns_from == "photographs":
        photographs = open_photographs(training.root, 1, training.limit)
        return ResizedPhotographs(photographs, training.crop_size, network.channels[0])
    if training.root is not None:
        note("photographs are read while training: a damaged one stops it then")
    photographs = open_photographs(training.root, training.crop_size, training.limit)
    return MultiFocusCrops(photographs, training.crop_size, seed=settings.seed)


def _open_pairs(
    objective: Objective, network: FusionNetwork, settings: Namespace, task: str
) -> PairPatches:
    training = settings.training
    data = Data(task=task)  # type: ignore[arg-type]  # a data set has one of the four
    if training.root is not None:
        plain = {"name": None, "split": None, "verify_hashes": True, "reference": None}
        data = replace(settings.data, root=training.root, task=task, **plain)
    try:
        (dataset,) = open_data(data)
    except InputError as fault:
        raise InputError(str(fault).replace("set data.root", "set training.root")) from None
    for name, sources in zip(dataset.ids, dataset.source_names, strict=True):
        if len(sources) != 2:
            raise InputError(
                f"{objective.name} learns from pairs, {name} in {dataset.name} has {len(sources)} "
                "sources; set training.root or data.task to others"
            )
    if isinstance(dataset, FolderDataset):
        dataset.check_files()
        for line in dataset.notes:
            note(line)
    patches = PairPatches(
        dataset,
        training.crop_size,
        training.stride or training.crop_size,
        training.contrast,
        training.limit,
        network.source_order.get(task, ()),
    )
    small = sum(min(size) < training.crop_size for size in dataset.sizes[: training.limit])
    if small:
        used = len(dataset.sizes[: training.limit])
        note(f"{small} of {used} samples are smaller than training.crop_size and are not used")
    found = dataset.found() if isinstance(dataset, FolderDataset) else dataset.name
    note(f"learns from {len(patches)} patches of {found}")
    return patches


def _check_crop(objective: Objective, network: FusionNetwork, side: int) -> None:
    least = max(objective.smallest_crop, network.minimum_size)
    if side < least:
        raise InputError(
            f"training.objective {objective.name} needs crops of {least} pixels or more for "
            f"{network.name}; raise training.crop_size, {side}, or start from a recipe (--config)"
        )
    if objective.whole_crops and side % network.size_multiple:
        raise InputError(
            f"{network.name} learns {objective.name} from crops whose side is a multiple of "
            f"{network.size_multiple}; training.crop_size is {side}"
        )


def _check_kind(objective: Objective, network: FusionNetwork) -> None:
    """Refuse a network that does not take what the objective learns from."""
    kind = objective.learns_from
    if kind is None:
        raise InputError(f"training.objective {objective.name} states no data to learn from")
    channels = CHANNELS.get(kind, network.channels[0])
    sources = 1 if kind == "photographs" else 2
    if channels not in network.channels or network.source_count not in (None, sources):
        raise InputError(
            f"training.objective {objective.name} learns from {sources} sources with {channels} "
            f"channels, which {network.name} does not take; choose another training.objective"
        )
