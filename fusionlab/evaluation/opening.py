"""A config opened: networks, folders, data and conditions, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from fusionlab.console import note
from fusionlab.data.built_in import SceneDataset
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.folder import FolderDataset
from fusionlab.data.fused import FusedFolder, method_names, open_fused
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions, first_samples
from fusionlab.evaluation.methods import NetworkMethods, add_helpful, baselines, open_networks
from fusionlab.evaluation.scoring import Scorer
from fusionlab.evaluation.weights import methods_with_weights
from fusionlab.fusing import check_samples, order_notes
from fusionlab.metrics import open_metrics
from fusionlab.settings import TTD, Conditions, Method, Network, Tasks
from fusionlab.settings.bench import EVERY
from fusionlab.settings.checks import shard_of, stays_inside
from fusionlab.tasks.bench import TaskBench
from fusionlab.tasks.files import DetectionFiles

LONGEST_NAME = 255  # bytes, of a file on the file systems in use
MOST_WITH_PICTURES = 8  # methods whose pictures are written unless the settings say


def open_bench(settings: Namespace) -> Bench:
    """Everything that a config compares, opened and checked.

    Raises:
        InputError: If something cannot be used.
    """
    ttd = ttd_settings(settings)
    _check_methods(settings, ttd)
    if settings.methods:
        given = [Method.parse(one) if isinstance(one, str) else one for one in settings.methods]
    elif settings.fused and settings.network == Network() and not ttd:
        given = []  # folders alone
    else:
        one = settings.network
        given = [Method(one.name, one.checkpoint, one.options, one.stretch)]
    of_sources, of_fused = _ranges(settings)
    whole = open_data(replace(settings.data, range=of_sources), settings.allow_unmatched)
    check_data(whole)
    networks = open_given(given, ttd, whole, settings.data.colour, settings.weights)
    for dataset in whole:
        if isinstance(dataset, SceneDataset):
            _keep_fitting(dataset, networks)
    datasets = [first_samples(dataset, settings.conditions.limit) for dataset in whole]
    for dataset in whole:
        for one in (one for one in networks if one.is_for(dataset.task)):
            for line in order_notes(one.network, dataset):
                note(line)
    tasks = list(dict.fromkeys(dataset.task for dataset in datasets))
    helpful = _wants_helpful(settings)
    for one in (one for one in networks if one.ttd and helpful):
        add_helpful(one, tasks)
    if _wants_baselines(settings, ttd):
        named = [one.name for one in networks]
        found = baselines(tasks, settings.data.colour, settings.data.root is not None)
        networks = [*(one for one in found if one.name not in named), *networks]
    for one in networks:
        one.tile = settings.data.tile
    folders: list[FusedFolder] = []
    if settings.fused:
        folders = open_fused(settings.fused, whole[0], settings.allow_unmatched, of_fused)
        for line in (line for folder in folders for line in folder.notes()):
            note(line)
    metrics = open_metrics(settings.metrics.preset, settings.metrics.names)
    scorer = Scorer(
        metrics, any(dataset.has_reference for dataset in datasets), settings.metrics.by_channel
    )
    plan = [one for dataset in datasets for one in conditions(settings.conditions, dataset)]
    bench = Bench(
        networks,
        folders,
        datasets,
        plan,
        scorer,
        settings.data.batch_size,
        settings.data.workers,
        settings.conditions.repeats,
        theorem=settings.theorem,
        limit=1 if settings.trainer.fast_dev_run else settings.trainer.limit_test_batches,
    )
    bench.shard = shard_of(settings.shard)
    fused = sum(len(one.names) for one in networks)
    few = fused <= MOST_WITH_PICTURES and len(plan) == len(datasets)
    bench.pictures = few if settings.pictures is None else settings.pictures
    bench.labels = bench.pictures and settings.report
    if settings.tasks.wanted:
        names = [method.name for method in bench.methods]
        bench.tasks = open_tasks(settings.tasks, datasets, names)
    if bench.labels or bench.tasks:
        for dataset in whole:
            if isinstance(dataset, FolderDataset) and dataset.label_reader.files:
                note(f"{dataset.listing.root}: {dataset.label_reader.found()}")
    return bench


def _ranges(settings: Namespace) -> tuple[Any, dict[str, Any]]:
    """What ``data.range`` says of the sources, and of the folders of ``--fused`` by name."""
    given = settings.data.range
    if not isinstance(given, Mapping) or not settings.fused:
        return given, {}
    names = method_names([Path(folder) for folder in settings.fused])
    of_fused = {name: value for name, value in given.items() if name in names}
    return {name: value for name, value in given.items() if name not in of_fused} or None, of_fused


def _keep_fitting(dataset: SceneDataset, networks: Sequence[NetworkMethods]) -> None:
    """Leave out the built-in scenes that have more sources than some network takes."""
    for one in (one for one in networks if one.is_for(dataset.task)):
        if one.network.source_count is not None:
            dataset.keep(one.network.source_count, one.name)


def open_given(
    given: Sequence[Method],
    ttd: Sequence[TTD],
    datasets: Sequence[FusionDataset],
    colour: str,
    weights: Sequence[str] | None,
) -> list[NetworkMethods]:
    """The networks that are asked for, perhaps with weights out of folders.

    With folders, what has no weights there or does not take the data is left out, in a line each.

    Raises:
        InputError: If a checkpoint does not load, two methods have one name, or none is left.
    """
    if weights is None:
        if any(one.network == EVERY for one in given):
            raise InputError("methods: all needs weights, folders of checkpoints; give --weights")
        return open_networks(given, ttd, colour)
    tasks = list(dict.fromkeys(one.task for one in datasets))
    found, lines = methods_with_weights(given, weights, tasks)
    networks = []
    for one in open_networks(found, ttd, colour):
        try:
            for dataset in (dataset for dataset in datasets if one.is_for(dataset.task)):
                check_samples(one.network, dataset)
        except InputError as reason:
            lines.append(f"{one.name} is left out: {reason}")
        else:
            networks.append(one)
    for line in lines:
        note(line)
    if given and not networks:
        raise InputError(f"no method is left ({'; '.join(lines)})")
    return networks


def open_tasks(
    settings: Tasks, datasets: Sequence[FusionDataset], methods: Sequence[str]
) -> TaskBench:
    """What looks at the pictures.

    Args:
        settings: The ``tasks`` group.
        datasets: The data sets.
        methods: Names of the methods.

    Raises:
        InputError: If weights cannot be used, or nothing is labelled.
    """
    from fusionlab.tasks.opening import open_detector, open_segmenter  # timm takes seconds

    detector = None if settings.detect is None else open_detector(settings.detect)
    segmenter = None if settings.segment is None else open_segmenter(settings.segment)
    files: dict[str, DetectionFiles] = {}
    if settings.detections is not None:
        folder = Path(settings.detections)
        labelled = [one for one in datasets if one.label_classes[0].names]
        files = {one.name: DetectionFiles(folder, methods, one) for one in labelled}
        if not files:
            raise InputError("tasks.detections needs labelled boxes; set data.labels")
    return TaskBench(settings, datasets, detector, segmenter, files)


def _wants_baselines(settings: Namespace, ttd: Sequence[TTD]) -> bool:
    """Unless the config says: where one network is evaluated as it is."""
    if settings.baselines is not None:
        return settings.baselines
    return not (settings.methods or settings.fused or _is_varied(settings) or len(ttd) > 1)


def _wants_helpful(settings: Namespace) -> bool:
    """Unless the config says: of real data, with TTD as the paper has it.

    Raises:
        InputError: If it is asked for without TTD.
    """
    if settings.ttd_by_task and settings.ttd is None:
        raise InputError("ttd_by_task is for --ttd; set it too, or leave it out")
    if settings.ttd_by_task is not None:
        return settings.ttd_by_task
    real = settings.data.root is not None  # they were chosen looking at the built-in scenes
    return real and settings.ttd == TTD() and not _is_varied(settings)


def _is_varied(settings: Namespace) -> bool:
    """Whether there are conditions, so that the run is an experiment."""
    return settings.conditions != Conditions(limit=settings.conditions.limit)


def ttd_settings(settings: Namespace) -> list[TTD]:
    """The settings of TTD of a config, without lists.

    Raises:
        InputError: If both ways to give them are used.
    """
    if settings.ttd is not None and settings.ttd_settings:
        raise InputError("ttd and ttd_settings are two answers; give one")
    given = [settings.ttd] if settings.ttd is not None else settings.ttd_settings
    return [one for ttd in given for one in ttd.combinations()]


def check_data(datasets: Sequence[FusionDataset]) -> None:
    """Find unusable files before anything is computed; say what was found and what ignored.

    Raises:
        InputError: Naming the first of them.
    """
    for dataset in datasets:
        for name, sources in zip(dataset.ids, dataset.source_names, strict=True):
            for kind, one in (("sample", name), *(("source", source) for source in sources)):
                stays_inside(kind, one)
            if len(f".{name}-{max(sources, key=len)}.png.partial".encode()) > LONGEST_NAME:
                raise InputError(f"{name} in {dataset.name} is too long a name; shorten it")
        if isinstance(dataset, FolderDataset):
            dataset.check_files()
            for line in (dataset.found(), *dataset.notes):
                note(line)


def _check_methods(settings: Namespace, ttd: Sequence[TTD]) -> None:
    """Refuse settings that would not be read.

    Raises:
        InputError: Naming the first.
    """
    if settings.methods and settings.network != Network():
        raise InputError("network and methods are two answers; give methods alone")
    if settings.allow_unmatched and not settings.fused and settings.data.root is None:
        raise InputError("allow_unmatched is for folders; set fused or data.root, or leave it out")
    if settings.fused is None:
        return
    if not settings.fused:
        raise InputError("fused names no folder; give some, or leave it out")
    if settings.data.root is None and settings.data.task is None:
        raise InputError("--fused needs data.root, the folder of what was fused")
    if settings.methods or settings.network != Network():
        return
    unread = {
        "ttd": bool(ttd),
        "data.colour": settings.data.colour != "auto",
        "conditions": settings.conditions != Conditions(),
        "theorem": settings.theorem,
        "weights": settings.weights is not None,
    }
    for name, given in unread.items():
        if given:
            raise InputError(
                f"--fused alone scores pictures that are there and ignores {name}; unset it, or "
                "set methods too"
            )
