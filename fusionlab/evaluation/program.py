"""Evaluation as a program: open, measure, summarise, show."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from textwrap import fill
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.seed import seed_everything
from rich.console import Console

import fusionlab
from fusionlab.citing import cite, papers_of_run
from fusionlab.console import ProgressBar, note
from fusionlab.data.scenes import TASKS
from fusionlab.ending import say
from fusionlab.errors import InputError
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.clusters import check_world, cluster
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.opening import open_bench
from fusionlab.evaluation.theorem import CONVENTION
from fusionlab.report.html import ReportWriter, write_report
from fusionlab.report.markdown import markdown
from fusionlab.report.plots import write_plots
from fusionlab.report.table import WIDTH, tables, theorem_lines, ttd_line
from fusionlab.runs.files import plain, write_atomic, write_json
from fusionlab.runs.folder import locked, make, run_folder
from fusionlab.runs.provenance import provenance, threads_of_each_process
from fusionlab.runs.rows import write_table
from fusionlab.runs.run import PER_IMAGE, SUMMARY, Run, join_rows, reading
from fusionlab.runs.summary import summarise
from fusionlab.runs.tasks import PER_CLASS, class_rows, task_metrics
from fusionlab.settings import Trainer
from fusionlab.tracking.evaluation import track_evaluation


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
    bench.check()
    fabric = build_fabric(settings.trainer)
    resumed = Path(settings.resume) if settings.resume else None
    folder = Path(fabric.broadcast(str(resumed or run_folder(settings.output, "evaluate"))))
    with ExitStack() as stack:
        if fabric.is_global_zero:
            make(folder)
            stack.enter_context(locked(folder))
        fabric.barrier()
        about = describe(bench, yaml.safe_load(config), "evaluate")
        done: dict[tuple[str, str], set[int]] = {}
        if resumed:
            with reading(resumed):
                before = check_resumable(resumed, about)
                done, about["calibrated"] = bench.done(before), before.about["calibrated"]
            if before.finished and all(
                done[one.dataset.name, one.name] >= bench.samples(one.dataset)
                for one in bench.conditions
            ):
                if fabric.is_global_zero:
                    note(f"{folder} has finished; its results are shown again")
                    with reading(folder):
                        show(before.about, settings.json)
                        cite_run(before.about, settings)
                return folder
        elif fabric.is_global_zero:
            write_json(folder / SUMMARY, about)
            write_atomic(folder / "config.yaml", config.encode())  # last: it can be resumed
        fabric.barrier()
        _measure(settings, bench, folder, done, fabric, about)
    fabric.barrier()
    return folder


def _measure(
    settings: Namespace,
    bench: Bench,
    folder: Path,
    done: dict[tuple[str, str], set[int]],
    fabric: Fabric,
    about: dict[str, Any],
) -> None:
    """Measure and conclude; say how to go on when that ends early."""
    writer = ReportWriter(folder) if settings.report and fabric.is_global_zero else None
    try:
        run_bench(bench, folder, done, fabric, about, writer.update if writer else None)
        if fabric.is_global_zero:
            _conclude(settings, bench, folder, about)
    except BaseException as reason:
        if fabric.is_global_zero or isinstance(reason, RuntimeError):  # the first may have died
            say(f"interrupted; fusionlab evaluate --resume {folder} goes on")
        if writer is not None and isinstance(reason, (KeyboardInterrupt, InputError)):
            writer.write()
        raise


def what_lies_in(folder: Path) -> str:
    """A line on what an evaluation wrote; pictures where they were wanted."""
    pictures = "Pictures, RD maps, " if any((folder / task).is_dir() for task in TASKS) else ""
    return f"{pictures}{PER_IMAGE} and {SUMMARY}: {folder}"


def _conclude(settings: Namespace, bench: Bench, folder: Path, about: dict[str, Any]) -> None:
    """Summarise, print, write the reports and log what was measured."""
    content = finish(folder, about)
    show(content, settings.json)
    cite_run(content, settings)
    files = _write_reports(folder, content, bench.is_experiment) if settings.report else []
    if not settings.json:
        if "shard" in content:
            number, count = content["shard"]
            print(f"Shard {number} of {count}; fusionlab merge joins all of them")
        print(what_lies_in(folder))
        for kind, path in files:
            print(f"{kind}: {path}")
    track_evaluation(settings.wandb, folder)


def _write_reports(
    folder: Path, about: dict[str, Any], is_experiment: bool
) -> list[tuple[str, Path]]:
    """The page, and of an experiment the tables as Markdown and the figures."""
    files = [("Report, for a browser", write_report(folder))]
    if is_experiment:
        tables_file = folder / "tables.md"
        text = "\n".join(markdown(about, result) for result in about["results"])
        write_atomic(tables_file, text.encode())
        write_plots(Run.open(folder))
        files.append(("Tables as Markdown, beside them figures", tables_file))
    return files


def describe(bench: Bench, settings: dict[str, Any], job: str) -> dict[str, Any]:
    """What ``summary.json`` says before there are results."""
    notes = {
        "fused pictures": "8 bit, luma; colour put back first",
        "mean": "of the values of single images",
        "ms": "median over the images; without reading, colour and scoring",
        "MB": "most memory, in 10^6 bytes, that the first images take beside weights and sources",
    }
    if bench.theorem:
        notes["theorem"] = CONVENTION
    every = {one.name: one.describe() for one in bench.conditions}
    tasks = bench.tasks.describe() if bench.tasks else {}
    return {
        "job": job,
        "methods": [vars(method) for method in bench.methods],
        "settings": settings,
        "data": [
            {**one.describe(), **({"hashes": one.hashes} if one.hashes else {})}
            for one in bench.datasets
        ],
        "conditions": list(every.values()),
        "metrics": {**bench.scorer.describe(), **(task_metrics(tasks) if tasks else {})},
        "tasks": tasks,
        "metrics_form": bench.scorer.forms,
        "notes": notes,
        **({"shard": list(bench.shard)} if bench.shard[1] > 1 else {}),
        **provenance(),
        "calibrated": [],
        "results": [],
    }


def check_resumable(folder: Path, about: dict[str, Any]) -> Run:
    """An interrupted evaluation that may go on.

    Raises:
        InputError: If only some batches were evaluated, or as :func:`check_same`.
    """
    trainer = about["settings"]["trainer"]
    if trainer["fast_dev_run"] or repr(trainer["limit_test_batches"]) != "1.0":
        raise InputError("an evaluation of some batches cannot go on; run it again")
    return check_same(folder, about)


def check_same(folder: Path, about: dict[str, Any]) -> Run:
    """The run of a folder, if it measures the same methods on the same samples.

    Raises:
        InputError: If weights, settings of TTD or samples are others than before.
    """
    run = Run.open(folder)
    for task, new in plain(about["tasks"]).items():
        if run.about.get("tasks", {}).get(task, {}).get("sha256") != new.get("sha256"):
            raise InputError(f"tasks.{task} has changed since {folder} was begun; start anew")
    for old, new in zip(run.about["methods"], plain(about["methods"]), strict=False):
        if old["name"] != new["name"] or _identity(old) != _identity(new):
            raise InputError(f"{new['name']} has changed since {folder} was begun; start anew")
    if [data["ids"] for data in run.about["data"]] != [data["ids"] for data in about["data"]]:
        raise InputError(f"the data have other samples than when {folder} was begun; start anew")
    for old, new in zip(run.about["data"], about["data"], strict=True):
        known = old.get("hashes", {})
        changed = [id_ for id_, one in new.get("hashes", {}).items() if known.get(id_, one) != one]
        if changed:
            raise InputError(
                f"{changed[0]} in {new['name']} has changed since {folder} was begun "
                f"({len(changed)} samples in all); start anew"
            )
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
            num_nodes=settings.num_nodes,
            plugins=[cluster(name) for name in settings.plugins],
            strategy=settings.strategy,
            precision=settings.precision,  # type: ignore[arg-type]
        )
    except (MisconfigurationException, ValueError, RuntimeError, TypeError) as reason:
        text = " ".join(str(reason).split())
        raise InputError(f"trainer: Lightning refuses the settings: {text}") from None
    check_world(fabric.strategy, settings.num_nodes)
    torch.use_deterministic_algorithms(settings.deterministic)
    threads = threads_of_each_process()
    if fabric.world_size > 1:
        fabric.launch()
    torch.set_num_threads(threads)  # Lightning divides the cores, which changes the last bits
    return fabric


def run_bench(
    bench: Bench,
    folder: Path,
    done: dict[tuple[str, str], set[int]],
    fabric: Fabric,
    about: dict[str, Any],
    update: Callable[[], None] | None = None,
) -> None:
    """Measure what is not done, with progress.

    Args:
        bench: What is measured.
        folder: The run folder.
        done: Samples that are done, by data set and condition.
        fabric: Device, precision and processes.
        about: ``summary.json``; what is calibrated is added to it.
        update: Called after each batch.
    """
    for one in bench.networks:
        one.network = fabric.strategy.precision.convert_module(one.network)  # type: ignore[assignment]
    total = sum(len(bench.samples(one.dataset)) for one in bench.conditions)
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
            if lines and fabric.is_global_zero:
                about["calibrated"] += [one for one in lines if one not in about["calibrated"]]
                write_json(folder / SUMMARY, about)
            bar.advance(count * fabric.world_size)
            if update is not None:
                update()
    fabric.barrier()


def finish(folder: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Join the rows of all processes, summarise them and write ``summary.json``."""
    join_rows(folder, about)
    write_json(folder / SUMMARY, about)
    about["results"] = summarise(Run.open(folder))
    write_json(folder / SUMMARY, about)
    if about.get("tasks"):
        write_table(folder / PER_CLASS, class_rows(about["results"]))
    return about


