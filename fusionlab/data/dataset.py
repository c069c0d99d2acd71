"""What a data set of M co-registered sources is, and its samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fusionlab.data.classes import ClassSet
from fusionlab.data.colour import grey_levels, merge_chroma, to_chroma, to_luma, to_rgb
from fusionlab.data.labels import Labels
from fusionlab.data.layouts.roles import INFRARED, role_of, roles_of
from fusionlab.errors import InputError

COLOURED = 0.02  # mean distance from neutral of an image that is coloured on purpose


class FusionDataset(Dataset):
    """Samples of M sources, as a network, a metric and a viewer want them.

    Args:
        name: What the data are called in results.
        task: ``vif``, ``mif``, ``mef`` or ``mff``.
    """

    def __init__(self, name: str, task: str) -> None:
        self.name, self.task = name, task
        self.ids: list[str] = []
        self.source_names: list[tuple[str, ...]] = []
        self.sizes: list[tuple[int, int]] = []
        self.has_reference = False
        self.with_labels = False  # whether samples carry their labels and the names of the classes

    @abstractmethod
    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The sources of a sample, each (1, H, W) or (3, H, W) in [0, 1], and its ground truth."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a result says of its data: plain values."""

    @property
    def hashes(self) -> dict[str, str]:
        """By id a hash of what a sample was read from: a run that goes on compares them.

        Empty where samples are made by the program.
        """
        return {}

    def labels(self, index: int) -> Labels:
        """The boxes and the mask of a sample, as far as it is labelled."""
        return Labels()

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """The classes of boxes, and those of masks; without names where nothing is labelled."""
        return ClassSet(()), ClassSet(())

    def coloured(self, index: int) -> list[Tensor]:
        """The sources of a sample, without the colours that infrared images have in some files."""
        return _coloured(self.images(index)[0], self.source_names[index], self.task)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample, as :func:`make_sample` makes it."""
        images, reference = self.images(index)
        sample = make_sample(images, self.source_names[index], self.task, self.ids[index])
        if reference is not None:
            sample["reference"] = grey_levels(reference[None])[0]
        if self.with_labels:
            sample["labels"] = self.labels(index)
            sample["classes"] = tuple(one.names for one in self.label_classes)
        return {"index": index, **sample}


def make_sample(
    images: list[Tensor], names: Sequence[str], task: str, id_: str = ""
) -> dict[str, Any]:
    """A sample of registered images, for a network, a metric and a viewer.

    Args:
        images: M sources, each (1, H, W) or (3, H, W) in [0, 1].
        names: Their names.
        task: ``vif``, ``mif``, ``mef`` or ``mff``.
        id_: Name of the sample.

    Returns:
        ``id``; ``source_names``; ``sources``, (M, C, H, W) float in [0, 1], C = 3 if one has
        colours; ``chroma`` (2, H, W), put back where a network fuses luma; ``grey`` (M, 1, H, W)
        uint8, what metrics see.
    """
    coloured = _coloured(images, names, task)
    in_colour = any(image.shape[0] == 3 for image in coloured)
    return {
        "id": id_,
        "source_names": tuple(names),
        "sources": torch.stack([to_rgb(image) if in_colour else image for image in coloured]),
        "chroma": merge_chroma(coloured, task),
        "grey": torch.stack([grey_levels(image[None])[0] for image in images]),
    }


def _coloured(images: Sequence[Tensor], names: Sequence[str], task: str) -> list[Tensor]:
    """An infrared image has no colour, whatever three channels its file has."""
    check_colours(images, names, task)
    roles = roles_of(names, task)
    pairs = zip(images, roles, strict=True)
    return [to_luma(image) if role in INFRARED else image for image, role in pairs]


def has_colours(image: Tensor) -> bool:
    """Whether an image is coloured, and not grey in three channels."""
    return image.shape[0] == 3 and bool(to_chroma(image).abs().mean() > COLOURED)


def check_colours(images: Sequence[Tensor], names: Sequence[str], task: str) -> None:
    """Refuse infrared–visible sources of which the colours of the fused image cannot be taken.

    Raises:
        InputError: If two have colours, and which of them is visible is not told.
    """
    is_told = any(roles_of(names, task)) or any(map(role_of, names))
    if task == "vif" and not is_told and sum(map(has_colours, images)) > 1:
        raise InputError(
            f"{' and '.join(names)} both have colours, and these names do not tell which is the "
            "visible image; name the sources vi and ir (their folders or files; fuse --sources)"
        )
