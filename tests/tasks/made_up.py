"""Boxes and what a detector found of them, made up."""

import contextlib
import io

import numpy as np
import torch

from fusionlab.data.labels import Boxes, make_boxes
from fusionlab.runs.tasks import Found, Object, TaskSample
from fusionlab.tasks.detection import Detections, match

NAMES = ("person", "car", "bus")


def scenes(count=12, seed=0) -> list[tuple[Boxes, Detections]]:
    """Objects, boxes near some of them, boxes where nothing is; some pictures are empty."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        objects = 0 if number % 5 == 4 else rng.integers(1, 7)
        start = rng.uniform(0, 80, (objects, 2))
        corners = np.concatenate([start, start + rng.uniform(5, 40, (objects, 2))], 1)
        classes = rng.integers(0, 2, objects)  # no bus anywhere
        ignored = rng.random(objects) < 0.15
        seen = rng.random(objects) < 0.8
        noise = rng.normal(0, 2.0, (objects, 4))
        extra = rng.uniform(0, 80, (rng.integers(0, 4), 2))
        wrong = np.concatenate([extra, extra + rng.uniform(5, 40, extra.shape)], 1)
        guesses = np.concatenate([(corners + noise)[seen], corners[seen] + 1, wrong])
        kinds = np.concatenate([classes[seen], classes[seen], rng.integers(0, 3, len(extra))])
        scores = np.round(rng.uniform(0.05, 1, len(guesses)), 2)  # with ties
        found.append(
            (
                make_boxes(corners.tolist(), classes.tolist(), ignored.tolist()),
                Detections(
                    torch.tensor(guesses).reshape(-1, 4).float(),
                    torch.tensor(kinds, dtype=torch.int64),
                    torch.tensor(scores).float(),
                ),
            )
        )
    return found


def as_sample(number: int, boxes: Boxes, found: Detections, method="Net") -> TaskSample:
    """What the rows of a picture say."""
    hits, unjudged = match(boxes, found)
    own = [
        Found(NAMES[int(kind)], tuple(corners.tolist()), float(score), int(hits[k]), int(un))
        for k, (kind, corners, score, un) in enumerate(
            zip(found.classes, found.corners, found.scores, unjudged, strict=True)
        )
    ]
    objects = [
        Object(NAMES[int(kind)], tuple(corners.tolist()), bool(ignored))
        for kind, corners, ignored in zip(boxes.classes, boxes.corners, boxes.ignored, strict=True)
    ]
    return TaskSample(str(number), objects, {method: own}, {})


def coco_precision(pictures: list[tuple[Boxes, Detections]]) -> np.ndarray:
    """pycocotools' precision by overlap, recall and class, of all sizes and 100 boxes."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def box(corners):
        left, top, right, bottom = corners.double().tolist()
        return {"bbox": [left, top, right - left, bottom - top]}

    truth, guesses = [], []
    for number, (boxes, found) in enumerate(pictures):
        for k in range(len(boxes)):
            one = box(boxes.corners[k])
            one["area"] = one["bbox"][2] * one["bbox"][3]
            place = {"image_id": number, "category_id": int(boxes.classes[k])}
            truth.append({**one, **place, "id": len(truth) + 1, "iscrowd": int(boxes.ignored[k])})
        for k in range(len(found)):
            place = {"image_id": number, "category_id": int(found.classes[k])}
            guesses.append({**box(found.corners[k]), **place, "score": float(found.scores[k])})
    with contextlib.redirect_stdout(io.StringIO()):
        table = COCO()
        table.dataset = {
            "images": [{"id": k} for k in range(len(pictures))],
            "annotations": truth,
            "categories": [{"id": k} for k in range(len(NAMES))],
        }
        table.createIndex()
        evaluation = COCOeval(table, table.loadRes(guesses), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][:, :, :, 0, 2]
