"""Evaluation in Python: what the command does, as two functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fusionlab.data.dataset import FusionDataset
from fusionlab.data.fused import FusedFolder, method_names, open_fused
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.methods import NetworkMethods, given_networks
from fusionlab.evaluation.opening import open_given, open_tasks
from fusionlab.evaluation.program import describe, finish
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.runs.files import write_json
from fusionlab.runs.folder import make
from fusionlab.runs.run import SUMMARY
from fusionlab.settings import TTD, Conditions, Data, Method, Tasks
from fusionlab.settings.groups import BY_CHANNEL
from fusionlab.tasks.bench import TaskBench


def evaluate(
    methods: str | Mapping[str, FusionNetwork | str | Path] | Sequence[str],
    data: str | Path | FusionDataset | Sequence[FusionDataset] | Data | None = None,
    *,
    ttd: TTD | str | Sequence[TTD] | None = None,
    weights: str | Path | Sequence[str | Path] | None = None,
    metrics: str | Sequence[str] = "ttd",
    colour: str | None = None,
    theorem: bool = False,
    tasks: Tasks | TaskBench | None = None,
    output: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> dict[str, Any]:
    """Evaluate methods on data; what ``fusionlab evaluate`` does, without its files.

        summary = fusionlab.evaluate(["ifcnn", "densefuse@gray.model"], "TNO", ttd="paper")
        summary["results"][0]["means"]["IFCNN+TTD"]["EN"]

    Args:
        methods: Networks in the short form of ``--methods``; or, by the names of the methods,
            networks, their short forms, or folders of fused pictures.
        data: A folder, data sets, or settings of data. Default: the built-in scenes.
        ttd: Settings of test-time dynamic fusion, or the name of a preset.
        weights: Folders with checkpoints for networks in the short form, as ``--weights``.
        metrics: A preset, or names of metrics.
        colour: ``luma`` or ``channels``, as ``--metrics.colour``. Default: the preset's.
        theorem: Whether the theorem of TTD is measured.
        tasks: Settings of detection and segmentation, or detectors and segmenters opened.
        output: Folder for the rows and pictures. Default: none are kept.
        device: Where it is computed.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: If something cannot be used.
    """
    datasets = _given_data(data)
    settings = [TTD(ttd)] if isinstance(ttd, str) else [ttd] if isinstance(ttd, TTD) else ttd or []
    places = [weights] if isinstance(weights, str | Path) else weights
    networks, folders = _given_methods(methods, settings, datasets, places)
    chosen = open_metrics(metrics) if isinstance(metrics, str) else open_metrics(names=metrics)
    scorer = Scorer(
        chosen, any(one.has_reference for one in datasets), _by_channel(metrics, colour)
    )
    plan = [one for dataset in datasets for one in conditions(Conditions(), dataset)]
    bench = Bench(networks, folders, datasets, plan, scorer, theorem=theorem)
    bench.pictures = output is not None
    if isinstance(tasks, Tasks):
        tasks = open_tasks(tasks, datasets, [method.name for method in bench.methods])
    bench.tasks = tasks
    bench.check()
    about = describe(bench, {}, "evaluate")
    with TemporaryDirectory() as temporary:
        folder = Path(output or temporary)
        make(folder)
        write_json(folder / SUMMARY, about)
        found = measure(bench, folder, {}, device=torch.device(device))
        about["calibrated"] = [line for _, lines in found for line in lines]
        return finish(folder, about)


def score(
    folders: str | Path | Sequence[str | Path],
    data: str | Path | FusionDataset | Data,
    *,
    metrics: str | Sequence[str] = "ttd",
    colour: str | None = None,
) -> dict[str, Any]:
    """Score folders of fused pictures, made by any tool, one per method.

    Args:
        folders: The folders; pictures are matched with samples by their names.
        data: What was fused.
        metrics: A preset, or names of metrics.
        colour: As for :func:`evaluate`.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: If a picture is missing or surplus, or has another size than its sources.
    """
    paths = [folders] if isinstance(folders, str | Path) else list(folders)
    named = dict(zip(method_names([Path(one) for one in paths]), map(Path, paths), strict=True))
    return evaluate(named, data, metrics=metrics, colour=colour)


def _by_channel(metrics: str | Sequence[str], colour: str | None) -> bool:
    if colour not in (None, "luma", "channels"):
        raise InputError(f"colour must be luma or channels, got {colour!r}")
    preset = isinstance(metrics, str) and metrics in BY_CHANNEL
    return preset if colour is None else colour == "channels"


def _given_data(
    data: str | Path | FusionDataset | Sequence[FusionDataset] | Data | None,
) -> list[FusionDataset]:
    if isinstance(data, FusionDataset):
        return [data]
    if data is None or isinstance(data, str | Path):
        return open_data(Data(root=None if data is None else str(data)))
    return open_data(data) if isinstance(data, Data) else list(data)


def _given_methods(
    methods: str | Mapping[str, FusionNetwork | str | Path] | Sequence[str],
    settings: Sequence[TTD],
    datasets: Sequence[FusionDataset],
    weights: Sequence[str | Path] | None,
) -> tuple[list[NetworkMethods], list[FusedFolder]]:
    if not isinstance(methods, Mapping):
        texts = [methods] if isinstance(methods, str) else methods
        given = [Method.parse(text) for text in texts]
        places = None if weights is None else [str(place) for place in weights]
        return open_given(given, settings, datasets, "auto", places), []
    if weights is not None:
        raise InputError("weights is for methods in the short form; name their checkpoints there")
    networks: dict[str, FusionNetwork] = {}
    paths: dict[str, Path] = {}
    for name, one in methods.items():
        if isinstance(one, FusionNetwork):
            networks[name] = one.eval()
        elif isinstance(one, Path) or Path(one).is_dir():
            paths[name] = Path(one)
        else:
            parsed = Method.parse(one)
            networks[name] = create_network(
                parsed.network, parsed.checkpoint or BUNDLED, **parsed.options
            )
    folders: list[FusedFolder] = []
    if paths:
        opened = open_fused([str(path) for path in paths.values()], datasets[0], False)
        folders = [replace(one, name=name) for one, name in zip(opened, paths, strict=True)]
    return given_networks(networks, settings), folders
