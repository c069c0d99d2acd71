"""What detectors and segmenters found in the pictures of a run: rows, and their summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fusionlab.runs.precision import (
    DETECTION,
    OVERLAP,
    OVERLAPS,
    Matches,
    detection_values,
    interval,
    overlap_values,
    resample_weights,
    resampled,
)

OBJECTS, FOUND, PIXELS, PER_CLASS = (
    *("objects.csv", "detections.csv", "segmentation.csv"),
    "per_class.csv",
)
PLACE = ("data", "task", "condition", "id")
OBJECTS_KEY = (*PLACE, "number", "class")
FOUND_KEY = (*PLACE, "method", "number", "class")
PIXELS_KEY = (*PLACE, "method", "class")
CORNERS = ("left", "top", "right", "bottom")
OBJECTS_COLUMNS = (*CORNERS, "ignored")
FOUND_COLUMNS = (*CORNERS, "score", "hits", "unjudged")
PIXELS_COLUMNS = ("right", "wrong", "missed")
DETECT, SEGMENT = "detect", "segment"
COLUMNS = {DETECT: DETECTION, SEGMENT: (OVERLAP,)}


CONVENTIONS = {
    "P": "precision at IoU 0.5 and the score of the highest mean F1",
    "R": "recall at IoU 0.5 and the same score",
    "mAP50": "COCO's average precision at IoU 0.5, mean over the classes",
    "mAP50-95": "COCO's average precision, mean over IoU 0.5 to 0.95 and the classes",
    OVERLAP: "intersection over union of the pixels of all images, mean over the classes",
}


class Object(NamedTuple):
    """A labelled object.

    Args:
        kind: Name of its class.
        corners: Left, top, right, bottom, pixels.
        ignored: Whether it may be found or not.
    """

    kind: str
    corners: tuple[float, ...]
    ignored: bool


class Found(NamedTuple):
    """What a detector found.

    Args:
        kind: Name of its class.
        corners: Left, top, right, bottom, pixels.
        score: How sure it is, 0 to 1.
        hits: Bit k is set where it is an object by the k-th of the overlaps.
        unjudged: Bit k is set where it counts neither way.
    """

    kind: str
    corners: tuple[float, ...]
    score: float
    hits: int
    unjudged: int


class TaskSample(NamedTuple):
    """What was found in the pictures of one sample.

    Args:
        id: Its name.
        objects: Those that are labelled; None where nobody looked.
        found: By method.
        pixels: Right, wrong and missed by method and class.
    """

    id: str
    objects: list[Object] | None
    found: Mapping[str, list[Found]]
    pixels: Mapping[str, Mapping[str, tuple[float, float, float]]]


def read_object(line: Mapping[str, str]) -> Object:
    """A row of ``objects.csv``."""
    return Object(line["class"], _corners(line), line["ignored"] == "1")


def read_found(line: Mapping[str, str]) -> Found:
    """A row of ``detections.csv``."""
    bits = int(line["hits"]), int(line["unjudged"])
    return Found(line["class"], _corners(line), float(line["score"]), *bits)


def read_pixels(line: Mapping[str, str]) -> tuple[float, float, float]:
    """A row of ``segmentation.csv``."""
    right, wrong, missed = (float(line[name]) for name in PIXELS_COLUMNS)
    return right, wrong, missed


def task_metrics(tasks: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What a result says of the columns of its tasks, as of metrics."""
    return {
        name: {"direction": "higher", "convention": CONVENTIONS[name], "truth": False, "task": task}
        for task in tasks
        for name in COLUMNS[task]
    }


def summarise_tasks(
    about: Mapping[str, Sequence[str]],
    samples: Sequence[TaskSample],
    methods: Sequence[str],
    bases: Mapping[str, str],
    first: str,
    finished: bool,
) -> dict[str, Any]:
    """By task: values, intervals and differences of every method.

    Convention: a value belongs to the whole set of images; intervals are percentiles of it over
    1,000 resamples of the images, the same for all methods, so that differences are paired.

    Args:
        about: By task, the names of the classes that count.
        samples: What was found, of several draws all.
        methods: Names of the methods.
        bases: Of a method with TTD, the method without.
        first: The method that is the first source alone; every other one is compared with it.
        finished: Whether intervals are computed, which takes seconds.

    Returns:
        By task ``images``; ``values`` and ``intervals`` by method, class ("" for all) and column;
        ``counts`` of labelled objects by class; ``differences`` from the base and ``from_first``
        by method and column: mean, low, high, images.
    """
    results = {}
    for task, classes in about.items():
        tables: dict[str, Callable[[np.ndarray], dict[str, dict[str, float]]]] = {}
        measured = [one for one in samples if _labelled(one, task)]
        ids = list(dict.fromkeys(one.id for one in measured))
        for method in methods:
            if measured and all(_has(one, task, method) for one in measured):
                tables[method] = _table(task, measured, ids, method, list(classes))
        if tables:
            counts = _counts(measured, classes) if task == DETECT else {}
            results[task] = {
                "images": len(ids),
                "counts": counts,
                **_compared(tables, COLUMNS[task], len(ids), bases, first, finished),
            }
    return results


