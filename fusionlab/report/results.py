"""The numbers of an evaluation on disk: per image as CSV, summarised as JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fusionlab.data.dataset import FusionDataset
from fusionlab.report.images import write_whole
from fusionlab.report.run import KEY, TIME
from fusionlab.report.table import comparisons
from fusionlab.report.theorem import means
from fusionlab.training.scoreboard import Scores


def write_per_image(
    path: Path, evaluated: list[tuple[FusionDataset, Scores]], headings: dict[str, str]
) -> None:
    """One line per data set, image and row (static, ttd, each source alone).

    Args:
        path: The CSV file.
        evaluated: Data sets and what was found on them.
        headings: Of the columns, by the names of all metrics.
    """
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow([*KEY, *headings.values(), TIME])
    for dataset, scores in evaluated:
        for row in (*scores.fused_rows, *scores.source_rows):
            times = scores.milliseconds.get(row)
            for k, index in enumerate(scores.indices[row]):
                values = dict(zip(scores.metrics, scores.values[row][k], strict=True))
                cells = [values.get(name, "") for name in headings]
                took = "" if times is None else times[k]
                lines.writerow([dataset.name, dataset.task, dataset.ids[index], row, *cells, took])
    write_whole(path, text.getvalue().encode())


def summary(evaluated: list[tuple[FusionDataset, Scores]]) -> list[dict[str, Any]]:
    """Per data set: what it is, means by row, TTD against static, times, and TTD's theorem."""
    return [
        {
            "data": {
                **dataset.describe(),
                "ids": [dataset.ids[index] for index in scores.indices["static"]],
            },
            "images": len(scores.indices["static"]),
            "means": {row: scores.means(row) for row in (*scores.fused_rows, *scores.source_rows)},
            "ttd_minus_static": {
                metric: asdict(found) for metric, found in comparisons(scores).items()
            },
            "median_ms_per_image": {
                row: float(np.median(times)) for row, times in scores.milliseconds.items()
            },
            "theorem": None if scores.theorem is None else means(scores.theorem),
        }
        for dataset, scores in evaluated
    ]


def ttd_line(ttd: dict[str, Any]) -> str:
    """The settings of test-time dynamic fusion in a line."""
    temperature, gradient = ttd["temperature"], ttd["basis"] == "gradient"
    number = temperature if isinstance(temperature, str) else f"{temperature:g}"
    by = f"gradient (channel {ttd['channel']}) of the " if gradient else ""
    return (
        f"{by}{ttd['loss']} loss of {ttd['compare']}, temperature {number}, {ttd['form']}, "
        f"{ttd['normalization']}, {ttd['correlation']} correlation"
    )


def write_json(path: Path, content: Any) -> None:
    """Write plain values; NaN becomes null and infinity text, which JSON has not."""
    write_whole(path, (json.dumps(plain(content), indent=2) + "\n").encode())


def plain(value: Any) -> Any:
    """The same in what JSON knows: NaN is null, infinity text."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
