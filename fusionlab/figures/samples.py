"""Samples for figures: which ones, and what the network makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fusionlab.data.batches import collate
from fusionlab.data.colour import to_luma
from fusionlab.data.dataset import FolderDataset, FusionDataset, settle_colour
from fusionlab.data.layouts import Listing, task_of
from fusionlab.data.layouts.listing import Sample
from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork
from fusionlab.programs.inputs import open_datasets
from fusionlab.settings import Data
from fusionlab.training.module import FusionModule


@dataclass(frozen=True)
class FusedSample:
    """One sample, fused statically and dynamically; images are (1 or 3, H, W) in [0, 1].

    Args:
        id: Its name.
        task: Its task.
        source_names: Names of the M sources.
        sources: As a viewer sees them.
        compare: What the losses compare with each source, as in the settings of TTD.
        components: What is compared with each source, clamped; luma, or RGB if the network fuses
            that.
        losses: Reconstruction losses, (M, H, W), ≥ 0.
        weights: Relative Dominability, (M, H, W).
        static: Fused by the static rule.
        ttd: Fused dynamically.
    """

    id: str
    task: str
    source_names: tuple[str, ...]
    sources: list[Tensor]
    compare: str
    components: list[Tensor]
    losses: Tensor
    weights: Tensor
    static: Tensor
    ttd: Tensor


@torch.no_grad()
def fuse_sample(module: FusionModule, dataset: FusionDataset, index: int) -> FusedSample:
    """Fuse a sample as an evaluation does.

    Args:
        module: With settings of test-time dynamic fusion.
        dataset: Where the sample is.
        index: Which one it is.
    """
    batch = collate([dataset[index]])
    assert module.dynamic_options is not None
    in_rgb = batch["sources"].shape[2] == 3
    images, _, dynamic = module.fuse(batch)
    fused = {row: module.viewable(image, batch)[0] for row, image in images.items()}
    components = [component.clamp(0, 1) for component in dynamic.components[0]]
    return FusedSample(
        dataset.ids[index],
        dataset.task,
        dataset.source_names[index],
        dataset.seen(index),
        module.dynamic_options["compare"],
        components if in_rgb else [to_luma(component) for component in components],
        dynamic.losses[0, :, 0],
        dynamic.weights[0, :, 0],
        **fused,
    )


def open_samples(
    settings: Data, network: FusionNetwork, files: Sequence[str] = ()
) -> list[FusionDataset]:
    """The data of the config, or one sample of single files.

    Raises:
        InputError: If they cannot be used.
    """
    if not files:
        return open_datasets(settings, network)
    if settings.root is not None:
        raise InputError(f"files and data.root {settings.root} are two answers; give one")
    paths = [Path(file) for file in files]
    names = _names(paths)
    task = settings.task or task_of(names)
    if task is None:
        raise InputError(
            f"the files are called {', '.join(names)}, which does not tell the task; "
            "set data.task to vif, mif, mef or mff"
        )
    colour = settle_colour(settings.colour, task, network.rgb_tasks, network.channels)
    sample = Sample(paths[0].stem, dict(zip(names, paths, strict=True)))
    return [FolderDataset(Listing(paths[0].parent, "files", [sample]), task, colour)]


def _names(paths: list[Path]) -> list[str]:
    """Names of sources: those of the files, or of their folders if the files' are the same."""
    for names in ([path.stem for path in paths], [path.resolve().parent.name for path in paths]):
        if len(set(names)) == len(paths) > 1:
            return names
    raise InputError(f"{', '.join(map(str, paths))}: give two or more files of different names")


def find_sample(datasets: Sequence[FusionDataset], id_: str | None) -> tuple[FusionDataset, int]:
    """The sample of that name; the first one if none is asked for.

    Raises:
        InputError: If there is none; lists some that there are.
    """
    if id_ is None:
        return datasets[0], 0
    for dataset in datasets:
        if id_ in dataset.ids:
            return dataset, dataset.ids.index(id_)
    known = [name for dataset in datasets for name in dataset.ids]
    more = ", …" if len(known) > 8 else ""
    raise InputError(f"no sample {id_}; there are {', '.join(known[:8])}{more}")


def find_source(dataset: FusionDataset, index: int, name: str | None) -> int:
    """Index of the source of that name, in any case; 0 if none is asked for.

    Raises:
        InputError: If the sample lacks it.
    """
    names = dataset.source_names[index]
    if name is None:
        return 0
    folded = [other.casefold() for other in names]
    if name.casefold() not in folded:
        raise InputError(
            f"{dataset.ids[index]} has no source {name}; set source to one of {', '.join(names)}"
        )
    return folded.index(name.casefold())
