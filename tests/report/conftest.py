"""Summaries of values that can be told by hand, without files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fusionlab.runs.run import ALONE, Method, Run, Sample
from fusionlab.runs.summary import summarise

Summary = tuple[dict[str, Any], dict[str, Any]]
NAN = float("nan")


def method_of(name: str) -> Method:
    """A method as its name says: ``vi alone``, ``Net+TTD`` of ``Net``, or ``Net``."""
    if name.endswith(ALONE):
        return Method(name, "source", source=name.removesuffix(ALONE))
    base, plus, _ = name.partition("+TTD")
    return Method(name, "ttd", base=base) if plus else Method(name, "network")


def summary_of(
    values: Mapping[str, Sequence[Sequence[float] | None]],
    metrics: Mapping[str, str],
    times: Mapping[str, Sequence[float]] | None = None,
    theorem: Mapping[str, Sequence[dict[str, dict[str, float]]]] | None = None,
) -> Summary:
    """What a run of these values says: ``about`` and its only result.

    Args:
        values: For each method, the metrics of every image; None where it has none.
        metrics: Directions by name; those ending in ``_truth`` are of the ground truth.
        times: Milliseconds by method and image.
        theorem: For each method, what was measured on every image, by source.
    """
    count = len(next(iter(values.values())))
    ids = [f"{k:02}" for k in range(count)]
    methods = [method_of(name) for name in values]
    about = {
        "methods": [vars(method) for method in methods],
        "metrics": {
            name: {"direction": way, "convention": "", "truth": name.endswith("_truth")}
            for name, way in metrics.items()
        },
        "data": [{"name": "pairs", "task": "vif", "source_names": ["vi", "ir"], "ids": ids}],
        "conditions": [{"name": "", "group": "", "kind": "", "level": None}],
        "settings": {},
        "results": [],
    }
    samples = [Sample("pairs", "vif", "", id_) for id_ in ids]
    for name, columns in values.items():
        for sample, column in zip(samples, columns, strict=True):
            if column is not None:
                sample.values[name] = dict(zip(metrics, column, strict=True))
    for name, own in (times or {}).items():
        for sample, time in zip(samples, own, strict=True):
            sample.milliseconds[name] = time
    for name, measured in (theorem or {}).items():
        for sample, one in zip(samples, measured, strict=True):
            sample.theorem[name] = one
    (result,) = summarise(Run(Path(), about, methods, list(metrics), samples))
    about["results"] = [result]
    return about, result


@pytest.fixture
def summary() -> Summary:
    """Three images, EN, CE and the PSNR to a truth; TTD gains 1 in EN, 2 in CE, loses 1 dB."""
    static = [[1.0, 10.0, 30.0], [2.0, 12.0, 40.0], [3.0, 14.0, 50.0]]
    dynamic = [[en + 1, ce - 2, psnr - 1] for en, ce, psnr in static]
    values = {"vi alone": [[5.0, NAN, 20.0]] * 3, "IFCNN": static, "IFCNN+TTD": dynamic}
    times = {"IFCNN": [900.0, 3.0, 5.0], "IFCNN+TTD": [9.0, 9.0, 9.0]}
    return summary_of(values, {"EN": "higher", "CE": "lower", "PSNR_truth": "higher"}, times)
