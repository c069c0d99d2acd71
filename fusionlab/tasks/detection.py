"""What a detector is, pictures larger than it takes, and its boxes matched with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from fusionlab.data.labels import Boxes
from fusionlab.runs.precision import OVERLAPS

MOST = 100  # boxes of one class in a picture that count (COCO)


@dataclass(frozen=True)
class Detections:
    """n boxes that a detector found in a picture.

    Args:
        corners: Left, top, right, bottom, pixels, (n, 4).
        classes: Indices into the detector's names, (n,).
        scores: How sure it is, in [0, 1], (n,).
    """

    corners: Tensor
    classes: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, chosen: Tensor) -> Detections:
        """Some of them, by number or by what is true."""
        return Detections(self.corners[chosen], self.classes[chosen], self.scores[chosen])


class Detector(nn.Module):
    """Finds objects in pictures, in evaluation mode.

    Args:
        names: Of its classes.
        side: Side of the squares that it sees; None for whole pictures.
    """

    def __init__(self, names: Sequence[str], side: int | None = None) -> None:
        super().__init__()
        self.names, self.side = tuple(names), side
        self.file: dict[str, str] = {}  # where its weights come from

    def forward(self, pictures: Tensor) -> list[Detections]:
        """Find objects.

        Args:
            pictures: (B, 3, H, W), RGB levels from 0 to 255, uint8 or float; H = W = ``side``
                where there is one.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What a result says of it: plain values."""
        raise NotImplementedError


def detect(
    detector: Detector, picture: Tensor, side: int | None, confidence: float, overlap: float
) -> Detections:
    """What a detector finds in a picture of any size.

    Convention: a picture larger than ``side`` is seen in squares that overlap by a quarter or
    more, evenly spread; a smaller one has black below and at the right. What several squares show
    is found once: of boxes of one class whose overlap is above a limit the surest stays.

    Args:
        detector: The detector.
        picture: (3, H, W) uint8, RGB.
        side: Side of the squares in the picture, pixels; None for the detector's own. Where it
            differs from the detector's own, they are resized.
        confidence: Least score.
        overlap: Limit of the overlap (IoU).
    """
    height, width = picture.shape[1:]
    if detector.side is None and side is None:
        (found,) = detector(picture[None])
        return _kept(found, (height, width), confidence, overlap)
    own = detector.side or side
    side = side or detector.side
    assert own is not None
    assert side is not None
    parts = []
    for top in starts(height, side):
        for left in starts(width, side):
            square = picture[None, :, top : top + side, left : left + side].float()
            square = nn.functional.pad(
                square, (0, side - square.shape[3], 0, side - square.shape[2])
            )
            if own != side:
                square = nn.functional.interpolate(
                    square, (own, own), mode="bilinear", antialias=True
                )
            (found,) = detector(square)
            shift = found.corners.new_tensor([left, top, left, top])
            parts.append(
                Detections(found.corners * (side / own) + shift, found.classes, found.scores)
            )
    joined = Detections(
        torch.cat([one.corners for one in parts]),
        torch.cat([one.classes for one in parts]),
        torch.cat([one.scores for one in parts]),
    )
    return _kept(joined, (height, width), confidence, overlap)


def starts(length: int, side: int) -> list[int]:
    """Where squares begin along a length, evenly spread, overlapping by a quarter or more."""
    if length <= side:
        return [0]
    count = 1 + -(-(length - side) // (side - side // 4))
    return [round(k * (length - side) / (count - 1)) for k in range(count)]


def _kept(
    found: Detections, size: tuple[int, int], confidence: float, overlap: float
) -> Detections:
    """Within the picture, sure enough, each once; the surest first."""
    height, width = size
    limits = found.corners.new_tensor([width, height, width, height])
    corners = found.corners.clamp(min=0).minimum(limits)
    sides = corners[:, 2:] - corners[:, :2]
    found = Detections(corners, found.classes, found.scores)
    found = found[(found.scores >= confidence) & (sides > 0).all(1)]
    return found[batched_nms(found.corners, found.scores, found.classes, overlap)]


def match(boxes: Boxes, found: Detections) -> tuple[np.ndarray, np.ndarray]:
    """Which of the boxes found are objects, class by class, as COCO's evaluation has it.

    Convention: by falling score each takes the object of its class that it overlaps most, at least
    by each of ten limits, 0.5 to 0.95; an ignored object may be taken often and counts neither
    way. Of one class 100 boxes count; the others are unjudged.

    Args:
        boxes: The objects, their classes numbered as those of ``found``.
        found: What was found.

    Returns:
        Whether each is an object, and whether it counts neither way: bit k is the k-th limit, both
        (n,) int.
    """
    every = (1 << len(OVERLAPS)) - 1
    hits, unjudged = np.zeros(len(found), dtype=int), np.full(len(found), every)
    for kind in found.classes.unique().tolist():
        places = (found.classes == kind).nonzero()[:, 0].numpy()
        result = _evaluated(boxes, found, kind, places)
        bits = 1 << np.arange(len(OVERLAPS))[:, None]
        chosen = places[np.array(result["dtIds"]) - 1]
        ignored = np.array(result["dtIgnore"], dtype=bool)
        hits[chosen] = ((np.array(result["dtMatches"]) > 0) * bits).sum(0)
        unjudged[chosen] = (ignored * bits).sum(0)
    return hits, unjudged


def _evaluated(boxes: Boxes, found: Detections, kind: int, places: np.ndarray) -> dict[str, Any]:
    """One class in one picture, by pycocotools; numbers begin with 1, as 0 says unmatched there."""
    from pycocotools.cocoeval import COCOeval

    truth = (boxes.classes == kind).nonzero()[:, 0].tolist()
    evaluator = COCOeval(iouType="bbox")
    evaluator._gts[0, kind] = [
        {"id": k, **_coco(boxes.corners[i]), "iscrowd": int(boxes.ignored[i]), "ignore": 0}
        | ({"ignore": 1} if boxes.ignored[i] else {})
        for k, i in enumerate(truth, 1)
    ]
    evaluator._dts[0, kind] = [
        {"id": k, **_coco(found.corners[i]), "score": float(found.scores[i])}
        for k, i in enumerate(places, 1)
    ]
    evaluator.params.maxDets = [MOST]
    evaluator.ious = {(0, kind): evaluator.computeIoU(0, kind)}
    result: dict[str, Any] = evaluator.evaluateImg(0, kind, [0, 1e10], MOST)
    return result


def _coco(corners: Tensor) -> dict[str, Any]:
    left, top, right, bottom = corners.double().tolist()
    width, height = right - left, bottom - top
    return {"bbox": [left, top, width, height], "area": width * height}
