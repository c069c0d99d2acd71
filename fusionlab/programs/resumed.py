"""An interrupted evaluation, taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from fusionlab.data.dataset import FusionDataset
from fusionlab.errors import InputError
from fusionlab.metrics.theorem import COLUMNS
from fusionlab.report.rows import RowFile
from fusionlab.report.run import (
    KEY,
    PER_IMAGE,
    THEOREM,
    THEOREM_KEY,
    TIME,
    EvaluationRun,
    of_all_processes,
)
from fusionlab.training.module import FusionModule
from fusionlab.training.scoreboard import RowValues, Scoreboard, source_row

Lines = dict[tuple[str, ...], list[float]]


def restore(
    folder: Path, module: FusionModule, datasets: list[FusionDataset], settings: Namespace
) -> list[set[int]]:
    """Give the scoreboards the values that are there.

    Args:
        folder: The run folder.
        module: Ready to score the data sets.
        datasets: What is evaluated.
        settings: The instantiated config.

    Returns:
        By data set, the samples that are done.

    Raises:
        InputError: If the weights or the samples are others than before, or only some batches were
            evaluated.
    """
    trainer = settings.trainer
    if trainer.fast_dev_run or repr(trainer.limit_test_batches) != "1.0":
        raise InputError("an evaluation of some batches cannot go on; run it again")
    before = EvaluationRun.open(folder).about
    now = module.network.checkpoint
    if now and before["network"]["checkpoint"]["sha256"] != now["sha256"]:
        raise InputError(f"{now['path']} has changed since {folder} was begun; start anew")
    if [data["ids"] for data in before["data"]] != [dataset.ids for dataset in datasets]:
        raise InputError(f"the data have other samples than when {folder} was begun; start anew")
    lines = _lines(folder, PER_IMAGE, KEY, [*module.headings().values(), TIME])
    theorem = _lines(folder, THEOREM, THEOREM_KEY, COLUMNS)
    order = list(module.headings())
    return [_restore(board, lines, theorem, order) for board in module.boards]


def _lines(folder: Path, name: str, key: Sequence[str], columns: Sequence[str]) -> Lines:
    """What all processes wrote."""
    lines: Lines = {}
    for path in sorted(folder.glob(of_all_processes(name))):
        lines |= RowFile(path, key, columns).values()
    return lines


def _restore(board: Scoreboard, lines: Lines, theorem: Lines, order: list[str]) -> set[int]:
    dataset, done = board.dataset, set()
    for index, (name, sources) in enumerate(zip(dataset.ids, dataset.source_names, strict=True)):
        rows = [*board.fused_rows, *map(source_row, sources)]
        found = [lines.get((dataset.name, dataset.task, name, row)) for row in rows]
        keys = {source: (dataset.name, dataset.task, name, source) for source in sources}
        measured = {source: theorem[key] for source, key in keys.items() if key in theorem}
        with_theorem = board.theorem is not None
        if None in found or (with_theorem and len(measured) < len(sources)):
            continue
        done.add(index)
        if with_theorem:
            board.keep_theorem(index, measured)
        for row, cells in zip(rows, found, strict=True):
            assert cells is not None
            named = dict(zip([*order, TIME], cells, strict=True))
            values = [named[metric] for metric in board.metrics]
            time = named[TIME] if row in board.fused_rows else None
            board.keep(index, RowValues(row, values, time))
    return done
