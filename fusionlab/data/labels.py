"""Labels of samples: boxes around objects, and the class of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fusionlab.data.box_files import (
    FoundBox,
    categories,
    read_names,
    read_table,
    read_text,
    read_xml,
)
from fusionlab.data.classes import (
    BOX_CLASSES,
    IGNORED,
    MASK_CLASSES,
    ClassSet,
    known_classes,
    named_classes,
    plain_class,
)
from fusionlab.data.images import image_size
from fusionlab.data.layouts.labels import LabelFiles
from fusionlab.data.layouts.listing import Listing
from fusionlab.errors import InputError

MASKS = ("PNG", "BMP", "GIF", "TIFF")  # formats without loss


@dataclass  # not frozen: Lightning moves batches
class Boxes:
    """N boxes in a picture.

    Args:
        corners: Left, top, right and bottom in pixels from the upper left corner of the picture,
            (N, 4) float32.
        classes: Indices of their classes, (N,) int64.
        ignored: Whether it may be found or not, (N,) bool: a crowd, or marked as difficult.
    """

    corners: Tensor
    classes: Tensor
    ignored: Tensor

    def __len__(self) -> int:
        return len(self.classes)


@dataclass  # not frozen, as above
class Labels:
    """What a sample is labelled with.

    Args:
        boxes: None where nobody looked for objects; no boxes where none were seen.
        mask: Index of the class of every pixel, 255 where it counts for nothing, (H, W) int64.
    """

    boxes: Boxes | None = None
    mask: Tensor | None = None


class LabelReader:
    """The labels of the samples of a folder, their files checked and read.

    Convention: boxes are cut off at the edges of the picture; those with nothing inside are left
    out and counted in ``outside``. Coordinates of XML and JSON are taken as they stand, as
    corners in pixels from 0.

    Args:
        listing: The samples.
        files: Their label files.
        sizes: Height and width of each sample.
        given: Names of the classes by index, or the one name of a known data set.

    Attributes:
        is_numbered: Whether the order of the box classes is given, and not just alphabetical.
        categories: Names by COCO's category_id, of tables.

    Raises:
        InputError: If a file is damaged, a mask has another size, or classes have no names.
    """

    def __init__(
        self,
        listing: Listing,
        files: LabelFiles,
        sizes: Sequence[tuple[int, int]],
        given: Sequence[str] | None = None,
    ) -> None:
        self.files, self.sizes = files, sizes
        self.outside = 0  # boxes
        places = [listing.root, *files.folders]
        found = _found_boxes(listing, files)
        self.box_classes = _box_classes(found, files, places, given)
        self.categories = {k: name for table in files.tables for k, name in categories(table)}
        kinds = (one.kind for boxes in found.values() for one in boxes)
        known = _named(BOX_CLASSES, places, given) is not None
        self.is_numbered = known or any(isinstance(one, int) for one in kinds)
        self.boxes = {k: self._boxes(k, own) for k, own in sorted(found.items())}
        self.mask_classes = _mask_classes(files, places, given)
        for index, path in files.masks.items():
            if image_size(path) != sizes[index]:
                (height, width), own = sizes[index], image_size(path)
                raise InputError(
                    f"{path} is {own[1]}x{own[0]}, its sample {width}x{height}; masks have the "
                    "size of the images"
                )

    def __getitem__(self, index: int) -> Labels:
        """The labels of a sample."""
        path = self.files.masks.get(index)
        mask = None if path is None else read_mask(path, self.mask_classes)
        return Labels(self.boxes.get(index), mask)

    def found(self) -> str:
        """What was found, in words for the user."""
        parts = []
        if self.boxes:
            count = sum(len(one) for one in self.boxes.values())
            parts.append(f"{count} boxes of {len(self.boxes)} samples")
        if self.files.masks:
            parts.append(f"masks of {len(self.files.masks)} samples")
        names = dict.fromkeys((*self.box_classes.names, *self.mask_classes.names))
        outside = f"; {self.outside} boxes outside their pictures left out" if self.outside else ""
        return f"labels: {' and '.join(parts)} ({', '.join(names)}){outside}"

    def describe(self) -> dict[str, Any]:
        """What a result says of them: plain values."""
        return {
            "boxes": list(self.box_classes.names) if self.boxes else [],
            "masks": list(self.mask_classes.names) if self.files.masks else [],
            "samples_with_boxes": len(self.boxes),
            "samples_with_masks": len(self.files.masks),
            "boxes_outside": self.outside,
        }

    def _boxes(self, index: int, found: list[FoundBox]) -> Boxes:
        height, width = self.sizes[index]
        index_of = {plain_class(name): k for k, name in enumerate(self.box_classes.names)}
        kept = []
        for one in found:
            corners = np.array(one.corners, dtype=np.float64)
            if one.is_share:
                corners = corners * (width, height, width, height)
            corners = corners.clip(0, (width, height, width, height))
            if corners[2] > corners[0] and corners[3] > corners[1]:
                kind = one.kind if isinstance(one.kind, int) else index_of[plain_class(one.kind)]
                kept.append((corners, kind, one.ignored))
            else:
                self.outside += 1
        return make_boxes(*zip(*kept, strict=True)) if kept else make_boxes([], [], [])


def make_boxes(corners: Sequence[Any], classes: Sequence[int], ignored: Sequence[bool]) -> Boxes:
    """Boxes of lists of equal lengths, which may be empty."""
    return Boxes(
        torch.tensor(np.array(corners, dtype=np.float32).reshape(-1, 4)),
        torch.tensor(classes, dtype=torch.int64),
        torch.tensor(ignored, dtype=torch.bool),
    )


def object_labels(
    objects: Sequence[tuple[str, Tensor]], box_classes: ClassSet, mask_classes: ClassSet
) -> Labels:
    """The labels of drawn objects: the boxes around them, and a mask whose rest is background.

    Args:
        objects: Names, and mattes (1, H, W) in [0, 1]; above a half is inside. Empty ones and
            those of unknown classes are left out.
        box_classes: Classes of boxes.
        mask_classes: Classes of masks, the first of them the background.

    Returns:
        Neither boxes nor a mask where there are no classes.
    """
    if not objects or not box_classes.names:
        return Labels(make_boxes([], [], []) if box_classes.names else None)
    mask = torch.zeros(objects[0][1].shape[1:], dtype=torch.int64)
    corners, classes = [], []
    for name, matte in objects:
        inside = matte[0] > 0.5
        if not inside.any() or name not in box_classes.names:
            continue
        rows, columns = (inside.any(dim).nonzero()[:, 0] for dim in (1, 0))
        corners.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        classes.append(box_classes.names.index(name))
        mask[inside] = mask_classes.names.index(name)
    return Labels(make_boxes(corners, classes, [False] * len(classes)), mask)


def read_mask(path: Path, classes: ClassSet) -> Tensor:
    """The classes of the pixels, (H, W) int64; 255 where they count for nothing.

    Convention: an image of one channel, or with a palette, holds indices; one with colours holds
    those of the data set.

    Raises:
        InputError: If it is unreadable or has an index or a colour that is no class.
    """
    try:
        with Image.open(path, formats=MASKS) as image:
            coloured = image.mode not in ("1", "L", "P", "I", "I;16")
            levels = np.asarray(image.convert("RGB") if coloured else image)
    except (OSError, ValueError) as fault:
        raise InputError(f"{path} cannot be read as a mask ({fault})") from None
    levels = levels.astype(np.int64)
    if coloured and (levels == levels[..., :1]).all():
        levels, coloured = levels[..., 0], False
    indices = _from_colours(path, levels, classes) if coloured else levels
    wrong = (indices != IGNORED) & ((indices < 0) | (indices >= len(classes.names)))
    if wrong.any():
        raise InputError(
            f"{path} has the class {indices[wrong].max()}, known are 0 to "
            f"{len(classes.names) - 1} and {IGNORED}; set data.classes"
        )
    indices = np.where(np.isin(indices, classes.ignored), IGNORED, indices)
    return torch.from_numpy(indices)


def _from_colours(path: Path, levels: np.ndarray, classes: ClassSet) -> np.ndarray:
    code = (levels * (65536, 256, 1)).sum(-1)
    indices = np.full(code.shape, -1)
    for index, (red, green, blue) in enumerate(classes.colours):
        indices[code == 65536 * red + 256 * green + blue] = index
    if (indices < 0).any():
        colour = tuple(levels[indices < 0][0].tolist())
        raise InputError(
            f"{path} has the colour {colour}, which is no class; give masks of indices, or set "
            f"data.classes to one of {', '.join(MASK_CLASSES)}"
        )
    return indices


def _found_boxes(listing: Listing, files: LabelFiles) -> dict[int, list[FoundBox]]:
    """What the files of each sample say."""
    found = {}
    for index, path in files.boxes.items():
        found[index] = read_xml(path) if path.suffix.casefold() == ".xml" else read_text(path)
    for table in files.tables:
        for index, boxes in read_table(table, listing.samples).items():
            found.setdefault(index, boxes)
    return found


def _box_classes(
    found: dict[int, list[FoundBox]],
    files: LabelFiles,
    places: list[Path],
    given: Sequence[str] | None,
) -> ClassSet:
    if not found:
        return ClassSet(())
    kinds = [one.kind for boxes in found.values() for one in boxes]
    numbers = [one for one in kinds if isinstance(one, int)]
    texts = dict.fromkeys(one for one in kinds if not isinstance(one, int))
    known = _named(BOX_CLASSES, places, given)
    if files.names is not None and not given:
        known = named_classes(BOX_CLASSES, read_names(files.names))
    if numbers:
        if known is None:
            raise InputError(
                f"{places[1]} has classes by number only; set data.classes to their names, in "
                f"order, or to one of {', '.join(BOX_CLASSES)}; or data.labels to other labels"
            )
        if max(numbers) >= len(known.names):
            raise InputError(
                f"{places[1]} has the class {max(numbers)}, known are 0 to "
                f"{len(known.names) - 1} ({', '.join(known.names)}); set data.classes"
            )
        return known
    plain = {plain_class(one): one for one in reversed(texts)}  # the first spelling counts
    if known is not None and plain.keys() <= {plain_class(one) for one in known.names}:
        return known
    if given and texts:
        unknown = next(one for one in texts if known is None or one not in known.names)
        raise InputError(f"{places[1]} has the class {unknown}, which data.classes lacks; add it")
    return ClassSet(tuple(sorted(plain.values())))


def _mask_classes(files: LabelFiles, places: list[Path], given: Sequence[str] | None) -> ClassSet:
    if not files.masks:
        return ClassSet(())
    found = _named(MASK_CLASSES, places, given)
    if found is None:
        raise InputError(
            f"the masks in {files.folders[0]} have classes without names; set data.classes to "
            f"their names, in order, or to one of {', '.join(MASK_CLASSES)}; or data.labels to none"
        )
    return found


def _named(
    kind: dict[str, ClassSet], places: list[Path], given: Sequence[str] | None
) -> ClassSet | None:
    """The classes that the setting names, else those of the data set that the folder's name says.

    The name of a data set of the other kind says nothing here.
    """
    other = {*BOX_CLASSES, *MASK_CLASSES} - kind.keys()
    if given and not (len(given) == 1 and given[0].casefold() in other):
        return named_classes(kind, given)
    return known_classes(kind, places[0].resolve())
