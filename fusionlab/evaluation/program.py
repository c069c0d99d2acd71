"""Evaluation as a program: open, measure, summarise, show; and as two functions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.seed import seed_everything
from rich.console import Console

import fusionlab
from fusionlab.console import ProgressBar, note
from fusionlab.data.dataset import FolderDataset, FusionDataset, open_data
from fusionlab.data.fused import FusedFolder, open_fused
from fusionlab.errors import InputError
from fusionlab.evaluation.bench import Bench, measure
from fusionlab.evaluation.conditions import conditions
from fusionlab.evaluation.methods import NetworkMethods, given_networks, open_networks
from fusionlab.evaluation.scoring import Scorer
from fusionlab.evaluation.theorem import CONVENTION
from fusionlab.metrics import open_metrics
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.report.html import ReportWriter, write_report
from fusionlab.report.table import tables, theorem_lines, ttd_line
from fusionlab.runs.files import plain, write_atomic, write_json
from fusionlab.runs.folder import make, run_folder
from fusionlab.runs.provenance import provenance
from fusionlab.runs.run import PER_IMAGE, SUMMARY, Run, join_rows
from fusionlab.runs.summary import summarise
from fusionlab.settings import TTD, Conditions, Data, Method, Network, Trainer
from fusionlab.tracking.evaluation import track_evaluation

LONGEST_NAME = 255  # bytes, of a file on the file systems in use
MOST_WITH_PICTURES = 8  # methods whose pictures are written unless the settings say


def evaluate_command(settings: Namespace, config: str) -> Path:
    """Evaluate, print the tables and write the run folder.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    seed_everything(settings.seed, verbose=False)
    bench = open_bench(settings)
    check_data(bench.datasets)
    bench.check()
    fabric = build_fabric(settings.trainer)
    resumed = Path(settings.resume) if settings.resume else None
    about = describe(bench, yaml.safe_load(config), "evaluate")
    done = bench.done(check_resumable(resumed, about)) if resumed else {}
    folder = Path(fabric.broadcast(str(resumed or run_folder(settings.output, "evaluate"))))
    if fabric.is_global_zero:
        make(folder)
        if not resumed:
            write_json(folder / SUMMARY, about)
            write_atomic(folder / "config.yaml", config.encode())  # last: it can be resumed
    fabric.barrier()
    writer = ReportWriter(folder) if settings.report and fabric.is_global_zero else None
    try:
        about["calibrated"] = run_bench(
            bench, folder, done, fabric, settings.trainer, writer.update if writer else None
        )
    except (KeyboardInterrupt, InputError):
        if writer is not None:
            writer.write()
        print(f"interrupted; fusionlab evaluate --resume {folder} goes on", file=sys.stderr)
        raise
    if fabric.is_global_zero:
        content = finish(folder, about)
        page = write_report(folder) if settings.report else None
        show(content, settings.json)
        if not settings.json:
            print(f"Pictures, RD maps, {PER_IMAGE} and {SUMMARY}: {folder}")
            if page is not None:
                print(f"Report, for a browser: {page}")
        track_evaluation(settings.wandb, folder)
    fabric.barrier()
    return folder


