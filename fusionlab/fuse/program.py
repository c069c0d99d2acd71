"""The program behind ``fusionlab fuse``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from jsonargparse import Namespace

from fusionlab.console import ProgressBar, note
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.folder import FolderDataset
from fusionlab.errors import InputError
from fusionlab.fuse.encoding import VideoWriter
from fusionlab.fuse.inputs import (
    files_of,
    kind_of,
    named_sources,
    open_dataset,
    readable_samples,
)
from fusionlab.fuse.outputs import Target, check_output, check_targets, notes, targets_of, write
from fusionlab.fuse.pipeline import WriteBehind, places_of_shard, read_ahead
from fusionlab.fuse.video import VideoDataset
from fusionlab.fusing import (
    Fuser,
    Picture,
    best_device,
    check_decomposes,
    check_samples,
    order_notes,
)
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import BUNDLED, LEARNED
from fusionlab.runs.files import write_rd_legend
from fusionlab.runs.rd_colours import RDScale
from fusionlab.settings import TTD
from fusionlab.settings.checks import at_least, check_range


def fuse(settings: Namespace) -> bool:
    """Fuse what the user gave and write it.

    Args:
        settings: The instantiated options.

    Returns:
        Whether all of it could be fused; what could not is named on stderr.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    ttd = None if settings.ttd is None else settings.ttd.single()
    if settings.rd_dir is not None and ttd is None:
        raise InputError("--rd-dir takes the maps of test-time dynamic fusion; add --ttd")
    check_range("range", settings.range)
    if settings.tile is not None:
        at_least("tile", settings.tile, 0)
    paths, output = [Path(path) for path in settings.inputs], Path(settings.output)
    kind = kind_of(paths)
    check_output(kind, output, settings.bits)
    fuser, dataset, faults = _open(settings, kind, paths)
    rd_dir = Path(settings.rd_dir) if settings.rd_dir is not None else None
    parts_dir = _decomposition_dir(settings, kind, fuser)
    if settings.allow_unmatched and kind != "folders":
        raise InputError(f"--allow_unmatched is for folders, not {kind}")
    if settings.shard is not None and kind != "folders":
        raise InputError(f"--shard is for folders, not {kind}")
    places = places_of_shard(settings.shard, len(dataset))
    ids = [dataset.ids[place] for place in places] if kind == "folders" else dataset.ids
    names = dataset.source_names[0]
    targets = targets_of(kind, output, ids, names, rd_dir, parts_dir)
    check_targets(targets, [*files_of(dataset), *paths], settings.overwrite)
    for line in _notes(dataset, fuser, ttd, output):
        note(line)
    if ttd is not None:
        ttd = fuser.calibrate(readable_samples(dataset) if kind == "folders" else dataset, ttd)
    unit = "frames" if kind == "videos" else "images"
    with ProgressBar("Fusing", len(places), unit, hidden=len(places) == 1) as bar:
        if isinstance(dataset, VideoDataset):
            complete = _fuse_video(fuser, ttd, dataset, targets[0], bar)
        else:
            write_one = partial(write, bits=settings.bits)
            complete = _fuse_images(fuser, ttd, dataset, places, targets, faults, bar, write_one)
    if kind == "folders" and isinstance(dataset, FolderDataset):
        for line in dataset.oddities():  # their files were read only now
            note(line)
    print(output)
    if settings.cite:
        from fusionlab.citing import cite, papers  # with every metric

        cite(papers([fuser.network.name], (), ttd is not None))
    return complete


def _open(
    settings: Namespace, kind: str, paths: list[Path]
) -> tuple[Fuser, FusionDataset, list[str]]:
    """What fuses and the samples, with everything checked that can be before fusing.

    Besides, why samples of a folder are left out.
    """
    sources, task = named_sources(paths, settings.sources, settings.task)
    group = settings.network
    network = create_network(group.name, group.checkpoint or BUNDLED, **group.options)
    how = (settings.colour, group.stretch, settings.tile, settings.bits == 16)
    fuser = Fuser(network.to(best_device()), task, *how)
    how_read = (settings.range, settings.page, settings.resize, settings.align)
    unmatched = settings.allow_unmatched
    dataset, faults = open_dataset(kind, sources, task, *how_read, allow_unmatched=unmatched)
    check_samples(network, dataset)
    return fuser, dataset, faults


