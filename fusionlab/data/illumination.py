"""Day and night, for the illumination classifier of PIAFusion (Tang et al., 2022)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fusionlab.data.colour import to_rgb
from fusionlab.data.files import is_image
from fusionlab.data.image_cache import ImageCache
from fusionlab.data.images import check_images, image_size, read_image
from fusionlab.data.patches import patch_places
from fusionlab.data.photographs import TRAINING_PHOTOGRAPHS, photograph
from fusionlab.errors import InputError

LABELS = ("day", "night")
NIGHT_LIGHT, NIGHT_GAMMA, NIGHT_NOISE = 0.15, 1.2, 0.01  # of the built-in nights
_MSRS_NAME = re.compile(r"^\d+(?P<letter>[DN])$")
_VISIBLE = ("vi", "vis", "visible")


class IlluminationPatches(Dataset[dict[str, Any]]):
    """Square patches of images, each with its label.

    Args:
        name: What the images are called in results.
        images: Groups of one (1, H, W) or (3, H, W) in [0, 1].
        sizes: Height and width of each.
        labels: 0 for day, 1 for night.
        side: Side S of the patches, pixels.
        stride: Pixels from one patch to the next.
        chosen: Indices of the images to use.

    Raises:
        InputError: If there is no patch of one of the labels.
    """

    def __init__(
        self,
        name: str,
        images: ImageCache,
        sizes: Sequence[tuple[int, int]],
        labels: Sequence[int],
        side: int,
        stride: int,
        chosen: Sequence[int],
    ) -> None:
        self.name, self.images, self.labels, self.side = name, images, labels, side
        self.places = [
            (index, top, left)
            for index in chosen
            for top, left in patch_places(sizes[index], side, stride)
        ]
        for label, time in enumerate(LABELS):
            if not any(labels[index] == label for index, _, _ in self.places):
                raise InputError(
                    f"too few {time} images hold a patch of {side}x{side} (one must be held out); "
                    "lower training.crop_size or add some"
                )

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``image`` (3, S, S) in [0, 1], its ``label`` and its ``index``."""
        place = self.places[index]
        (patch,) = self.images.cut(*place, self.side)
        return {"index": index, "image": to_rgb(patch), "label": self.labels[place[0]]}

    def describe(self) -> dict[str, Any]:
        """What a result says of its data: plain values."""
        ids = ["-".join(map(str, place)) for place in self.places]
        return {"name": self.name, "task": "vif", "source_names": ["vi"], "ids": ids}


def open_illumination(
    root: str | None, side: int, stride: int, seed: int
) -> tuple[IlluminationPatches, IlluminationPatches]:
    """Patches to learn from and, of a tenth of the images of each label, to validate on.

    Args:
        root: Folder with ``day/`` and ``night/``, each searched with its subfolders, or with
            visible images named as in MSRS (``00004N.png``, ``00537D.png``); None for photographs
            that scikit-image carries and the same made dark: a stand-in, no measured nights.
        side: Side of the patches, pixels.
        stride: Pixels from one patch to the next.
        seed: Of the choice of the tenth.

    Raises:
        InputError: If a label has fewer than two images, or none holds a patch.
    """
    if root is None:
        built_in, labels = _built_in_images()
        sizes = [(image.shape[-2], image.shape[-1]) for image in built_in]

        def read(index: int) -> list[Tensor]:
            return [built_in[index]]

    else:
        paths, labels = _find_images(Path(root))
        check_images(paths)
        sizes = [image_size(path) for path in paths]

        def read(index: int) -> list[Tensor]:
            return [read_image(paths[index])]

    images = ImageCache(read, sizes, channels=3)
    learnt, held_out = _split(labels, seed, root or "the built-in photographs")
    name = "photographs" if root is None else Path(root).name
    return (
        IlluminationPatches(name, images, sizes, labels, side, stride, learnt),
        IlluminationPatches(name, images, sizes, labels, side, stride, held_out),
    )


def _find_images(root: Path) -> tuple[list[Path], list[int]]:
    if not root.is_dir():
        raise InputError(f"no folder {root}; set training.root to an existing one")
    found = [path for path in sorted(root.rglob("*")) if path.is_file() and is_image(path)]
    labelled = [(path, label) for path in found if (label := _label(path, root)) is not None]
    if not labelled:
        raise InputError(
            f"no day/ and night/ in {root}, nor visible images named as in MSRS (00537D.png, "
            "00004N.png); set training.root"
        )
    return [path for path, _ in labelled], [label for _, label in labelled]


def _label(path: Path, root: Path) -> int | None:
    top = path.relative_to(root).parts[0].casefold()
    if top in LABELS:
        return LABELS.index(top)
    name = _MSRS_NAME.match(path.stem)
    if name and (path.parent == root or path.parent.name.casefold() in _VISIBLE):
        return "DN".index(name["letter"])
    return None


def _built_in_images() -> tuple[list[Tensor], list[int]]:
    days = [to_rgb(photograph(name)) for name in TRAINING_PHOTOGRAPHS]
    rng = np.random.default_rng(0)
    nights = []
    for day in days:
        noise = torch.from_numpy(rng.standard_normal(day.shape, dtype=np.float32))
        nights.append((NIGHT_LIGHT * day**NIGHT_GAMMA + NIGHT_NOISE * noise).clamp(0, 1))
    return days + nights, [0] * len(days) + [1] * len(nights)


def _split(labels: list[int], seed: int, where: str) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(seed)
    learnt, held_out = [], []
    for label, name in enumerate(LABELS):
        members = [index for index, value in enumerate(labels) if value == label]
        if len(members) < 2:
            raise InputError(
                f"{where} has {len(members)} {name} images, two are needed (one to validate on); "
                "set training.root"
            )
        order = rng.permutation(members).tolist()
        count = max(1, round(len(members) / 10))
        held_out += order[:count]
        learnt += order[count:]
    return sorted(learnt), sorted(held_out)
