"""What an objective learns from, opened as the settings say."""

from __future__ import annotations

from dataclasses import replace

from jsonargparse import Namespace
from torch.utils.data import Dataset

from fusionlab.data.crops import MultiFocusCrops
from fusionlab.data.dataset import FolderDataset
from fusionlab.data.patches import PairPatches, ResizedPhotographs
from fusionlab.data.photographs import open_photographs
from fusionlab.errors import InputError
from fusionlab.losses import Objective
from fusionlab.networks import FusionNetwork
from fusionlab.notes import note
from fusionlab.programs.inputs import open_datasets
from fusionlab.settings import Data, Task


def open_material(
    objective: Objective, network: FusionNetwork, settings: Namespace, task: Task
) -> Dataset:
    """Patches of pairs, photographs, or crops made from them.

    Args:
        objective: Says which.
        network: What is trained.
        settings: The instantiated config.
        task: Of the pairs.

    Raises:
        InputError: If there is nothing to learn from, or a setting does not fit.
    """
    training = settings.training
    if training.crop_size < objective.smallest_crop:
        raise InputError(
            f"{network.name} learns from crops of {objective.smallest_crop} pixels or more; start "
            f"from configs/{network.name}*.yaml or raise training.crop_size"
        )
    if objective.material == "pairs":
        return _open_pairs(network, settings, task)
    for name in ("stride", "contrast"):
        if getattr(training, name):
            raise InputError(f"training.{name} is for networks that learn from pairs; unset it")
    if objective.material == "photographs":
        photographs = open_photographs(training.root, 1, training.limit)
        return ResizedPhotographs(photographs, training.crop_size, network.channels[0])
    photographs = open_photographs(training.root, training.crop_size, training.limit)
    return MultiFocusCrops(photographs, training.crop_size, seed=settings.seed)


def _open_pairs(network: FusionNetwork, settings: Namespace, task: Task) -> PairPatches:
    training = settings.training
    data = Data(task=task)
    if training.root is not None:
        plain = {"name": None, "split": None, "verify_hashes": True, "reference": None}
        data = replace(settings.data, root=training.root, task=task, **plain)
    try:
        (dataset,) = open_datasets(data, network)
    except InputError as fault:
        raise InputError(str(fault).replace("set data.root", "set training.root")) from None
    for name, sources in zip(dataset.ids, dataset.source_names, strict=True):
        if len(sources) != 2:
            raise InputError(
                f"{network.name} learns from pairs, {name} in {dataset.name} has {len(sources)} "
                "sources; set training.root or data.task to others"
            )
    if isinstance(dataset, FolderDataset):
        dataset.check_files()
    patches = PairPatches(
        dataset,
        training.crop_size,
        training.stride or training.crop_size,
        training.contrast,
        training.limit,
    )
    found = dataset.found() if isinstance(dataset, FolderDataset) else dataset.name
    note(f"learns from {len(patches)} patches of {found}")
    return patches
