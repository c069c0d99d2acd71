"""What detectors and segmenters learn from: square pieces of labelled samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.classes import IGNORED, ClassSet, plain_class
from fusionlab.data.crops import ENDLESS
from fusionlab.data.dataset import FusionDataset, make_sample
from fusionlab.data.labels import Boxes, Labels, make_boxes, object_labels
from fusionlab.data.scenes import Scene

LEAST_LEFT = 0.3  # share of a box that a piece must hold for it to be learnt
SCALES = (0.6, 1.5)  # of a sample, before it is cut
MOST = 64  # boxes in a piece

Draw = Callable[[int, np.random.Generator], tuple[dict[str, Any], Labels]]


class LabelledPieces(Dataset[dict[str, Any]]):
    """Pieces of labelled samples, without end; half of them mirrored.

    Item i is drawn from a generator seeded with (seed, i) alone: workers, processes and the order
    of access change nothing.

    Args:
        name: What the samples are called in results.
        draw: From the number of an item and its generator to a sample and its labels.
        side: Side S of the pieces.
        seed: Another seed gives other pieces.
        is_cut: Whether samples are resized and cut at random; else they have side S.
    """

    def __init__(
        self, name: str, draw: Draw, side: int, seed: int = 0, is_cut: bool = True
    ) -> None:
        self.name, self.draw, self.side = name, draw, side
        self.seed, self.is_cut = seed, is_cut

    def __len__(self) -> int:
        return ENDLESS

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A piece.

        Returns:
            ``index``; ``sources`` (M, C, S, S) and ``chroma`` (2, S, S), as of a sample;
            ``corners`` (64, 4), ``kinds`` (64,), −1 for none, and ``ignored`` (64,); ``mask``
            (S, S) int64, 255 where nothing is labelled.
        """
        rng = np.random.default_rng((self.seed, index, 1))
        sample, labels = self.draw(index, rng)
        images = torch.cat([sample["sources"].flatten(0, 1), sample["chroma"]])
        mask = labels.mask
        if mask is None:
            mask = torch.full(images.shape[1:], IGNORED)
        boxes = labels.boxes if labels.boxes is not None else make_boxes([], [], [])
        if self.is_cut:
            images, mask, boxes = _cut(images, mask, boxes, self.side, rng)
        if rng.random() < 0.5:
            images, mask, boxes = images.flip(2), mask.flip(1), _mirrored(boxes, self.side)
        count, channels = sample["sources"].shape[:2]
        return {
            "index": index,
            "sources": images[:-2].unflatten(0, (count, channels)),
            "chroma": images[-2:],
            "mask": mask,
            **_padded(boxes),
        }

    def describe(self) -> dict[str, Any]:
        """What a result says of them."""
        return {"name": self.name}


class LabelledScenes(FusionDataset):
    """Made scenes as a data set, to validate on or to evaluate with.

    Args:
        name: What they are called in results.
        make: From a number to a scene.
        numbers: Of the scenes; those to learn from should have others, or another seed.
        classes: The classes of boxes, and of masks.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[int], Scene],
        numbers: Sequence[int],
        classes: tuple[ClassSet, ClassSet],
    ) -> None:
        self.scenes = [make(number) for number in numbers]
        super().__init__(name, self.scenes[0].task)
        self.classes = classes
        self.ids = [scene.id for scene in self.scenes]
        self.source_names = [scene.source_names for scene in self.scenes]
        shapes = (scene.sources[0].shape for scene in self.scenes)
        self.sizes = [(shape[1], shape[2]) for shape in shapes]

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The tensors of a scene."""
        return list(self.scenes[index].sources), None

    def labels(self, index: int) -> Labels:
        """Where the code drew objects."""
        return object_labels(self.scenes[index].objects, *self.classes)

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """As given."""
        return self.classes

    def describe(self) -> dict[str, Any]:
        """Name, task and ids."""
        names = list(self.source_names[0])
        return {"name": self.name, "task": self.task, "source_names": names, "ids": self.ids}


def of_scenes(make: Callable[[int], Scene], boxes: ClassSet, masks: ClassSet) -> Draw:
    """Draws the scenes that a function makes of numbers."""

    def draw(index: int, rng: np.random.Generator) -> tuple[dict[str, Any], Labels]:
        scene = make(index)
        sample = make_sample(list(scene.sources), scene.source_names, scene.task, scene.id)
        return sample, object_labels(scene.objects, boxes, masks)

    return draw


