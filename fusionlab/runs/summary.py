"""The results of a run: every number that a table, a report or a tracker prints.

They are computed here, from the rows, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fusionlab.runs.run import (
    RD_COLUMNS,
    THEOREM_OF_IMAGE,
    THEOREM_OF_SOURCE,
    Method,
    Run,
    Sample,
)
from fusionlab.runs.statistics import (
    compare,
    cost,
    defined_mean,
    finite_mean,
    mean_ranks,
    p_against,
)
from fusionlab.runs.tasks import summarise_tasks

FEWEST_RANKED = 2  # methods that fuse, from which on they are ranked


def summarise(run: Run, finished: bool = True) -> list[dict[str, Any]]:
    """The results by data set and condition, over the samples that are done.

    Each is a dictionary: ``data`` and ``task``; ``condition``, ``kind`` and ``level`` (of a
    condition that comes in levels) and ``draws``, whose mean is the value of an image; ``images``
    and ``ids``, those that every method has fused; ``images_of`` each method; ``methods`` in the
    order of the tables; by method and metric ``means``, ``counts`` (of images for which the metric
    is defined and finite), where some are not ``infinite`` (their ids), and ``mean_ranks``;
    ``best`` by metric and ``p_against_best``; ``overall_rank`` and
    ``median_ms_per_image`` and ``peak_megabytes`` by method; ``differences`` of each network with
    TTD from the same without; ``rd`` by method and source; ``theorem`` by method, where it was
    measured; ``tasks``, see
    :func:`~fusionlab.runs.tasks.summarise_tasks`, whose values stand among the means too.

    Args:
        run: The run.
        finished: Whether intervals and tests are computed, which takes seconds.
    """
    results = []
    for data in run.about["data"]:
        for group in _groups(run.about["conditions"]):
            names = [condition["name"] for condition in group]
            samples = [
                sample
                for sample in run.samples
                if sample.data == data["name"] and sample.condition in names
            ]
            if samples:
                place = {"data": data["name"], "task": data["task"], **_condition(group)}
                results.append({**place, **_result(run, data, samples, finished)})
    return results


def values_of(
    samples: Sequence[Sample], ids: Sequence[str], method: str, metric: str
) -> np.ndarray:
    """One value per image, (N,), the mean over its draws; NaN where the metric is not defined."""
    return _by_image(samples, ids, lambda one: one.values.get(method, {}).get(metric, np.nan))


def _groups(conditions: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for condition in conditions:
        groups.setdefault(condition["group"], []).append(condition)
    return list(groups.values())


def _condition(draws: list[dict[str, Any]]) -> dict[str, Any]:
    first = draws[0]
    return {
        "condition": first["group"],
        "kind": first["kind"],
        "level": first["level"],
        "draws": len(draws),
    }


def _result(
    run: Run, data: dict[str, Any], samples: list[Sample], finished: bool
) -> dict[str, Any]:
    present = {name for sample in samples for name in sample.values}
    methods = [method for method in run.methods if method.name in present]
    fused = [method.name for method in methods if method.is_fused]
    samples = [one for one in samples if all(name in one.values for name in fused)]
    ids = list(dict.fromkeys(sample.id for sample in samples))
    table = {
        method.name: {name: values_of(samples, ids, method.name, name) for name in run.metrics}
        for method in methods
    }
    tasks = _tasks(run, data, samples, methods, finished)
    times = {method.name: _times(samples, ids, method.name) for method in methods}
    result = {
        "registration": data.get("registration", []),
        "images": len(ids),
        "ids": ids,
        "methods": [method.name for method in methods],
        "images_of": {
            method.name: len({one.id for one in samples if method.name in one.values})
            for method in methods
        },
        "means": _each(table, finite_mean),
        "counts": _each(table, _counted),
        "infinite": _infinite(table, ids),
        "median_ms_per_image": {
            name: float(np.nanmedian(found))
            for name, found in times.items()
            if not np.isnan(found).all()
        },
        "peak_megabytes": {
            name: max(found) for name, found in _megabytes(samples).items() if name in table
        },
        "differences": {
            method.name: {
                name: asdict(
                    compare(
                        table[method.base][name],
                        table[method.name][name],
                        run.higher_is_better[name],
                        interval=finished,
                    )
                )
                for name in run.metrics
            }
            for method in methods
            if method.base in table
        },
        **_ranking(run, methods, table, finished),
        "rd": _of_sources(data, samples, methods, "rd", RD_COLUMNS),
        "theorem": _theorem(data, samples, methods),
        "tasks": tasks,
    }
    _add_tasks(result, tasks)
    return result


def _tasks(
    run: Run, data: dict[str, Any], samples: list[Sample], methods: list[Method], finished: bool
) -> dict[str, Any]:
    """What detection and segmentation found, where something looked."""
    classes = {
        task: said["classes"][data["name"]]
        for task, said in run.about.get("tasks", {}).items()
        if data["name"] in said["classes"]
    }
    first = next((m.name for m in methods if m.source == data["source_names"][0]), "")
    bases = {method.name: method.base for method in methods if method.base is not None}
    names = [method.name for method in methods]
    own = [sample.tasks for sample in samples]
    return summarise_tasks(classes, own, names, bases, first, finished)


def _add_tasks(result: dict[str, Any], tasks: dict[str, Any]) -> None:
    """Put the values of tasks, which belong to the whole set of images, among the means."""
    for found in tasks.values():
        for method, by_class in found["values"].items():
            result["means"][method] |= by_class[""]
            result["counts"][method] |= dict.fromkeys(by_class[""], found["images"])
        for method, by_column in found["differences"].items():
            for column, one in by_column.items():
                result["differences"][method][column] = {**one, "improved": float("nan")}


def _counted(values: np.ndarray) -> int:
    """How many values a mean is over."""
    finite = int(np.isfinite(values).sum())
    return finite or int((~np.isnan(values)).sum())


def _infinite(
    table: dict[str, dict[str, np.ndarray]], ids: Sequence[str]
) -> dict[str, dict[str, list[str]]]:
    """By method and metric the images with an infinite value, where there are any."""
    found = {
        method: {
            metric: [ids[int(k)] for k in np.flatnonzero(np.isinf(values))]
            for metric, values in columns.items()
            if np.isinf(values).any()
        }
        for method, columns in table.items()
    }
    return {method: own for method, own in found.items() if own}


def _times(samples: Sequence[Sample], ids: Sequence[str], method: str) -> np.ndarray:
    return _by_image(samples, ids, lambda one: one.milliseconds.get(method))


def _megabytes(samples: Sequence[Sample]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.megabytes.items():
            found.setdefault(name, []).append(value)
    return found


def _each(
    table: dict[str, dict[str, np.ndarray]], function: Callable[[np.ndarray], Any]
) -> dict[str, dict[str, Any]]:
    return {
        method: {metric: function(values) for metric, values in columns.items()}
        for method, columns in table.items()
    }


def _by_image(
    samples: Sequence[Sample], ids: Sequence[str], value: Callable[[Sample], float | None]
) -> np.ndarray:
    found: dict[str, list[float]] = {id_: [] for id_ in ids}
    for sample in samples:
        one = value(sample)
        found[sample.id].append(np.nan if one is None else one)
    return np.array([np.mean(values) if values else np.nan for values in found.values()])


def _ranking(
    run: Run, methods: list[Method], table: dict[str, dict[str, np.ndarray]], finished: bool
) -> dict[str, Any]:
    """Ranks among the methods that fuse, over the images that all of them have."""
    names = [method.name for method in methods if method.is_fused]
    empty: dict[str, Any] = {"mean_ranks": {}, "overall_rank": {}, "best": {}, "p_against_best": {}}
    if len(names) < FEWEST_RANKED or not finished:
        return empty
    ranks, p = {}, {}
    best: dict[str, str | None] = {}
    for metric, higher in run.higher_is_better.items():
        values = np.stack([table[name][metric] for name in names])
        costs = cost(values, higher)
        ranks[metric] = mean_ranks(costs)
        if np.isnan(ranks[metric]).all():
            best[metric], p[metric] = None, np.full(len(names), np.nan)
            continue
        first = int(np.nan_to_num(ranks[metric], nan=np.inf).argmin())
        best[metric], p[metric] = names[first], p_against(first, costs)

    def by_method(columns: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
        return {
            name: {metric: float(column[k]) for metric, column in columns.items()}
            for k, name in enumerate(names)
        }

    mean = {
        name: defined_mean(np.array(list(own.values()))) for name, own in by_method(ranks).items()
    }
    return {
        "mean_ranks": by_method(ranks),
        "overall_rank": mean,
        "best": best,
        "p_against_best": by_method(p),
    }


def _of_sources(
    data: dict[str, Any],
    samples: list[Sample],
    methods: list[Method],
    name: str,
    columns: Sequence[str],
) -> dict[str, dict[str, dict[str, float]]]:
    """By method and source: the number of images, means, and of RD the extremes."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for method in methods:
        lines = [(one.id, getattr(one, name).get(method.name, {})) for one in samples]
        sources = _in_order(data["source_names"], (one for _, line in lines for one in line))
        for source in sources:
            own = [line[source] for _, line in lines if source in line]
            numbers = {column: _column(own, column) for column in columns}
            numbers = {k: v for k, v in numbers.items() if not np.isnan(v).all()}
            extremes = {"low": np.nanmin, "high": np.nanmax} if name == "rd" else {}
            found.setdefault(method.name, {})[source] = {
                "images": len({id_ for id_, line in lines if source in line}),  # once over draws
                **{k: float(extremes.get(k, defined_mean)(v)) for k, v in numbers.items()},
            }
    return found


def _theorem(
    data: dict[str, Any], samples: list[Sample], methods: list[Method]
) -> dict[str, dict[str, Any]]:
    """By method: means of each source, and of each image; shares where a value is 1 or 0."""
    sources = _of_sources(data, samples, methods, "theorem", THEOREM_OF_SOURCE)
    found = {}
    for method, own in sources.items():
        measured = [one.theorem[method] for one in samples if method in one.theorem]
        lines = [next(iter(by_source.values())) for by_source in measured]
        means = {column: _column(lines, column) for column in THEOREM_OF_IMAGE}
        known = ~np.isnan(means["dynamic_is_lower"])
        found[method] = {
            "images": int(known.sum()),
            "sources": own,
            **{k: defined_mean(v) for k, v in means.items() if not np.isnan(v).all()},
        }
    return found


def _column(lines: Iterable[dict[str, float]], column: str) -> np.ndarray:
    return np.array([line.get(column, np.nan) for line in lines])


def _in_order(declared: list[str], present: Iterable[str]) -> list[str]:
    """The names that are present, those first that the data declare: samples may have others."""
    found = dict.fromkeys(present)
    first = [one for one in declared if one in found]
    return [*first, *(one for one in found if one not in declared)]