def _decomposition_dir(settings: Namespace, kind: str, fuser: Fuser) -> Path | None:
    if settings.decomposition_dir is None:
        return None
    check_decomposes(fuser.network)
    if kind == "videos":
        raise InputError("--decomposition-dir is for images; give the frames as folders of images")
    return Path(settings.decomposition_dir)


def _notes(dataset: FusionDataset, fuser: Fuser, ttd: TTD | None, output: Path) -> list[str]:
    """What is done and how it was understood, in lines for the user."""
    names, name = ", ".join(dataset.source_names[0]), fuser.network.name
    made = f"{dataset.task}: {names}; {name}{'' if ttd is None else '+TTD'}, {fuser.colour}"
    own = dataset.notes() if isinstance(dataset, VideoDataset) else []
    read = dataset.notes if isinstance(dataset, FolderDataset) else []
    bundled = fuser.network.checkpoint.get("path") == BUNDLED
    better = []
    if bundled and ttd is None and dataset.task in LEARNED:
        learned, why = LEARNED[dataset.task]
        if name != learned:
            better = [f"{learned} {why}: --network.name {learned}"]
    return [made, *better, *order_notes(fuser.network, dataset), *notes(output), *own, *read]


def _fuse_images(
    fuser: Fuser,
    ttd: TTD | None,
    dataset: FusionDataset,
    places: list[int],
    targets: list[Target],
    faults: list[str],
    bar: ProgressBar,
    write_one: Callable[[Target, Picture], None],
) -> bool:
    """Sample by sample; one that cannot be fused does not keep the others from it."""
    failed, whole = len(faults), len(targets) + len(faults)
    for line in faults:
        bar.say(f"not fused: {line}")
    with WriteBehind() as behind:
        for target, (_, sample) in zip(targets, read_ahead(dataset, places), strict=True):
            try:
                picture = fuser(sample(), ttd, decompose=target.common is not None)
            except InputError as fault:
                if whole == 1:
                    raise
                bar.say(f"not fused: {fault}")
                failed += 1
            else:
                behind(write_one, target, picture)
            bar.advance()
    if failed:
        bar.say(f"{failed} of {whole} samples not fused, the others are written")
    return not failed


def _fuse_video(
    fuser: Fuser, ttd: TTD | None, dataset: VideoDataset, target: Target, bar: ProgressBar
) -> bool:
    """Frame by frame; the frames before one that cannot be fused are kept.

    RD is drawn in a second turn: its colours are those of the whole video.
    """
    count, low, high = 0, 1.0, 0.0
    try:
        with VideoWriter(target.fused, dataset.rate) as writer, WriteBehind() as behind:
            for _, sample in read_ahead(dataset, range(len(dataset))):
                picture = fuser(sample(), ttd)
                behind(writer.write, picture.fused.permute(1, 2, 0).cpu().numpy())
                if picture.rd is not None:
                    low, high = (
                        min(low, picture.rd.min().item()),
                        max(high, picture.rd.max().item()),
                    )
                count += 1
                bar.advance()
        if target.maps:
            scale = RDScale.between(len(dataset.source_names[0]), low, high)
            _draw_video(fuser, ttd, dataset, target, scale)
    except OSError as reason:
        raise InputError(f"cannot write {target.fused} ({reason.strerror})") from None
    except InputError as fault:
        if not count:
            raise
        bar.say(f"{fault}; {target.fused} holds the {count} frames before")
        return False
    return True


def _draw_video(
    fuser: Fuser, ttd: TTD | None, dataset: VideoDataset, target: Target, scale: RDScale
) -> None:
    """The maps of RD in the colours of a scale, and its legend."""
    assert target.legend is not None
    write_rd_legend(target.legend, scale)
    with ExitStack() as stack, ProgressBar("Drawing RD", len(dataset), "frames") as bar:
        writers = {
            name: stack.enter_context(VideoWriter(path, dataset.rate))
            for name, path in target.maps.items()
        }
        for index in range(len(dataset)):
            picture = fuser(dataset[index], ttd)
            assert picture.rd is not None
            for name, rd in zip(picture.source_names, picture.rd, strict=True):
                writers[name].write(scale.colours(rd))
            bar.advance()


if __name__ == "__main__":
    raise SystemExit("run fusionlab fuse")
