"""What an objective learns from, opened as the settings say."""

from __future__ import annotations

import sys
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
from fusionlab.programs.evaluate import check_source_counts, open_datasets
from fusionlab.settings import Data


def open_material(objective: Objective, network: FusionNetwork, settings: Namespace) -> Dataset:
    """Patches of pairs, photographs, or crops made from them.

    Raises:
        InputError: If there is nothing to learn from, or a setting does not fit.
    """
    training = settings.training
    if training.crop_size < objective.smallest_crop:
        raise InputError(
            f"{network.name} learns from crops of {objective.smallest_crop} pixels or more; raise "
            "training.crop_size"
        )
    if objective.material == "pairs":
        return _open_pairs(network, settings)
    for name in ("stride", "contrast"):
        if getattr(training, name):
            raise InputError(f"training.{name} is for networks that learn from pairs; unset it")
    if objective.material == "photographs":
        photographs = open_photographs(training.root, 1, training.limit)
        return ResizedPhotographs(photographs, training.crop_size, network.channels[0])
    photographs = open_photographs(training.root, training.crop_size, training.limit)
    return MultiFocusCrops(photographs, training.crop_size, seed=settings.seed)


def _open_pairs(network: FusionNetwork, settings: Namespace) -> PairPatches:
    training = settings.training
    data = replace(settings.data, root=training.root, reference=None)
    if training.root is None:
        data = Data(task=settings.data.task)
    (dataset,) = open_datasets(data, network)
    check_source_counts([dataset], network)
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
    print(f"learns from {len(patches)} patches of {found}", file=sys.stderr)
    return patches
