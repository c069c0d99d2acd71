"""The table of all images of a data set under a condition, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionlab.runs.run import Method, Run, Sample

if TYPE_CHECKING:
    from wandb import Table


def image_table(run: Run, result: dict[str, Any], samples: Sequence[Sample]) -> Table:
    """Id, pictures, every metric and the time of each sample, under every method that fuses.

    Columns are ``id``; ``condition``, of several draws; a picture of each source, by its name, and
    of each method; ``common <method>`` and ``unique <source> <method>`` of networks that decompose;
    ``RD <source> <method>``; ``<metric> <method>`` and, with TTD,
    ``<metric> difference <method>`` from the network without; ``ms <method>``. What a sample has
    not got is empty; what none has got has no column.

    Args:
        run: The evaluation.
        result: One of its results.
        samples: Those of the result.
    """
    import wandb

    methods = [one for one in run.methods if one.is_fused and one.name in result["methods"]]
    rows = []
    for sample in samples:
        pictures = {
            name: _picture(run.folder / path, legend)
            for name, path, legend in _paths(run, methods, sample)
        }
        named = {"id": sample.id, "condition": sample.condition if result["draws"] > 1 else None}
        rows.append({**named, **pictures, **_values(run, methods, sample)})
    columns = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    table = wandb.Table(columns=[*columns], allow_mixed_types=True)
    for row in rows:
        table.add_data(*(row[name] for name in columns))
    return table


def _paths(run: Run, methods: Sequence[Method], sample: Sample) -> list[tuple[str, Path, str]]:
    """By column where a picture would be, and the legend of an RD map."""
    paths = [(name, sample.source(name), "") for name in run.source_names]
    for method in methods:
        paths.append((method.name, sample.picture(method.name), ""))
        if method.kind == "network":
            paths.append((f"common {method.name}", sample.common(method.name), ""))
            for name in run.source_names:
                column = f"unique {name} {method.name}"
                paths.append((column, sample.unique(method.name, name), ""))
        if method.kind == "ttd":
            for name in run.source_names:
                legend = sample.rd_legend(method.name, name)
                column = f"RD {name} {method.name}"
                paths.append((column, sample.rd_map(method.name, name), legend))
    return paths


def _values(run: Run, methods: Sequence[Method], sample: Sample) -> dict[str, float | None]:
    """By column."""
    cells: dict[str, float | None] = {}
    for metric in run.metrics:
        values = {one.name: sample.values.get(one.name, {}).get(metric) for one in methods}
        cells |= {f"{metric} {name}": value for name, value in values.items()}
        for method in (one for one in methods if one.base in values):
            found = _difference(values[str(method.base)], values[method.name])
            cells[f"{metric} difference {method.name}"] = found
    return cells | {f"ms {one.name}": sample.milliseconds.get(one.name) for one in methods}


def _difference(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old


def _picture(path: Path, legend: str) -> Any:
    """The file as W&B shows it; None where it was not written."""
    import wandb

    return wandb.Image(str(path), caption=legend or None) if path.exists() else None