def of_dataset(dataset: FusionDataset, chosen: Sequence[int], tables: Sequence[Tensor]) -> Draw:
    """Draws samples at random.

    Args:
        dataset: The data set.
        chosen: Numbers of its labelled samples.
        tables: From the data's classes of boxes, and of masks, to those that are learnt.
    """
    box_table, mask_table = tables

    def draw(index: int, rng: np.random.Generator) -> tuple[dict[str, Any], Labels]:
        number = chosen[int(rng.integers(len(chosen)))]
        sample, labels = dataset[number], dataset.labels(number)
        return sample, renamed(labels, box_table, mask_table)

    return draw


def renamed(labels: Labels, box_table: Tensor, mask_table: Tensor) -> Labels:
    """Labels with other indices of classes; boxes of −1 are left out."""
    boxes, mask = labels.boxes, labels.mask
    if boxes is not None:
        classes = box_table[boxes.classes]
        kept = classes >= 0
        boxes = Boxes(boxes.corners[kept], classes[kept], boxes.ignored[kept])
    return Labels(boxes, None if mask is None else mask_table[mask])


def class_table(names: Sequence[str], wanted: Sequence[str], other: int) -> Tensor:
    """The index of each name among others, by what both mean; ``other`` where it has none."""
    plain = [plain_class(name) for name in wanted]
    found = [plain.index(plain_class(n)) if plain_class(n) in plain else other for n in names]
    return torch.tensor([*found, *[other] * (IGNORED + 1 - len(found))])


def boxes_of(batch: dict[str, Any]) -> list[Boxes]:
    """The boxes of a batch of pieces."""
    every = zip(batch["corners"], batch["kinds"], batch["ignored"], strict=True)
    return [
        Boxes(corners[kinds >= 0], kinds[kinds >= 0], ignored[kinds >= 0])
        for corners, kinds, ignored in every
    ]


def _cut(
    images: Tensor, mask: Tensor, boxes: Boxes, side: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Boxes]:
    """A random square of an image resized at random; black where it is smaller."""
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    size = [max(1, round(scale * length)) for length in images.shape[1:]]
    images = F.interpolate(images[None], size, mode="bilinear", antialias=True)[0]
    mask = F.interpolate(mask[None, None].float(), size, mode="nearest")[0, 0].long()
    top, left = (int(rng.integers(max(0, length - side) + 1)) for length in size)
    below, beside = (max(0, side - length) for length in size)
    images = F.pad(images, (0, beside, 0, below))[:, top : top + side, left : left + side]
    mask = F.pad(mask, (0, beside, 0, below), value=IGNORED)
    mask = mask[top : top + side, left : left + side]
    shift = boxes.corners.new_tensor([left, top, left, top])
    whole = boxes.corners * scale - shift
    corners = whole.clamp(0, side)
    left_over = _areas(corners) / _areas(whole).clamp(min=1e-6)
    kept = (left_over > 0) & ((corners[:, 2:] - corners[:, :2]) >= 1).all(1)
    ignored = boxes.ignored | (left_over < LEAST_LEFT)
    return images, mask, Boxes(corners[kept], boxes.classes[kept], ignored[kept])


def _areas(corners: Tensor) -> Tensor:
    return (corners[:, 2:] - corners[:, :2]).clamp(min=0).prod(1)


def _mirrored(boxes: Boxes, side: int) -> Boxes:
    left, top, right, bottom = boxes.corners.unbind(1)
    corners = torch.stack([side - right, top, side - left, bottom], dim=1)
    return Boxes(corners, boxes.classes, boxes.ignored)


def _padded(boxes: Boxes) -> dict[str, Tensor]:
    count = min(MOST, len(boxes))
    corners, kinds = torch.zeros(MOST, 4), torch.full((MOST,), -1)
    ignored = torch.zeros(MOST, dtype=torch.bool)
    corners[:count], kinds[:count] = boxes.corners[:count], boxes.classes[:count]
    ignored[:count] = boxes.ignored[:count]
    return {"corners": corners, "kinds": kinds, "ignored": ignored}
