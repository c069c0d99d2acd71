"""Focal stacks made of photographs and their depth: what StackMFF learns from.

Xie et al., EAAI 2025
Authors' code: https://github.com/Xinzhe99/StackMFF-V2
Differs: a photograph is blurred as a whole, and each band takes its pixels from that, where it is
not said whether the bands are blurred alone; where no depth was measured, it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from kornia.filters import filter2d_separable, get_gaussian_kernel1d
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.batches import shuffled
from fusionlab.data.colour import to_luma
from fusionlab.data.crops import ENDLESS, random_matte
from fusionlab.data.files import is_image
from fusionlab.data.photographs import PhotographFiles
from fusionlab.data.shapes import smooth_noise
from fusionlab.errors import InputError

FIXED = {1: (1, 2), 2: (1, 4, 6), 3: (2, 7, 14, 18), 4: (4, 13, 30, 51, 60)}  # first halves


def focal_stack(photographs: Tensor, depth: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """As many images as bands of depth; each is sharp in its own band.

    Args:
        photographs: (B, C, H, W) in [0, 1], sharp; H and W at least ``count``.
        depth: (B, 1, H, W) in [0, 1].
        count: N images, at least 2.

    Returns:
        Images, (B, N, C, H, W), in the order of their bands; image n shows band k blurred by
        OpenCV's Gaussian of 2|k − n| + 1 pixels. And which of them is sharp, (B, H, W), int64.
    """
    band = (depth * count).long().clamp(max=count - 1)
    blurred = [photographs]
    for distance in range(1, count):
        kernel = opencv_gaussian(distance).to(photographs)
        blurred.append(filter2d_separable(photographs, kernel, kernel, "reflect"))
    blurs = torch.stack(blurred, 1)  # by distance
    place = torch.arange(count, device=depth.device).view(1, -1, 1, 1, 1)
    distance_to = (band.unsqueeze(1) - place).abs().expand(-1, -1, photographs.shape[1], -1, -1)
    return blurs.gather(1, distance_to), band[:, 0]


def opencv_gaussian(reach: int) -> Tensor:
    """OpenCV's Gaussian whose width follows from its 2 * ``reach`` + 1 pixels, (1, k), sum 1.

    Up to 9 pixels these are fixed numbers (``getGaussianKernel``).
    """
    if reach in FIXED:
        half = torch.tensor(FIXED[reach])
        whole = torch.cat([half, half[:-1].flip(0)])
        return (whole / whole.sum())[None]
    return get_gaussian_kernel1d(2 * reach + 1, 0.3 * (reach - 1) + 0.8)


def random_depth(size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """A smooth ground and an object in front of it, (1, H, W), 0 to 1."""
    depth = smooth_noise(size, int(rng.integers(1, 5)), rng)
    depth = depth + rng.uniform(0, 1) * random_matte(size, rng).view(1, *size)
    return (depth - depth.min()) / (depth.max() - depth.min())


class PhotographsWithDepth(Dataset[dict[str, Any]]):
    """Luma of a photograph after the other and its depth, resized to a square, flipped or not.

    All come, in random order, before one comes again.

    Args:
        photographs: (C, H, W) in [0, 1].
        side: Side S of the square, pixels.
        depths: Of each photograph, (1, H, W) in [0, 1]; None to draw one for each item.
        seed: Another seed gives other items.
    """

    def __init__(
        self,
        photographs: Sequence[Tensor],
        side: int,
        depths: Sequence[Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        self.photographs, self.side, self.depths, self.seed = photographs, side, depths, seed

    def __len__(self) -> int:
        return ENDLESS

    @property
    def pass_length(self) -> int:
        """Items until each photograph has come once."""
        return len(self.photographs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``photograph`` and ``depth``, (1, S, S) in [0, 1], and ``index``."""
        number, place = divmod(index, len(self.photographs))
        rng = np.random.default_rng((self.seed, number, place))
        chosen = int(shuffled(len(self.photographs), self.seed, number)[place])
        photograph = self._square(to_luma(self.photographs[chosen]))
        if self.depths is None:
            depth = random_depth((self.side, self.side), rng)
        else:
            depth = self._square(to_luma(self.depths[chosen]))
        flips = [axis for axis in (1, 2) if rng.random() < 0.5]
        return {"index": index, "photograph": photograph.flip(flips), "depth": depth.flip(flips)}

    def _square(self, image: Tensor) -> Tensor:
        size = (self.side, self.side)
        return F.interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def open_depths(folder: str, photographs: PhotographFiles, root: str) -> PhotographFiles:
    """The depth map of each photograph: the file of its name, with any ending.

    Args:
        folder: Depth maps, in the subfolders that the photographs have below ``root``.
        photographs: The photographs.
        root: Their folder.

    Raises:
        InputError: Naming the first photograph that has none.
    """
    files = (path for path in Path(folder).rglob("*") if path.is_file() and is_image(path))
    known = {path.relative_to(folder).with_suffix(""): path for path in files}
    wanted = [path.relative_to(root).with_suffix("") for path in photographs.paths]
    for name, path in zip(wanted, photographs.paths, strict=True):
        if name not in known:
            raise InputError(
                f"{path} has no depth map {Path(folder) / name}.*; "
                "add it or leave training.options.depth out"
            )
    return PhotographFiles([known[name] for name in wanted])
