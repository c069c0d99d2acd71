"""Relative Dominability (RD) of each image in a few numbers, kept so that it is read once."""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fusionlab
from fusionlab.report.images import write_whole
from fusionlab.report.results import plain
from fusionlab.report.run import EvaluationRun

RELATIVE_DOMINABILITY = "rd.json"  # what has been computed, in the report's folder


@dataclass(frozen=True)
class SourceWeight:
    """How much one source counts in one image.

    Args:
        source: Its name.
        mean: Of its RD over the pixels.
        low: Its smallest RD.
        high: Its largest.
        above_half: Share of pixels where its RD is above 0.5, 0 to 1.
        correlation: Pearson's, of its RD with its reconstruction loss over the pixels; the
            paper's claim is that it is negative. NaN if either is constant.
    """

    source: str
    mean: float
    low: float
    high: float
    above_half: float
    correlation: float


def source_weights(names: list[str], weights: np.ndarray, losses: np.ndarray) -> list[SourceWeight]:
    """Weights and losses, both (M, H, W), of the M named sources."""
    return [
        SourceWeight(
            name,
            float(weight.mean(dtype=float)),
            float(weight.min()),
            float(weight.max()),
            float((weight > 0.5).mean()),
            _correlation(weight, loss),
        )
        for name, weight, loss in zip(names, weights, losses, strict=True)
    ]


def statistics(run: EvaluationRun, kept: Path) -> list[list[SourceWeight]]:
    """Of every sample and source; nothing for a sample without RD.

    Args:
        run: The run.
        kept: JSON file of what has been computed before; brought up to date.
    """
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    current: dict[str, Any] = {}
    for sample in run.samples:
        path = run.folder / sample.arrays
        if not path.exists():
            continue
        key, state = sample.arrays.as_posix(), path.stat()
        stamp = [fusionlab.__version__, state.st_mtime_ns, state.st_size]
        if known.get(key, {}).get("stamp") == stamp:
            current[key] = known[key]
        else:
            current[key] = {"stamp": stamp, "sources": [astuple(one) for one in _read(path)]}
    if current != known:
        write_whole(kept, json.dumps(plain(current)).encode())
    return [
        [_weight(one) for one in current.get(sample.arrays.as_posix(), {}).get("sources", [])]
        for sample in run.samples
    ]


def _read(path: Path) -> list[SourceWeight]:
    with np.load(path) as arrays:
        names = [str(name) for name in arrays["source_names"]]
        return source_weights(names, arrays["weights"], arrays["losses"])


def _weight(values: list[Any]) -> SourceWeight:
    """As read from JSON, where None stands for NaN."""
    name, *numbers = values
    return SourceWeight(name, *(np.nan if one is None else one for one in numbers))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one.ravel(), other.ravel(), dtype=float)[0, 1])
