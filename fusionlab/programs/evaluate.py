"""The program behind evaluate.py."""

from __future__ import annotations

import sys
from pathlib import Path

import lightning as L
from jsonargparse import Namespace

from fusionlab.data.datamodule import FusionData
from fusionlab.errors import InputError
from fusionlab.metrics import FusionMetrics, open_metrics
from fusionlab.networks import create_network
from fusionlab.networks.checkpoints import BUNDLED
from fusionlab.programs.inputs import (
    check_datasets,
    check_share,
    check_source_counts,
    open_datasets,
)
from fusionlab.programs.outcome import Evaluated, print_json, show, write_results
from fusionlab.programs.resumed import restore
from fusionlab.programs.run_folder import make, run_folder
from fusionlab.programs.trainer import build_trainer
from fusionlab.report.html import write_report
from fusionlab.report.images import write_whole
from fusionlab.report.run import PER_IMAGE, THEOREM, of_all_processes
from fusionlab.tracking.evaluation import track_evaluation
from fusionlab.training.module import FusionModule
from fusionlab.training.reporter import ReportWriter
from fusionlab.training.writer import RunWriter


def evaluate(settings: Namespace, config: str) -> Path:
    """Evaluate, print the tables and write the run folder.

    Args:
        settings: The instantiated config.
        config: The same as YAML.

    Returns:
        The run folder.

    Raises:
        InputError: If the input cannot be used; nothing has been written then.
    """
    if settings.get("fused") is not None:
        from fusionlab.programs.score import score

        return score(settings, config)
    if settings.get("allow_unmatched"):
        raise InputError("allow_unmatched is for scoring; set fused too, or leave it out")
    L.seed_everything(settings.seed, verbose=False)
    checkpoint = settings.network.checkpoint or BUNDLED
    network = create_network(settings.network.name, checkpoint, **settings.network.options)
    datasets = open_datasets(settings.data, network)
    metrics = open_metrics(settings.metrics.preset, settings.metrics.names)
    check_datasets(datasets, FusionMetrics(metrics))
    check_source_counts(datasets, network)
    module = FusionModule(network, ttd=settings.ttd, stretch=settings.network.stretch)
    module.score_on(datasets, metrics, theorem=settings.theorem)
    resumed = Path(settings.resume) if settings.resume else None
    done = restore(resumed, module, datasets, settings) if resumed else None
    folder = resumed or run_folder(settings.output, "evaluate")
    with_theorem = module.boards[0].theorem is not None
    writer = RunWriter(folder, datasets, module.headings(), settings.report, with_theorem)
    reporter = [ReportWriter(writer)] if settings.report else []
    trainer = build_trainer(
        settings.trainer, [writer, *reporter], Path(settings.output), quiet=settings.quiet
    )
    check_share(datasets, settings.data.batch_size, trainer.world_size)
    data = FusionData(datasets, settings.data, done=done)
    _run(trainer, module, data, writer, config)
    if trainer.is_global_zero:
        evaluated = list(zip(datasets, module.tested, strict=True))
        _finish(writer.folder, module, evaluated, settings, config)
    return writer.folder


def _run(
    trainer: L.Trainer, module: FusionModule, data: FusionData, writer: RunWriter, config: str
) -> None:
    """Make the folder and compute; say how to go on when interrupted."""
    make(writer.folder)
    if trainer.is_global_zero and data.done is None:
        write_results(writer.folder, module, data.datasets, [], config)
        write_whole(writer.folder / "config.yaml", config.encode())  # last: it can be resumed
    try:
        trainer.test(module, data, verbose=False)
    except SystemExit:  # how Lightning answers Ctrl-C
        print(f"interrupted; python evaluate.py --resume {writer.folder} goes on", file=sys.stderr)
        raise


def _finish(
    folder: Path, module: FusionModule, evaluated: Evaluated, settings: Namespace, config: str
) -> None:
    """Write the results, and print them."""
    datasets = [dataset for dataset, _ in evaluated]
    content = write_results(folder, module, datasets, evaluated, config)
    for name in (PER_IMAGE, THEOREM):
        for path in folder.glob(of_all_processes(name)):
            if path.name != name:  # what other processes wrote is in that one too
                path.unlink()
    page = write_report(folder) if settings.report else None
    if settings.json:
        print_json(content)
    else:
        show(module, evaluated)
        print(f"Images, RD maps, {PER_IMAGE} and summary.json: {folder}")
        if page is not None:
            print(f"Report, for a browser: {page}")
    track_evaluation(settings.wandb, folder)
