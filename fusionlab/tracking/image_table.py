"""The table of all images of an evaluation, one row each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionlab.report.run import EvaluationRun, Sample

if TYPE_CHECKING:
    from wandb import Table


def image_table(run: EvaluationRun, samples: list[Sample]) -> Table:
    """Id, pictures, every metric and the time of each sample.

    Columns are ``id``; a picture of each source, by its name, of each fused row and of each
    source's RD, ``RD <source>``; ``<metric> static``, ``<metric> ttd`` and ``<metric> difference``;
    ``ms static`` and ``ms ttd``. What a sample has not got is empty.

    Args:
        run: The evaluation.
        samples: Those of one data set.
    """
    import wandb

    sources = list(dict.fromkeys(name for one in samples for name in one.source_names))
    rows = samples[0].fused_rows
    cells = [_cells(run, one, sources, rows) for one in samples]
    table = wandb.Table(columns=list(cells[0]), allow_mixed_types=True)
    for line in cells:
        table.add_data(*line.values())
    return table


def _cells(
    run: EvaluationRun, sample: Sample, sources: list[str], rows: tuple[str, ...]
) -> dict[str, Any]:
    """By column."""
    dynamic = "ttd" in rows
    own = [name if name in sample.source_names else None for name in sources]
    cells: dict[str, Any] = {"id": sample.id}
    for name, there in zip(sources, own, strict=True):
        cells[name] = _picture(run.folder / sample.source(name)) if there else None
    for row in rows:
        cells[row] = _picture(run.folder / sample.image(row))
    for name, there in zip(sources, own, strict=True) if dynamic else ():
        cells[f"RD {name}"] = _picture(run.folder / sample.weight_map(name)) if there else None
    for metric in run.metrics:
        values = [sample.values[row].get(metric) for row in rows]
        cells |= {f"{metric} {row}": value for row, value in zip(rows, values, strict=True)}
        if dynamic:
            cells[f"{metric} difference"] = _difference(*values)
    return cells | {f"ms {row}": sample.milliseconds.get(row) for row in rows}


def _difference(static: float | None, ttd: float | None) -> float | None:
    return None if static is None or ttd is None else ttd - static


def _picture(path: Path) -> Any:
    """The file as W&B shows it; None where it was not written."""
    import wandb

    return wandb.Image(str(path)) if path.exists() else None
