"""Endless synthetic multi-focus crops, made while training from any sharp photographs.

They stand in for the pairs that IFCNN trains on: NYU-D2 photographs blurred with a Gaussian whose
radius follows the measured depth (Zhang et al., Information Fusion 54, 2020). Here the photographs
need no depth: every crop gets a random layout of objects in front of a background, or a slope.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.colour import to_luma
from fusionlab.data.defocus import layered_defocus
from fusionlab.data.shapes import ellipse, grid, smooth_noise

Pair = Callable[[Tensor, np.random.Generator], tuple[Tensor, Tensor]]

RADII = (2, 6)  # of the defocus, in pixels
SCALES = (0.5, 1.0)  # of the photograph, before it is cropped
FLAT = 0.03  # standard deviation over the pixels below which a crop shows nothing to focus on
ENDLESS = 2**40  # items: an epoch takes as many as it is told to
ATTEMPTS = 4  # to find a crop that is not flat
SLOPES = 0.2  # fraction of crops in which the depth is continuous


class PhotographCrops(Dataset[dict[str, Any]]):
    """Random crops of photographs, each with two sources that :attr:`pair` makes of it.

    Item i is drawn from a generator seeded with (seed, i) alone: workers, processes and the order
    of access change nothing.

    Args:
        photographs: Sharp photographs, (3, H, W) or (1, H, W), in [0, 1].
        crop_size: Side S of the square crops.
        pair: Makes two sources, (2, C, S, S), and what should be fused of them, (C, S, S), of a
            crop, (C, S, S), and a generator.
        scales: Least and largest scale of a photograph before it is cropped.
        length: Number of items; the last index is ``length - 1``.
        seed: Another seed gives other crops.

    Raises:
        ValueError: If there is no photograph, or (when it is drawn) one is smaller than the crop.
    """

    def __init__(
        self,
        photographs: Sequence[Tensor],
        crop_size: int,
        pair: Pair,
        scales: tuple[float, float] = SCALES,
        length: int = ENDLESS,
        seed: int = 0,
    ) -> None:
        if not photographs:
            raise ValueError(
                "photographs is empty; pass at least one (3, H, W) or (1, H, W) tensor"
            )
        self.photographs = photographs
        self.crop_size = crop_size
        self.pair = pair
        self.scales = scales
        self.length = length
        self.seed = seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``sources`` (2, C, S, S) and ``reference`` (C, S, S) in [0, 1], and ``index``."""
        if not 0 <= index < self.length:
            raise IndexError(f"index must lie in 0..{self.length - 1}, got {index}")
        rng = np.random.default_rng((self.seed, index))
        sources, reference = self.pair(self.sharp_crop(rng), rng)
        # The sources are averages of the crop; only rounding can leave its range.
        return {"index": index, "sources": sources.clamp(0, 1), "reference": reference}

    def sharp_crop(self, rng: np.random.Generator) -> Tensor:
        """A random crop, scaled and flipped; flat ones are drawn again a few times."""
        for _ in range(ATTEMPTS):
            photo = self.photographs[int(rng.integers(len(self.photographs)))]
            crop = _random_crop(photo, self.crop_size, self.scales, rng)
            if crop.std(dim=(-2, -1)).mean() > FLAT:
                break
        return crop.contiguous()


class MultiFocusCrops(PhotographCrops):
    """RGB pairs focused near and far, in random order, and the sharp crop they come from."""

    def __init__(
        self,
        photographs: Sequence[Tensor],
        crop_size: int,
        length: int = ENDLESS,
        seed: int = 0,
    ) -> None:
        super().__init__(photographs, crop_size, _focused_pair, length=length, seed=seed)

    def sharp_crop(self, rng: np.random.Generator) -> Tensor:
        """As of every photograph; a grey one is repeated to three channels."""
        return super().sharp_crop(rng).expand(3, -1, -1).contiguous()


class LumaCrops(PhotographCrops):
    """Crops of the luma of photographs."""

    def sharp_crop(self, rng: np.random.Generator) -> Tensor:
        """(1, S, S)."""
        return to_luma(super().sharp_crop(rng))


class TaskCrops(Dataset[dict[str, Any]]):
    """Crops of several tasks side by side: ``<task>_sources``, ``<task>_reference``, ``index``."""

    def __init__(self, crops: Mapping[str, PhotographCrops]) -> None:
        self.crops = crops

    def __len__(self) -> int:
        return ENDLESS

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Item ``index`` of every task."""
        item: dict[str, Any] = {"index": index}
        for task, crops in self.crops.items():
            own = crops[index]
            item |= {f"{task}_{key}": own[key] for key in ("sources", "reference")}
        return item


def _random_crop(
    photo: Tensor, size: int, scales: tuple[float, float], rng: np.random.Generator
) -> Tensor:
    """(C, size, size), cut at a random place, scale and orientation."""
    height, width = photo.shape[-2:]
    if min(height, width) < size:
        raise ValueError(f"a photograph of {height} x {width} is smaller than the crop, {size}")
    side = min(round(size / rng.uniform(*scales)), height, width)
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    crop = photo[:, top : top + side, left : left + side]
    if side != size:
        crop = F.interpolate(crop[None], (size, size), mode="bilinear", antialias=True)[0]
    flips = [dim for dim in (-2, -1) if rng.random() < 0.5]
    return crop.flip(flips)


def _focused_pair(sharp: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """``sharp`` focused on either side of a random layout, in random order; and itself."""
    size = (sharp.shape[-2], sharp.shape[-1])
    radius = int(rng.integers(RADII[0], RADII[1] + 1))
    if rng.random() < SLOPES:
        slope = _rescaled(smooth_noise(size, int(rng.integers(1, 4)), rng))
        pair = layered_defocus(sharp, slope, (0.75, 0.25), 2 * radius, 0.25, layers=5)
    else:
        pair = layered_defocus(sharp, random_matte(size, rng), (1.0, 0.0), radius)
    return (pair.flip(0) if rng.random() < 0.5 else pair), sharp


def random_matte(size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """What is in front: a half plane, ellipses or a smooth blob, (1, S, S) in [0, 1]."""
    kind = rng.integers(3)
    if kind == 0:
        x, y = grid(size)
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
        distance = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle) - offset
        return (distance * size[0] + 0.5).clamp(0, 1)
    if kind == 1:
        return torch.stack([_random_ellipse(size, rng) for _ in range(rng.integers(1, 4))]).amax(0)
    field = smooth_noise(size, int(rng.integers(2, 6)), rng)
    threshold = field.quantile(rng.uniform(0.3, 0.7))
    steepness = 1 / field.diff(dim=-1).abs().mean()  # an edge about one pixel wide
    return ((field - threshold) * steepness + 0.5).clamp(0, 1)


def _random_ellipse(size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    x, y, a, b = rng.uniform((0.1, 0.1, 0.1, 0.1), (0.9, 0.9, 0.4, 0.4))
    return ellipse(size, (x, y), (a, b), rng.uniform(0, 180))


def _rescaled(field: Tensor) -> Tensor:
    return (field - field.min()) / (field.max() - field.min())