def show(about: dict[str, Any], as_json: bool = False) -> None:
    """Print what made the numbers, and the tables; or the summary as JSON."""
    if as_json:
        print(json.dumps(plain(about), indent=2))
        return
    if title := about["settings"].get("title"):
        print(title)
    for method in about["methods"]:
        if method["kind"] != "source":
            line = f"{method['name']}: {_method_line(method)}"
            print(fill(line, WIDTH, subsequent_indent="  ", break_long_words=False))
    print(f"metrics: {about['metrics_form']}")
    print(f"fusionlab {fusionlab.__version__}, commit {about['commit'] or 'unknown'}\n")
    console = Console()
    for result in about["results"]:
        for part in tables(about, result):
            console.print(part)
        for line in theorem_lines(result):
            print(line)


def cite_run(about: dict[str, Any], settings: Namespace) -> None:
    """Print the papers of what was run where that is asked for; beside JSON on stderr."""
    if settings.cite:
        cite(papers_of_run(about), sys.stderr if settings.json else sys.stdout)


def _method_line(method: dict[str, Any]) -> str:
    """What made a method's pictures, in a line."""
    facts = method["facts"]
    if method["kind"] == "folder":
        return f"pictures in {facts['folder']['folder']}"
    if method["kind"] == "ttd":
        return ttd_line(facts["ttd"])
    network = facts["network"]
    options = ", ".join(f"{option} {value}" for option, value in network["options"].items())
    checkpoint = network["checkpoint"]
    weights = "weights untrained" if network["trainable"] else "no weights"
    if checkpoint:
        weights = f"weights {checkpoint['path']} ({checkpoint['sha256'][:8]})"
    stretch = ", pictures stretched to the full range" if network["stretch"] else ""
    return f"{network['name']}{f' ({options})' if options else ''}, {weights}{stretch}"


def _identity(method: dict[str, Any]) -> tuple[Any, ...]:
    """What makes a method's pictures: weights and settings of TTD, or the pictures themselves."""
    facts = method["facts"]
    weights = facts.get("network", {}).get("checkpoint", {}).get("sha256")
    return weights, facts.get("ttd"), facts.get("folder", {}).get("hashes")


if __name__ == "__main__":
    raise SystemExit("run fusionlab evaluate")
