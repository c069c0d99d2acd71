"""Photographs that come with the scikit-image wheel: nothing is downloaded or cached.

The names are those of the functions in ``skimage.data`` whose files lie inside the wheel
(scikit-image 0.22 and newer). The two tuples share no photograph, so a network trained on
:data:`TRAINING_PHOTOGRAPHS` has never seen a built-in scene.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.files import is_image
from fusionlab.data.images import image_size, read_image
from fusionlab.errors import InputError

SCENE_PHOTOGRAPHS = ("astronaut", "camera", "coffee", "rocket", "stereo_motorcycle")

TRAINING_PHOTOGRAPHS = (
    "brick",
    "chelsea",
    "coins",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "text",
)


def photograph(name: str) -> Tensor:
    """One photograph at full size.

    Args:
        name: A member of ``SCENE_PHOTOGRAPHS`` or ``TRAINING_PHOTOGRAPHS``; of the stereo pair
            this is the left view.

    Returns:
        (3, H, W) for a colour photograph and (1, H, W) for a grey one, float32 in [0, 1].

    Raises:
        ValueError: If the name is in neither tuple.
    """
    known = SCENE_PHOTOGRAPHS + TRAINING_PHOTOGRAPHS
    if name not in known:
        raise ValueError(f"no photograph named {name!r}; there are {', '.join(sorted(known))}")
    import skimage.data

    loaded = getattr(skimage.data, name)()
    pixels = loaded[0] if isinstance(loaded, tuple) else loaded
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous() / 255


def open_photographs(
    folder: str | None, smallest: int, limit: int | None = None
) -> Sequence[Tensor]:
    """Sharp photographs to train on.

    Args:
        folder: Folder that is searched for images with its subfolders, each read when it is asked
            for; None for ``TRAINING_PHOTOGRAPHS``.
        smallest: Least height and width, pixels.
        limit: How many to open, the first by name; None for all.

    Raises:
        InputError: If there is no image in the folder, or one is unreadable or too small.
    """
    if folder is None:
        photographs = [photograph(name) for name in TRAINING_PHOTOGRAPHS[:limit]]
        side = min(min(photo.shape[-2:]) for photo in photographs)
        if side < smallest:
            raise InputError(
                f"training.crop_size {smallest} is larger than the smallest side of the built-in "
                f"photographs, {side} pixels; lower it or set training.root"
            )
        return photographs
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file() and is_image(path))
    paths = paths[:limit]
    if not paths:
        raise InputError(f"no images under {folder}; set training.root to a folder of some")
    for path in paths:
        height, width = image_size(path)
        if min(height, width) < smallest:
            raise InputError(
                f"{path} is {width}x{height}, smaller than training.crop_size {smallest}; "
                "take it out or lower the crop size"
            )
    return PhotographFiles(paths)


class PhotographFiles(Sequence[Tensor]):
    """Image files as tensors (C, H, W) in [0, 1], read when asked for; the last few are kept."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return _read_kept(self.paths[index])


@lru_cache(maxsize=16)
def _read_kept(path: Path) -> Tensor:
    return read_image(path)


def motorcycle_disparity() -> Tensor:
    """Measured disparity of the ``stereo_motorcycle`` photograph, without holes.

    Convention: a pixel that the other camera does not see belongs to whatever is behind, so a hole
    takes the smaller disparity of its nearest valid neighbours to the left and right.

    Returns:
        (1, H, W) float32, in pixels of the full-size photograph; larger is nearer.

    Source: Scharstein et al., "High-resolution stereo datasets with subpixel-accurate ground
    truth", GCPR 2014 (the Middlebury scene Motorcycle), as shipped by scikit-image.
    """
    import skimage.data

    disparity = skimage.data.stereo_motorcycle()[2].astype(np.float32)
    from_left = _carry_right(disparity)
    from_right = _carry_right(disparity[:, ::-1])[:, ::-1]
    return torch.from_numpy(np.fmin(from_left, from_right))[None]


def _carry_right(disparity: np.ndarray) -> np.ndarray:
    """Replace each invalid value by the last valid one to its left, NaN if there is none."""
    valid = np.isfinite(disparity)
    columns = np.where(valid, np.arange(disparity.shape[1]), 0)
    last_valid = np.maximum.accumulate(columns, axis=1)
    carried = np.take_along_axis(disparity, last_valid, axis=1)
    return np.where(np.isfinite(carried), carried, np.nan)