def evaluate(
    methods: str | Mapping[str, FusionNetwork | str | Path] | Sequence[str],
    data: str | Path | FusionDataset | Sequence[FusionDataset] | Data | None = None,
    *,
    ttd: TTD | str | Sequence[TTD] | None = None,
    metrics: str | Sequence[str] = "ttd",
    theorem: bool = False,
    output: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> dict[str, Any]:
    """Evaluate methods on data; what ``fusionlab evaluate`` does, without its files.

        summary = fusionlab.evaluate(["ifcnn", "densefuse@densefuse_gray.model"], "TNO", ttd="paper")
        summary["results"][0]["means"]["IFCNN+TTD"]["EN"]

    Args:
        methods: Networks in the short form of ``--methods``; or, by the names of the methods,
            networks, their short forms, or folders of fused pictures.
        data: A folder, data sets, or settings of data. Default: the built-in scenes.
        ttd: Settings of test-time dynamic fusion, or the name of a preset.
        metrics: A preset, or names of metrics.
        theorem: Whether the theorem of TTD is measured.
        output: Folder for the rows and pictures. Default: none are kept.
        device: Where it is computed.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: If something cannot be used.
    """
    datasets = _given_data(data)
    settings = [TTD(ttd)] if isinstance(ttd, str) else [ttd] if isinstance(ttd, TTD) else ttd or []
    networks, folders = _given_methods(methods, settings, datasets)
    chosen = open_metrics(metrics) if isinstance(metrics, str) else open_metrics(names=metrics)
    scorer = Scorer(chosen, any(one.has_reference for one in datasets))
    plan = [one for dataset in datasets for one in conditions(Conditions(), dataset)]
    bench = Bench(networks, folders, datasets, plan, scorer, theorem=theorem)
    bench.pictures = output is not None
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
) -> dict[str, Any]:
    """Score folders of fused pictures, made by any tool, one per method.

    Args:
        folders: The folders; pictures are matched with samples by their names.
        data: What was fused.
        metrics: A preset, or names of metrics.

    Returns:
        What ``summary.json`` holds.

    Raises:
        InputError: If a picture is missing or surplus, or has another size than its sources.
    """
    paths = [folders] if isinstance(folders, str | Path) else list(folders)
    return evaluate({Path(one).name: Path(one) for one in paths}, data, metrics=metrics)


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
    networks = open_networks(given, ttd, settings.data.colour)
    datasets = open_data(settings.data)
    folders: list[FusedFolder] = []
    if settings.fused:
        folders = open_fused(settings.fused, datasets[0], settings.allow_unmatched)
        for line in (line for folder in folders for line in folder.notes()):
            note(line)
    metrics = open_metrics(settings.metrics.preset, settings.metrics.names)
    scorer = Scorer(metrics, any(dataset.has_reference for dataset in datasets))
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
    fused = sum(len(one.names) for one in networks)
    few = fused <= MOST_WITH_PICTURES and len(plan) == len(datasets)
    bench.pictures = few if settings.pictures is None else settings.pictures
    return bench


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
            if len(f".{name}-{max(sources, key=len)}.png.partial".encode()) > LONGEST_NAME:
                raise InputError(f"{name} in {dataset.name} is too long a name; shorten it")
        if isinstance(dataset, FolderDataset):
            dataset.check_files()
            note(dataset.found())


def describe(bench: Bench, settings: dict[str, Any], job: str) -> dict[str, Any]:
    """What ``summary.json`` says before there are results."""
    notes = {
        "fused pictures": "8 bit, luma; colour put back first",
        "mean": "of the values of single images",
        "ms": "median over the images; without reading, colour and scoring",
    }
    if bench.theorem:
        notes["theorem"] = CONVENTION
    every = {one.name: one.describe() for one in bench.conditions}
    return {
        "job": job,
        "methods": [vars(method) for method in bench.methods],
        "settings": settings,
        "data": [dataset.describe() for dataset in bench.datasets],
        "conditions": list(every.values()),
        "metrics": bench.scorer.describe(),
        "metrics_form": bench.scorer.fusion.forms,
        "notes": notes,
        **provenance(),
        "calibrated": [],
        "results": [],
    }


def check_resumable(folder: Path, about: dict[str, Any]) -> Run:
    """An interrupted run that may go on.

    Raises:
        InputError: If weights or samples are others than before, or only some batches were
            evaluated.
    """
    run = Run.open(folder)
    before = run.about
    trainer = about["settings"]["trainer"]
    if trainer["fast_dev_run"] or repr(trainer["limit_test_batches"]) != "1.0":
        raise InputError("an evaluation of some batches cannot go on; run it again")
    for old, new in zip(before["methods"], plain(about["methods"]), strict=False):
        if old["name"] != new["name"] or _weights(old) != _weights(new):
            raise InputError(f"{new['name']} has changed since {folder} was begun; start anew")
    if [data["ids"] for data in before["data"]] != [data["ids"] for data in about["data"]]:
        raise InputError(f"the data have other samples than when {folder} was begun; start anew")
    return run


