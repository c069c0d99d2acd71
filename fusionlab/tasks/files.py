"""What another program's detector found, read from files: COCO JSON or YOLO text per method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fusionlab.console import note
from fusionlab.data.box_files import FoundBox, read_found_table, read_text
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.folder import FolderDataset
from fusionlab.errors import InputError
from fusionlab.runs.folder import file_stem
from fusionlab.tasks.detection import Detections


class DetectionFiles:
    """The files of every method, checked.

    Convention: ``METHOD.json`` is a list of COCO results; ``image_id`` is the name of a sample, or
    its number where the name is one; ``category_id`` that of the COCO JSON with the labels, else
    the index of the class from 0. ``METHOD/ID.txt`` is YOLO text with scores, classes by index; a
    picture without a file has no boxes, as YOLO's programs leave it out. METHOD is the name in the
    tables, as its folder of pictures has it.

    Args:
        folder: The folder.
        methods: Names of the methods.
        dataset: The samples and their labels.

    Raises:
        InputError: If a method has no file, or a file does not fit the samples and classes.
    """

    def __init__(self, folder: Path, methods: Sequence[str], dataset: FusionDataset) -> None:
        if not folder.is_dir():
            raise InputError(f"no folder {folder}; set tasks.detections to one")
        self.folder, self.dataset = folder, dataset
        self.names = dataset.label_classes[0].names
        self.found = {method: self._open(method) for method in methods}

    def __call__(self, method: str, id_: str) -> Detections:
        """What was found in a picture."""
        found = self.found[method].get(id_, [])
        return Detections(
            torch.tensor(np.array([one.corners for one in found]).reshape(-1, 4)).float(),
            torch.tensor([int(one.kind) for one in found], dtype=torch.int64),
            torch.tensor([one.score for one in found]),
        )

    def describe(self) -> dict[str, Any]:
        """The folder."""
        return {"name": "boxes of another program", "path": str(self.folder.resolve())}

    def _open(self, method: str) -> dict[str, list[FoundBox]]:
        stems = dict.fromkeys((method, file_stem(method)))
        for stem in stems:
            if (table := self.folder / f"{stem}.json").is_file():
                return self._of_table(table)
            if (texts := self.folder / stem).is_dir():
                return self._of_texts(texts)
        stem = file_stem(method)
        raise InputError(
            f"no {stem}.json and no folder {stem} in {self.folder}; run the detector on the "
            f"pictures of {method}"
        )

    def _of_table(self, path: Path) -> dict[str, list[FoundBox]]:
        known = {id_.casefold(): id_ for id_ in self.dataset.ids}
        known |= {str(int(id_)): id_ for id_ in self.dataset.ids if id_.isdecimal()}
        reader = self.dataset.label_reader if isinstance(self.dataset, FolderDataset) else None
        categories = reader.categories if reader else {}
        found: dict[str, list[FoundBox]] = {}
        for image, number, box in read_found_table(path):
            id_ = known.get(Path(image).stem.casefold(), known.get(image.casefold()))
            if id_ is None:
                raise InputError(f"{path} has boxes of {image}, which is no sample")
            if categories:
                if number not in categories:
                    raise InputError(f"{path} has the category_id {number}, the labels have not")
                name = categories[number]
                number = self.names.index(name) if name in self.names else -1
            else:
                self._check_number(path, number)
            found.setdefault(id_, []).append(FoundBox(number, box.corners, score=box.score))
        return found

    def _of_texts(self, folder: Path) -> dict[str, list[FoundBox]]:
        files = {path.stem.casefold(): path for path in sorted(folder.glob("*.txt"))}
        found: dict[str, list[FoundBox]] = {}
        for id_, (height, width) in zip(self.dataset.ids, self.dataset.sizes, strict=True):
            if (path := files.get(id_.casefold())) is None:
                continue
            found[id_] = []
            for one in read_text(path, scored=True):
                self._check_number(path, int(one.kind))
                corners = np.array(one.corners) * (width, height, width, height)
                left, top, right, bottom = corners.tolist()
                found[id_].append(FoundBox(one.kind, (left, top, right, bottom), score=one.score))
        if not found:
            raise InputError(f"{folder} has no text file of any sample")
        lacking = len(self.dataset) - len(found)
        if lacking:
            note(f"{folder}: {lacking} of {len(self.dataset)} samples have no file, so no boxes")
        return found

    def _check_number(self, path: Path, number: int) -> None:
        reader = self.dataset.label_reader if isinstance(self.dataset, FolderDataset) else None
        if reader is not None and not reader.is_numbered:
            raise InputError(
                f"{path} has classes by number, the labels by name; set data.classes to the names "
                "in the detector's order"
            )
        if not 0 <= number < len(self.names):
            raise InputError(
                f"{path} has the class {number}, known are 0 to {len(self.names) - 1} "
                f"({', '.join(self.names)})"
            )
