"""What a detector and a segmenter see in the pictures of one sample, beside its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from fusionlab.data.colour import to_levels, to_rgb
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.labels import Labels
from fusionlab.evaluation.bench import Bench, original_index
from fusionlab.evaluation.conditions import Condition
from fusionlab.runs.rows import RowFile
from fusionlab.runs.run import ALONE, Sample
from fusionlab.runs.tasks import (
    FOUND,
    FOUND_COLUMNS,
    FOUND_KEY,
    OBJECTS,
    OBJECTS_COLUMNS,
    OBJECTS_KEY,
    PIXELS,
    PIXELS_COLUMNS,
    PIXELS_KEY,
)
from fusionlab.tasks.bench import Row, TaskBench, object_rows
from fusionlab.tasks.drawing import write_boxes


class Looked:
    """What was seen in the pictures of one sample so far.

    Args:
        tasks: What looks; None where labels are only shown.
        dataset: The data set.
        sample: The sample.
        labels: Its labels.
        folder: Where labels are drawn, the run folder; None for nowhere.
    """

    def __init__(
        self,
        tasks: TaskBench | None,
        dataset: FusionDataset,
        sample: Sample,
        labels: Labels,
        folder: Path | None,
    ) -> None:
        self.tasks, self.dataset, self.sample, self.labels = tasks, dataset, sample, labels
        self.folder = folder
        self.objects: list[Row] = object_rows(dataset, labels.boxes)
        self.found: list[tuple[str, Row]] = []
        self.pixels: list[tuple[str, Row]] = []
        self._draw(None, [row for row in self.objects if row[0][1]], labels.mask)

    def add(self, method: str, picture: Tensor) -> None:
        """Look at the picture of a method, (3, H, W) uint8."""
        if self.tasks is None:
            return
        dataset, labels, picture = self.dataset, self.labels, picture.to(self.tasks.device)
        found = self.tasks.found(dataset, self.sample.id, labels, method, picture)
        pixels, mask = self.tasks.pixels(dataset, labels, picture)
        self.found += [(method, row) for row in found]
        self.pixels += [(method, row) for row in pixels]
        self._draw(method, found, mask)

    def write(
        self, file: Callable[[str, Sequence[str], Sequence[str]], RowFile], place: Sequence[str]
    ) -> None:
        """Write the rows of the sample.

        Args:
            file: Opens a row file by its name, key and columns.
            place: Data, task, condition and id.
        """
        if self.objects:
            rows = [((*place, *key), values) for key, values in self.objects]
            file(OBJECTS, OBJECTS_KEY, OBJECTS_COLUMNS).append_all(rows)
        for name, key, columns, found in (
            (FOUND, FOUND_KEY, FOUND_COLUMNS, self.found),
            (PIXELS, PIXELS_KEY, PIXELS_COLUMNS, self.pixels),
        ):
            if found:
                own = [((*place, method, *rest), values) for method, (rest, values) in found]
                file(name, key, columns).append_all(own)

    def _draw(self, method: str | None, rows: list[Row], mask: Tensor | None) -> None:
        if self.folder is None or not (rows or mask is not None):
            return
        boxes, masks = self.dataset.label_classes
        objects: list[tuple[str, Sequence[Any]]] = [(key[1], values) for key, values in rows]
        size = self.dataset.sizes[self.dataset.ids.index(self.sample.id)]
        path = self.folder / self.sample.labels(method)
        write_boxes(path, size, objects, boxes, mask, masks, scored=method is not None)


def look(
    bench: Bench,
    condition: Condition,
    index: int,
    sample: Sample,
    folder: Path,
) -> Looked | None:
    """Look at the sources alone and at the pictures of folders; None where nothing is labelled.

    Args:
        bench: What is measured.
        condition: The condition.
        index: Number of the sample in the condition's data set.
        sample: What is measured of it.
        folder: The run folder.
    """
    dataset = condition.dataset
    labels = dataset.labels(index)
    if labels.boxes is None and labels.mask is None:
        return None
    place = folder if bench.pictures else None
    looked = Looked(bench.tasks, dataset, sample, labels, place)
    if bench.tasks is None:
        return looked
    if not condition.kind:
        named = zip(dataset.source_names[index], dataset.coloured(index), strict=True)
        for name, image in named:
            looked.add(name + ALONE, to_levels(to_rgb(image)))
    for one in bench.folders:
        picture = one.picture(original_index(dataset, index))
        if picture is not None:
            looked.add(one.name, to_levels(to_rgb(picture)))
    return looked