def build_fabric(settings: Trainer) -> Fabric:
    """Lightning's Fabric for these settings, with its processes started.

    Raises:
        InputError: If Lightning refuses a setting.
    """
    try:
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            strategy=settings.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
        )
    except (MisconfigurationException, ValueError, RuntimeError, TypeError) as reason:
        text = " ".join(str(reason).split())
        raise InputError(f"trainer: Lightning refuses the settings: {text}") from None
    torch.use_deterministic_algorithms(settings.deterministic)
    if fabric.world_size > 1:
        fabric.launch()
    return fabric


def run_bench(
    bench: Bench,
    folder: Path,
    done: dict[tuple[str, str], set[int]],
    fabric: Fabric,
    settings: Trainer,
    update: Callable[[], None] | None = None,
) -> list[dict[str, Any]]:
    """Measure what is not done, with progress; returns what was calibrated.

    Args:
        bench: What is measured.
        folder: The run folder.
        done: Samples that are done, by data set and condition.
        fabric: Device, precision and processes.
        settings: The ``trainer`` group.
        update: Called after each batch.
    """
    for one in bench.networks:
        one.network = fabric.strategy.precision.convert_module(one.network)  # type: ignore[assignment]
    total = sum(len(one.dataset) for one in bench.conditions)
    calibrated: list[dict[str, Any]] = []
    with ProgressBar("Evaluating", total, "images", sum(map(len, done.values()))) as bar:
        for count, lines in measure(
            bench,
            folder,
            done,
            device=fabric.device,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            precision=fabric.autocast,
        ):
            calibrated += lines
            bar.advance(count * fabric.world_size)
            if update is not None:
                update()
    fabric.barrier()
    return calibrated


def finish(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Join the rows of all processes, summarise them and write ``summary.json``."""
    join_rows(folder, about)
    write_json(folder / SUMMARY, about)
    about["results"] = summarise(Run.open(folder))
    write_json(folder / SUMMARY, about)
    return about


def show(about: dict[str, Any], as_json: bool = False) -> None:
    """Print what made the numbers, and the tables; or the summary as JSON."""
    if as_json:
        print(json.dumps(plain(about), indent=2))
        return
    if title := about["settings"].get("title"):
        print(title)
    for method in about["methods"]:
        facts = method["facts"]
        if method["kind"] == "network":
            print(f"{method['name']}: {_network_line(facts['network'])}")
        elif method["kind"] == "ttd":
            print(f"{method['name']}: {ttd_line(facts['ttd'])}")
        elif method["kind"] == "folder":
            print(f"{method['name']}: pictures in {facts['folder']['folder']}")
    print(f"metrics: {about['metrics_form']}")
    print(f"fusionlab {fusionlab.__version__}, commit {about['commit'] or 'unknown'}\n")
    console = Console()
    for result in about["results"]:
        for part in tables(about, result):
            console.print(part)
        for line in theorem_lines(result):
            print(line)


def _network_line(network: dict[str, Any]) -> str:
    options = ", ".join(f"{option} {value}" for option, value in network["options"].items())
    checkpoint = network["checkpoint"]
    weights = f"{checkpoint['path']} ({checkpoint['sha256'][:8]})" if checkpoint else "untrained"
    stretch = ", pictures stretched to the full range" if network["stretch"] else ""
    return f"{network['name']}{f' ({options})' if options else ''}, weights {weights}{stretch}"


def _weights(method: dict[str, Any]) -> str | None:
    return method["facts"].get("network", {}).get("checkpoint", {}).get("sha256")


def _check_methods(settings: Namespace, ttd: Sequence[TTD]) -> None:
    """Refuse settings that would not be read.

    Raises:
        InputError: Naming the first.
    """
    if settings.methods and settings.network != Network():
        raise InputError("network and methods are two answers; give methods alone")
    if settings.allow_unmatched and not settings.fused:
        raise InputError("allow_unmatched is for scoring; set fused too, or leave it out")
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
    }
    for name, given in unread.items():
        if given:
            raise InputError(
                f"--fused alone scores pictures that are there and ignores {name}; unset it, or "
                "set methods too"
            )


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
) -> tuple[list[NetworkMethods], list[FusedFolder]]:
    if not isinstance(methods, Mapping):
        texts = [methods] if isinstance(methods, str) else methods
        return open_networks([Method.parse(text) for text in texts], settings, "auto"), []
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
