"""The program behind ``python -m fusionlab.fuse``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from jsonargparse import Namespace
from lightning.fabric import Fabric

from fusionlab.data.colour import to_levels
from fusionlab.data.dataset import FusionDataset, settle_colour
from fusionlab.errors import InputError
from fusionlab.fuse.encoding import VideoWriter
from fusionlab.fuse.fusing import Fused, fuse_sample
from fusionlab.fuse.inputs import (
    check_smallest,
    files_of,
    kind_of,
    named_sources,
    open_dataset,
)
from fusionlab.fuse.outputs import Target, check_output, check_targets, notes, targets_of, write
from fusionlab.fuse.video import VideoDataset
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.notes import note
from fusionlab.programs.inputs import check_source_counts
from fusionlab.programs.progress import ProgressBar
from fusionlab.report.images import viridis
from fusionlab.training.module import FusionModule


def fuse(settings: Namespace) -> bool:
    """Fuse what the user gave and write it.

    Args:
        settings: The instantiated options.

    Returns:
        Whether all of it could be fused; what could not is named on stderr.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    kind, output = kind_of(_paths(settings)), Path(settings.output)
    check_output(kind, output)
    network, dataset, faults = _open(settings, kind)
    rd_dir = Path(settings.rd_dir) if settings.rd_dir is not None else None
    targets = targets_of(kind, output, dataset.ids, dataset.source_names[0], rd_dir)
    check_targets(targets, [*files_of(dataset), *_paths(settings)], settings.overwrite)
    module = FusionModule(network, ttd=settings.ttd, stretch=settings.network.stretch).eval()
    module.to(Fabric(devices=1).device)  # the one that an evaluation takes
    for line in _notes(dataset, module, output):
        note(line)
    unit = "frames" if kind == "videos" else "images"
    hidden = settings.quiet or len(dataset) == 1
    with ProgressBar("Fusing", len(dataset), unit, hidden) as bar:
        if isinstance(dataset, VideoDataset):
            complete = _fuse_video(module, dataset, targets[0], bar)
        else:
            complete = _fuse_images(module, dataset, targets, faults, bar)
    print(output)
    return complete


def _paths(settings: Namespace) -> list[Path]:
    return [Path(path) for path in settings.inputs]


def _open(settings: Namespace, kind: str) -> tuple[FusionNetwork, FusionDataset, list[str]]:
    """The network and the samples, with everything checked that can be before fusing.

    Besides, why samples of a folder are left out.
    """
    if settings.rd_dir is not None and settings.ttd is None:
        raise InputError("--rd-dir takes the maps of test-time dynamic fusion; add --ttd")
    sources, task = named_sources(_paths(settings), settings.sources, settings.task)
    group = settings.network
    network = create_network(group.name, group.checkpoint or BUNDLED, **group.options)
    try:
        colour = settle_colour(settings.colour, task, network.rgb_tasks, network.channels)
    except InputError as fault:
        raise InputError(str(fault).replace("data.colour", "colour")) from None
    dataset, faults = open_dataset(kind, sources, task, colour)
    check_source_counts([dataset], network)
    check_smallest(dataset, network)
    return network, dataset, faults


def _notes(dataset: FusionDataset, module: FusionModule, output: Path) -> list[str]:
    """What is done and how it was understood, in lines for the user."""
    names, network = dataset.source_names[0], module.network.name
    ttd = "" if module.dynamic_options is None else "+TTD"
    made = f"{dataset.task}: {', '.join(names)}; {network}{ttd}, {dataset.colour}"
    return [made, *notes(output), *(dataset.notes() if isinstance(dataset, VideoDataset) else [])]


def _fuse_images(
    module: FusionModule,
    dataset: FusionDataset,
    targets: list[Target],
    faults: list[str],
    bar: ProgressBar,
) -> bool:
    """Sample by sample; one that cannot be fused does not keep the others from it."""
    failed, whole = len(faults), len(targets) + len(faults)
    for line in faults:
        bar.say(f"not fused: {line}")
    for index, target in enumerate(targets):
        try:
            fused = fuse_sample(module, dataset[index])
        except InputError as fault:
            if whole == 1:
                raise
            bar.say(f"not fused: {fault}")
            failed += 1
        else:
            write(target, fused)
        bar.advance()
    if failed:
        bar.say(f"{failed} of {whole} samples not fused, the others are written")
    return not failed


def _fuse_video(
    module: FusionModule, dataset: VideoDataset, target: Target, bar: ProgressBar
) -> bool:
    """Frame by frame; the frames before one that cannot be fused are kept."""
    paths, count = [target.fused, *target.maps.values()], 0
    try:
        with ExitStack() as stack:
            writers = [stack.enter_context(VideoWriter(path, dataset.rate)) for path in paths]
            for sample in dataset.samples():
                pictures = _pictures(fuse_sample(module, sample), with_maps=bool(target.maps))
                for writer, picture in zip(writers, pictures, strict=True):
                    writer.write(picture)
                count += 1
                bar.advance()
    except OSError as reason:
        raise InputError(f"cannot write {target.fused} ({reason.strerror})") from None
    except InputError as fault:
        if not count:
            raise
        bar.say(f"{fault}; {target.fused} holds the {count} frames before")
        return False
    return True


def _pictures(fused: Fused, with_maps: bool) -> list[np.ndarray]:
    """The fused image, and perhaps the maps of its sources, as (H, W, 3) uint8."""
    pictures = [to_levels(fused.image).permute(1, 2, 0).cpu().numpy()]
    if with_maps and fused.weights is not None:
        pictures += [viridis()[levels] for levels in to_levels(fused.weights).cpu().numpy()]
    return pictures
