"""Sources laid onto the first one of their sample, where a camera moved or focused between them.

The edges of two images, which are where they are in any modality, are registered from coarse to
fine by kornia's ``ImageRegistrator``, from what the check of registration finds and from no
transform; what all images show is cut out.

Source of the shift: Kuglin and Hines, The phase correlation image alignment method, Proc. ICCS,
1975.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kornia.geometry.transform import ImageRegistrator
from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.colour import to_luma
from fusionlab.data.registration import offset_between

SIDE = 512  # pixels of the longer side, at which images are registered
LEVELS, STEPS, RATE = 4, 100, 5e-3  # of the registrator
BETTER = 0.02  # how much better edges must fit for an image to be moved
FARTHEST = 0.15  # of the diagonal, by which a corner may move
BORDER = 12  # pixels at SIDE that the comparison leaves out


@dataclass(frozen=True)
class Alignment:
    """Where each source of a sample is taken from.

    Args:
        maps: By the name of a source a matrix (3, 3) from pixels (x, y, 1) of the first source to
            its own; sources that stay are left out.
        top: First row that all sources show.
        left: First column.
        height: Rows that all show.
        width: Columns.
    """

    maps: Mapping[str, Tensor]
    top: int
    left: int
    height: int
    width: int

    def applied(self, name: str, image: Tensor) -> Tensor:
        """(C, H, W) to (C, height, width) in [0, 1]; a ground truth lies on the first source."""
        if name in self.maps:
            image = _warped(image, self.maps[name]).clamp(0, 1)
        rows = slice(self.top, self.top + self.height)
        return image[:, rows, self.left : self.left + self.width]


def align(images: Mapping[str, Tensor], kind: str) -> Alignment:
    """How the sources of a sample come to lie on the first.

    Args:
        images: (C, H, W) in [0, 1] by their names, all of a size.
        kind: ``translation``, by whole pixels, or ``homography``.
    """
    (_, own), *others = images.items()
    maps = {}
    for name, other in others:
        found = map_between(own, other, kind)
        if found is not None:
            maps[name] = found
    shown = np.ones(own.shape[-2:], bool)
    for matrix in maps.values():
        shown &= _warped(torch.ones(1, *own.shape[-2:]), matrix)[0].numpy() > 0.999
    return Alignment(maps, *_common_box(shown))


def map_between(first: Tensor, other: Tensor, kind: str) -> Tensor | None:
    """From pixels of the first image to those of another; None where none fits better.

    Args:
        first: (C, H, W) in [0, 1].
        other: The same size.
        kind: ``translation`` or ``homography``.

    Returns:
        (3, 3) float64, of coordinates (x, y, 1), 0 at the centre of the first pixel.
    """
    scale = max(1.0, max(first.shape[-2:]) / SIDE)
    one, two = _edges(first, scale), _edges(other, scale)
    if min(one.shape) < 2 ** (LEVELS + 1) or not one.any() or not two.any():
        return None
    down, right = _shift_between(one, two)
    starts = [_shift(0, 0), _shift(-right, -down), *_noticed(first, other, scale, kind)]
    moved = torch.from_numpy(two)[None].float()
    if kind == "homography":
        starts += [start @ _registered(one, _warped(moved, start)[0].numpy()) for start in starts]
    fits = [_inner_fit(one, _warped(moved, start)[0].numpy()) for start in starts]
    best = int(np.argmax(fits))
    small = starts[best]
    if fits[best] <= fits[0] + BETTER or not _is_near(small, one.shape):
        return None
    to_small = _shift(0.5 / scale - 0.5, 0.5 / scale - 0.5)  # of the centres of pixels
    to_small[[0, 1], [0, 1]] = 1 / scale
    whole = torch.linalg.inv(to_small) @ small @ to_small
    return whole.round() if kind == "translation" else whole


def _noticed(first: Tensor, other: Tensor, scale: float, kind: str) -> list[Tensor]:
    """The map at that scale which the check of registration finds, if any."""
    offset = offset_between(first, other)
    if offset is None or offset.mirrored:
        return []
    shift = _shift(-offset.right / scale, -offset.down / scale)
    if kind == "translation":
        return [shift.round()]
    height, width = (side / scale for side in first.shape[-2:])
    centre = _shift((width - 1) / 2, (height - 1) / 2)
    angle, larger = math.radians(offset.transform.turned), offset.transform.scale
    cos, sin = larger * math.cos(angle), larger * math.sin(angle)
    turn = torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=torch.float64)
    return [centre @ turn @ torch.linalg.inv(centre) @ shift]


def _registered(one: np.ndarray, two: np.ndarray) -> Tensor:
    """The homography from pixels of the first map to those of the second, (3, 3)."""
    source, target = (torch.from_numpy(x).float()[None, None] for x in (two, one))
    registrator = ImageRegistrator(
        "homography",
        loss_fn=F.mse_loss,
        lr=RATE,
        pyramid_levels=LEVELS,
        num_iterations=STEPS,
        tolerance=1e-6,
    )
    with torch.inference_mode(False), torch.enable_grad():
        found = registrator.register(source.clone(), target.clone())[0].detach().double()
    height, width = one.shape
    sides = torch.tensor([width, height], dtype=torch.float64)
    # kornia's grid runs from the centre of the first pixel to that of the last, and what is
    # sampled from border to border
    of_grid, of_sample = torch.eye(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    of_grid[[0, 1], [0, 1]], of_grid[:2, 2] = 2 / (sides - 1), -1.0
    of_sample[[0, 1], [0, 1]], of_sample[:2, 2] = sides / 2, (sides - 1) / 2
    whole = of_sample @ found @ of_grid
    return whole / whole[2, 2]


def _is_near(matrix: Tensor, size: tuple[int, ...]) -> bool:
    """Whether no corner moves by more than a part of the diagonal: a camera held by hand."""
    height, width = size
    corners = torch.tensor([[x, y, 1.0] for x in (0, width) for y in (0, height)]).double()
    places = corners @ matrix.T
    moved = (places[:, :2] / places[:, 2:] - corners[:, :2]).norm(dim=1)
    return bool(moved.max() <= FARTHEST * (height**2 + width**2) ** 0.5)


def _shift(right: float, down: float) -> Tensor:
    return torch.tensor([[1.0, 0, right], [0, 1, down], [0, 0, 1]], dtype=torch.float64)


def _warped(image: Tensor, matrix: Tensor) -> Tensor:
    """What lies at the mapped pixels, (C, H, W); 0 outside."""
    height, width = image.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.stack([columns, rows, torch.ones_like(rows)], -1).double() @ matrix.T
    places = points[..., :2] / points[..., 2:]
    places = (2 * places + 1) / torch.tensor([width, height]) - 1
    return F.grid_sample(image[None].float(), places[None].float(), align_corners=False)[0]


def _inner_fit(one: np.ndarray, two: np.ndarray) -> float:
    """Pearson's correlation within the border."""
    edge = min(BORDER, min(one.shape) // 4)
    inner = slice(edge, -edge)
    return _correlation(one[inner, inner], two[inner, inner], 0, 0)


def _common_box(shown: np.ndarray) -> Sequence[int]:
    """Top, left, height and width of a part without gaps: the worst side is cut until none is."""
    top, left, bottom, right = 0, 0, *shown.shape
    while True:
        part = shown[top:bottom, left:right]
        lines = [part[0], part[:, 0], part[-1], part[:, -1]]
        gaps = [1 - line.mean() for line in lines]
        worst = int(np.argmax(gaps))
        if not gaps[worst] or min(part.shape) <= 1:
            return top, left, bottom - top, right - left
        top, left = top + (worst == 0), left + (worst == 1)
        bottom, right = bottom - (worst == 2), right - (worst == 3)


def _edges(image: Tensor, scale: float) -> np.ndarray:
    """Strength of the edges of a small copy, (h, w), without its mean."""
    luma = to_luma(image)[None].float()
    size = [max(1, round(side / scale)) for side in luma.shape[-2:]]
    small = F.avg_pool2d(F.interpolate(luma, size, mode="area"), 3, 1, 1, count_include_pad=False)
    down, across = torch.gradient(small[0, 0]) if min(size) > 1 else (small[0, 0] * 0,) * 2
    strength = (down.square() + across.square()).sqrt()
    strength = strength / (strength + strength.mean().clamp(min=1e-6))  # a few do not outweigh all
    return (strength - strength.mean()).numpy()


def _shift_between(one: np.ndarray, two: np.ndarray) -> tuple[int, int]:
    """Rows and columns by which the second must be moved."""
    window = np.outer(np.hanning(one.shape[0]), np.hanning(one.shape[1]))
    cross = np.fft.rfft2(one * window) * np.conj(np.fft.rfft2(two * window))
    found = np.fft.irfft2(cross / np.maximum(np.abs(cross), 1e-9) ** 0.7, one.shape)
    place = np.unravel_index(found.argmax(), found.shape)
    row, column = (
        int(at) - side if at > side // 2 else int(at)
        for at, side in zip(place, found.shape, strict=True)
    )
    return row, column


def _correlation(one: np.ndarray, two: np.ndarray, down: int, right: int) -> float:
    """Pearson's, over the part that both show; 0 where that is less than a quarter."""
    height, width = one.shape
    rows, columns = height - abs(down), width - abs(right)
    if rows * columns * 4 < height * width:
        return 0.0
    a = one[max(down, 0) : max(down, 0) + rows, max(right, 0) : max(right, 0) + columns]
    b = two[max(-down, 0) : max(-down, 0) + rows, max(-right, 0) : max(-right, 0) + columns]
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / norm) if norm > 0 else 0.0
