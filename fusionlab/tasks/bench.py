"""Detection and segmentation on the bench: what looks at every method's pictures, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fusionlab.data.classes import IGNORED, plain_class
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.labels import Boxes, Labels
from fusionlab.errors import InputError
from fusionlab.runs.tasks import DETECT, SEGMENT
from fusionlab.settings.tasks import Tasks
from fusionlab.tasks.detection import Detections, Detector, detect, match
from fusionlab.tasks.files import DetectionFiles
from fusionlab.tasks.segmentation import Segmenter, count_pixels

Row = tuple[list[str], list[Any]]  # the rest of its key, its values


@dataclass
class TaskBench:
    """What is measured on the pictures besides metrics.

    Args:
        settings: The ``tasks`` group of a config.
        datasets: The data sets; those without labels are not measured.
        detector: None where nothing is detected, or ``files`` has it.
        segmenter: None where nothing is segmented.
        files: What another program's detector found, by the name of the data set.
    """

    settings: Tasks
    datasets: Sequence[FusionDataset]
    detector: Detector | None = None
    segmenter: Segmenter | None = None
    files: dict[str, DetectionFiles] = field(default_factory=dict)
    classes: dict[str, dict[str, list[str]]] = field(init=False)
    """By task and data set, the classes that count."""
    device: torch.device = field(init=False, default=torch.device("cpu"))

    def __post_init__(self) -> None:
        """Find the classes that the data and the detector or segmenter share."""
        self.classes = {}
        if self.detector is not None or self.files:
            names = None if self.detector is None else self.detector.names
            self.classes[DETECT] = self._shared(0, names, "tasks.detect", "boxes")
        if self.segmenter is not None:
            names = self.segmenter.names
            self.classes[SEGMENT] = self._shared(1, names, "tasks.segment", "masks")

    def to(self, device: torch.device) -> None:
        """Move what computes."""
        self.device = device
        for one in (self.detector, self.segmenter):
            if one is not None:
                one.to(device).eval()

    def describe(self) -> dict[str, Any]:
        """What ``summary.json`` says under ``tasks``."""
        said: dict[str, Any] = {}
        if DETECT in self.classes:
            made = self.detector or next(iter(self.files.values()))
            tile = self.settings.tile or (self.detector.side if self.detector else None)
            said[DETECT] = {**made.describe(), "classes": self.classes[DETECT], "tile": tile}
            if self.detector is not None:
                said[DETECT] |= {
                    "confidence": self.settings.confidence,
                    "overlap": self.settings.overlap,
                }
        if self.segmenter is not None:
            said[SEGMENT] = {**self.segmenter.describe(), "classes": self.classes[SEGMENT]}
        return said

    def found(
        self, dataset: FusionDataset, id_: str, labels: Labels, method: str, picture: Tensor
    ) -> list[Row]:
        """Rows of ``detections.csv`` for a picture, (3, H, W) uint8."""
        names = dataset.label_classes[0].names
        if labels.boxes is None or not self.classes.get(DETECT, {}).get(dataset.name):
            return []
        if self.detector is not None:
            found = detect(
                self.detector,
                picture,
                self.settings.tile,
                self.settings.confidence,
                self.settings.overlap,
            )
            found = _on_cpu(_renamed(found, self.detector.names, names))
        else:
            found = self.files[dataset.name](method, id_)
            found = found[found.classes >= 0]
        hits, unjudged = match(labels.boxes, found)
        return [
            (
                [str(k), names[int(found.classes[k])]],
                [
                    *(round(x, 2) for x in found.corners[k].tolist()),
                    round(float(found.scores[k]), 6),
                    *(int(hits[k]), int(unjudged[k])),
                ],
            )
            for k in range(len(found))
        ]

    def pixels(
        self, dataset: FusionDataset, labels: Labels, picture: Tensor
    ) -> tuple[list[Row], Tensor | None]:
        """Rows of ``segmentation.csv`` for a picture, and what was found by the data's classes."""
        names = self.classes.get(SEGMENT, {}).get(dataset.name)
        if labels.mask is None or not names or self.segmenter is None:
            return [], None
        scores = self.segmenter(picture[None])[0]
        to_shared = _places(self.segmenter.names, names)
        found = scores.new_tensor(to_shared, dtype=torch.int64)[scores.argmax(0)].cpu()
        every = dataset.label_classes[1].names
        own = _places(every, names)
        table = torch.full((IGNORED + 1,), IGNORED)
        table[: len(own)] = torch.tensor([k if k < len(names) else IGNORED for k in own])
        counts = count_pixels(found, table[labels.mask], len(names))
        rows: list[Row] = [([name], counts[k].tolist()) for k, name in enumerate(names)]
        shown = torch.tensor([*(every.index(name) for name in names), IGNORED])
        return rows, shown[found]

    def _shared(
        self, kind: int, names: Sequence[str] | None, setting: str, labelled: str
    ) -> dict[str, list[str]]:
        """Of each data set the names of the classes that both know.

        Raises:
            InputError: If no data set is labelled, or one shares no class.
        """
        found = {}
        for dataset in self.datasets:
            every = dataset.label_classes[kind]
            own = [name for k, name in enumerate(every.names) if k not in every.ignored]
            known = set(own) if names is None else {plain_class(name) for name in names}
            shared = [name for name in own if names is None or plain_class(name) in known]
            if own and not shared:
                raise InputError(
                    f"{setting} knows none of the classes of {dataset.name} ({', '.join(own)}); "
                    "set data.classes, or choose other weights"
                )
            if shared:
                found[dataset.name] = shared
        if not found:
            data = ", ".join(one.name for one in self.datasets)
            raise InputError(f"{setting} needs {labelled}, {data} has none; set data.labels")
        return found


def object_rows(dataset: FusionDataset, boxes: Boxes | None) -> list[Row]:
    """Rows of ``objects.csv`` for a sample; one without a class says that there are none."""
    if boxes is None:
        return []
    names = dataset.label_classes[0].names
    rows: list[Row] = [
        ([str(k), names[int(kind)]], [*(round(x, 2) for x in corners.tolist()), int(ignored)])
        for k, (corners, kind, ignored) in enumerate(
            zip(boxes.corners, boxes.classes, boxes.ignored, strict=True)
        )
    ]
    return rows or [(["", ""], [None] * 5)]


def _on_cpu(found: Detections) -> Detections:
    return Detections(found.corners.cpu(), found.classes.cpu(), found.scores.cpu())


def _renamed(found: Detections, names: Sequence[str], wanted: Sequence[str]) -> Detections:
    """With the indices of other names; boxes of classes that are not among them are left out."""
    table = found.classes.new_tensor(_places(names, wanted))
    classes = table[found.classes]
    found = Detections(found.corners, classes, found.scores)
    return found[classes < len(wanted)]


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The place of each name among others, by what both mean; their number where it has none."""
    plain = [plain_class(name) for name in wanted]
    return [
        plain.index(plain_class(name)) if plain_class(name) in plain else len(plain)
        for name in names
    ]