def class_rows(results: Sequence[dict[str, Any]]) -> list[list[Any]]:
    """The lines of ``per_class.csv``: heading, then every value with its interval."""
    head = ["data", "task", "condition", "method", "class", "objects", "metric", "value"]
    lines: list[list[Any]] = [[*head, "low", "high"]]
    for result in results:
        for task, found in result.get("tasks", {}).items():
            for method, by_class in found["values"].items():
                for kind, values in by_class.items():
                    for column, value in values.items():
                        name = {"": column}.get(kind, column.removeprefix("m"))
                        ends = found["intervals"].get(method, {}).get(kind, {}).get(column, ())
                        place = [result["data"], task, result["condition"], method, kind]
                        count = found["counts"].get(kind, "")
                        lines.append([*place, count, name, value, *ends])
    return lines


def _corners(line: Mapping[str, str]) -> tuple[float, ...]:
    return tuple(float(line[name]) for name in CORNERS)


def _labelled(sample: TaskSample, task: str) -> bool:
    return sample.objects is not None if task == DETECT else bool(sample.pixels)


def _has(sample: TaskSample, task: str, method: str) -> bool:
    return method in (sample.found if task == DETECT else sample.pixels)


def _counts(samples: Sequence[TaskSample], classes: Sequence[str]) -> dict[str, int]:
    kinds = [one.kind for sample in samples for one in sample.objects or () if not one.ignored]
    return {"": sum(kind in classes for kind in kinds), **{k: kinds.count(k) for k in classes}}


def _table(
    task: str, samples: Sequence[TaskSample], ids: list[str], method: str, classes: list[str]
) -> Callable[[np.ndarray], dict[str, dict[str, float]]]:
    """From the weights of the images to the values by class and column."""
    place = {id_: k for k, id_ in enumerate(ids)}
    if task == DETECT:
        matches = {kind: _matches(samples, place, method, kind) for kind in classes}
        return partial(detection_values, matches)
    counts = np.zeros((len(ids), len(classes), 3))
    for sample in samples:
        for k, kind in enumerate(classes):
            counts[place[sample.id], k] += sample.pixels[method].get(kind, (0, 0, 0))

    def values(weights: np.ndarray) -> dict[str, dict[str, float]]:
        found = overlap_values(counts, classes, weights)
        return {kind: {OVERLAP: value} for kind, value in found.items()}

    return values


def _matches(
    samples: Sequence[TaskSample], place: Mapping[str, int], method: str, kind: str
) -> Matches:
    objects = np.zeros(len(place))
    images, found = [], []
    for sample in samples:
        own = [one for one in sample.found[method] if one.kind == kind]
        found += own
        images += [place[sample.id]] * len(own)
        objects[place[sample.id]] += sum(
            one.kind == kind and not one.ignored for one in sample.objects or ()
        )
    bits = 1 << np.arange(len(OVERLAPS))[:, None]
    hits, unjudged = (
        (np.array([one[k] for one in found], dtype=int)[None] & bits) > 0 for k in (3, 4)
    )
    scores = np.array([one.score for one in found])
    return Matches(np.array(images, dtype=int), scores, hits, unjudged, objects).ordered()


def _compared(
    tables: Mapping[str, Callable[[np.ndarray], dict[str, dict[str, float]]]],
    columns: Sequence[str],
    images: int,
    bases: Mapping[str, str],
    first: str,
    finished: bool,
) -> dict[str, Any]:
    """Values, their intervals, and the differences between methods."""
    ones = np.ones(images)
    values = {method: table(ones) for method, table in tables.items()}
    draws: dict[str, dict[str, np.ndarray]] = {}
    if finished and images > 1:
        weights = resample_weights(images)
        draws = {m: resampled(partial(_flat, table), weights) for m, table in tables.items()}

    def difference(method: str, other: str) -> dict[str, dict[str, float]]:
        found = {}
        for column in columns:
            mean = values[method][""][column] - values[other][""][column]
            low = high = float("nan")
            if draws:
                key = _key("", column)
                low, high = interval(draws[method][key] - draws[other][key])
            found[column] = {"mean": mean, "low": low, "high": high, "images": images}
        return found

    return {
        "values": values,
        "intervals": {
            method: {
                kind: {
                    one: list(interval(draws[method][_key(kind, one)]))
                    for one in own
                    if _key(kind, one) in draws[method]
                }
                for kind, own in values[method].items()
            }
            for method in draws
        },
        "differences": {m: difference(m, b) for m, b in bases.items() if {m, b} <= tables.keys()},
        "from_first": {
            method: difference(method, first)
            for method in tables
            if method != first and first in tables
        },
    }


def _key(kind: str, column: str) -> str:
    return f"{kind}\0{column}"


def _flat(
    table: Callable[[np.ndarray], dict[str, dict[str, float]]], weights: np.ndarray
) -> dict[str, float]:
    found = table(weights)
    return {_key(kind, name): v for kind, own in found.items() for name, v in own.items()}
