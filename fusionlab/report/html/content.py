"""What the page shows, as plain values."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np

from fusionlab.report.html.dominability import SourceWeight
from fusionlab.report.html.facts import facts, method
from fusionlab.report.html.gallery import Pictures, in_order
from fusionlab.report.html.theorem import mean_theorem, sample_theorem
from fusionlab.report.run import ALONE, FUSED, EvaluationRun, Sample
from fusionlab.report.statistics import cost
from fusionlab.report.table import TRUTH

DIGITS = 9  # of a value on the page: single precision


def content(
    run: EvaluationRun, shown: list[Pictures], weights: list[list[SourceWeight]]
) -> dict[str, Any]:
    """All of it. What is named by the user stands in lists, never as a key.

    Args:
        run: The run.
        shown: Images of each sample.
        weights: RD of each sample.
    """
    data = run.about["data"]
    places = {one["name"]: place for place, one in enumerate(data)}
    of_data: list[list[int]] = [[] for _ in data]
    for k, sample in enumerate(run.samples):
        of_data[places[sample.data]].append(k)
    return {
        "run": run.folder.resolve().name,
        "method": method(run.about),
        "finished": run.finished,
        "metrics": _metrics(run),
        "notes": [
            [name, text]
            for name, text in run.about["conventions"].items()
            if name not in run.metrics
        ],
        "facts": facts(run.about),
        "data": [
            {
                "name": one["name"],
                "task": one["task"],
                "total": len(one["ids"]),
                **_table(run, one, [run.samples[k] for k in chosen]),
                "weights": _mean_weights(one["source_names"], [weights[k] for k in chosen]),
                "theorem": mean_theorem(one["source_names"], [run.samples[k] for k in chosen]),
            }
            for one, chosen in zip(data, of_data, strict=True)
        ],
        "samples": [
            _sample(run, sample, places[sample.data], images, own)
            for sample, images, own in zip(run.samples, shown, weights, strict=True)
        ],
    }


def _metrics(run: EvaluationRun) -> list[dict[str, Any]]:
    return [
        {
            "name": name.removesuffix(TRUTH),
            "truth": name.endswith(TRUTH),
            "direction": run.about["directions"][name],
            "convention": run.conventions[name],
        }
        for name in run.metrics
    ]


def _table(run: EvaluationRun, data: dict[str, Any], samples: list[Sample]) -> dict[str, Any]:
    """Rows of means, and what TTD changes, over the samples that are done."""
    present = (name for sample in samples for name in sample.source_names)
    rows = [name + ALONE for name in in_order(data["source_names"], present)]
    rows += [row for row in FUSED if any(row in sample.values for sample in samples)]
    differences = None
    if "ttd" in rows:
        results = {one["data"]["name"]: one for one in run.about["results"]}
        intervals = results.get(data["name"], {}).get("ttd_minus_static", {})
        differences = [_difference(run, name, samples, intervals.get(name)) for name in run.metrics]
    return {
        "rows": [_row(run, row, samples) for row in rows],
        "differences": differences,
        "images": len(samples),
    }


def _row(run: EvaluationRun, row: str, samples: list[Sample]) -> dict[str, Any]:
    having = [sample for sample in samples if row in sample.values]
    columns = [_column(having, row, name) for name in run.metrics]
    defined = [column[~np.isnan(column)] for column in columns]
    times = [sample.milliseconds[row] for sample in having if row in sample.milliseconds]
    return {
        "row": row,
        "images": len(having),
        "means": [float(one.mean()) if one.size else None for one in defined],
        "counts": [one.size for one in defined],
        "ms": float(np.median(times)) if times else None,
    }


def _difference(
    run: EvaluationRun, metric: str, samples: list[Sample], final: dict[str, Any] | None
) -> dict[str, Any] | None:
    """TTD minus static: as the evaluation says, or so far; an interval only at the end."""
    if final is not None:
        return final if final["images"] else None
    static, ttd = (_column(samples, row, metric) for row in FUSED)
    both = np.isfinite(static) & np.isfinite(ttd)
    if not both.any():
        return None
    higher = run.higher_is_better[metric]
    better = cost(ttd[both], higher) < cost(static[both], higher)
    return {
        "mean": float((ttd[both] - static[both]).mean()),
        "low": None,
        "high": None,
        "improved": float(better.mean()),
        "images": int(both.sum()),
    }


def _column(samples: list[Sample], row: str, metric: str) -> np.ndarray:
    """(N,); NaN where the metric is not defined."""
    return np.array([sample.values.get(row, {}).get(metric, np.nan) for sample in samples])


def _sample(
    run: EvaluationRun,
    sample: Sample,
    data: int,
    shown: Pictures,
    weights: list[SourceWeight],
) -> dict[str, Any]:
    return {
        "data": data,
        "id": sample.id,
        "rows": [
            [row, [_rounded(values.get(name, np.nan)) for name in run.metrics]]
            for row, values in sample.values.items()
        ],
        "ms": [[row, _rounded(time)] for row, time in sample.milliseconds.items()],
        "fused": list(shown.fused.items()),
        "sources": list(shown.sources.items()),
        "maps": list(shown.maps.items()),
        "weights": [_as_list(one) for one in weights],
        "theorem": sample_theorem(sample),
    }


def _mean_weights(declared: list[str], samples: list[list[SourceWeight]]) -> list[dict[str, Any]]:
    """By source: means over the images, and the smallest and largest RD in any."""
    found = []
    for name in in_order(declared, (one.source for sample in samples for one in sample)):
        own = [one for sample in samples for one in sample if one.source == name]
        correlations = np.array([one.correlation for one in own])
        defined = correlations[~np.isnan(correlations)]
        found.append(
            {
                "source": name,
                "images": len(own),
                "mean": float(np.mean([one.mean for one in own])),
                "low": min(one.low for one in own),
                "high": max(one.high for one in own),
                "above_half": float(np.mean([one.above_half for one in own])),
                "correlation": float(defined.mean()) if defined.size else None,
            }
        )
    return found


def _as_list(one: SourceWeight) -> list[Any]:
    name, *numbers = astuple(one)
    return [name, *map(_rounded, numbers)]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
