"""Whether sources lie on each other: shifted, turned, scaled or mirrored ones are noticed.

The directions of edges are where they are in any modality, whichever side is bright. Many
transforms of a small copy are tried, all shifts of each at once by the Fourier transform, and the
best is refined. Only a transform that fits much better than none, and than any other, is told.

Source: directions of gradients without sign: Haber and Modersitzki, Intensity gradient based
registration, MICCAI 2006; masked correlation by Fourier transforms: Padfield, Masked object
registration in the Fourier domain, IEEE TIP 21(5), 2012.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.colour import to_luma

COARSE, FINE = 96, 192  # pixels of the longer side, at which transforms are tried and refined
ENOUGH = COARSE * COARSE // 3  # pixels; fewer fit somewhere by chance
TURNS = range(-10, 11, 2)  # degrees
SCALES = [1 + 0.02 * step for step in range(-6, 7)]
FINER = [(turn, scale) for turn in (-1, 0, 1) for scale in (0.99, 1, 1.01)]
REACH = 4  # a shift is at most this part of a side: a quarter
FITS, BETTER, CLEARER = 0.15, 1.08, 1.5  # correlation; how often that of none, and of any other
NEAR, NEARER = 2, 10  # pixels at FINE: no shift at all, and the same as another
LEAST = (0.015, 1.5, 0.025)  # shift in sides, degrees, scale: less is none
LEAST_ALONE = (0.03, 3.0, math.inf)  # of a lone object: PET shows a brain, CT a skull, MRI the skin
FLAT, ALONE = 1 / 255, 0.7  # steps between pixels of no edge, and their part of a border
SHOWN = 3  # samples that a line names
MIRRORED = {"left and right": (-1, 1), "top and bottom": (1, -1)}  # factors of x and y


class Transform(NamedTuple):
    """What was done to an image, about its centre.

    Args:
        turned: Degrees, clockwise.
        scale: More than 1 if its content is larger.
        mirrored: Which sides are exchanged; empty if none.
    """

    turned: float = 0.0
    scale: float = 1.0
    mirrored: str = ""


@dataclass(frozen=True)
class Offset:
    """How one image lies against another.

    Args:
        right: Pixels that its content must be moved to the right to fit, once it is turned back.
        down: The same, down.
        transform: What was done to it besides.
        least: What is told, in :data:`LEAST`'s order, the shift in pixels of each side.
    """

    right: int
    down: int
    transform: Transform
    least: tuple[tuple[float, float], float, float]

    @property
    def mirrored(self) -> str:
        """Which sides are exchanged; empty if none."""
        return self.transform.mirrored

    @property
    def turned(self) -> float:
        """Degrees, clockwise; 0 if too few to be told."""
        return self.transform.turned if abs(self.transform.turned) >= self.least[1] else 0.0

    @property
    def scale(self) -> float:
        """How much larger its content is; 1 if that is too little to be told."""
        far = abs(math.log(self.transform.scale)) >= math.log1p(self.least[2])
        return self.transform.scale if far else 1.0

    @property
    def is_shifted(self) -> bool:
        """Whether it is moved by enough to be told."""
        (across, along), _, _ = self.least
        return abs(self.right) >= across or abs(self.down) >= along

    def __str__(self) -> str:
        """What a user reads; empty if nothing is to be told."""
        if self.mirrored:
            return f"{self.mirrored} exchanged"
        told = []
        if self.turned:
            sense = "clockwise" if self.turned > 0 else "counterclockwise"
            told.append(f"turned by {abs(self.turned):.1f} degrees {sense}")
        if self.scale != 1:
            percent = 100 * (self.scale - 1)
            told.append(f"{abs(percent):.0f} % {'larger' if percent > 0 else 'smaller'}")
        if self.is_shifted:
            told.append(f"({-self.right}, {-self.down}) pixels")
        return ", ".join(told)


def offset_between(first: Tensor, other: Tensor) -> Offset | None:
    """How an image lies against the first one, where that is sure; None if they fit.

    Args:
        first: (1, H, W) or (3, H, W) in [0, 1].
        other: The same size.
    """
    one, two = _small(first, COARSE), _small(other, COARSE)
    if one.numel() < ENOUGH:
        return None
    tried = [Transform(turned, scale) for turned in TURNS for scale in SCALES]
    tried += [Transform(mirrored=name) for name in MIRRORED]
    found = _best(_fits(one, two, tried), tried)
    one, two = _small(first, FINE), _small(other, FINE)
    finer = [found]
    if not found.mirrored:
        turned, scale, _ = found
        finer = [Transform(turned + more, scale * times) for more, times in FINER]
    fits = _fits(one, two, [*finer, Transform()])
    found = _best(fits[:-1], finer)
    fit = fits[finer.index(found)]
    down, right = _place(fit)
    offset = _offset(first, right / one.shape[1], down / one.shape[0], found, _are_alone(one, two))
    return offset if str(offset) and _is_sure(fit, fits[-1], down, right) else None


def displaced(samples: Iterable[tuple[str, Mapping[str, Tensor]]]) -> list[str]:
    """A line on each source that does not lie on the first one of its sample.

    Args:
        samples: The id of each, and its sources by their names, all of a size.
    """
    found: dict[tuple[str, str], dict[str, Offset]] = {}
    count = 0
    for id_, images in samples:
        count += 1
        (first, own), *others = images.items()
        for name, other in others:
            offset = offset_between(own, other)
            if offset is not None:
                found.setdefault((name, first), {})[id_] = offset
    lines = []
    for (name, first), offsets in found.items():
        told = "; ".join(f"{id_}: {offset}" for id_, offset in list(offsets.items())[:SHOWN])
        lines.append(
            f"{name} seems {_seems(offsets.values())} against {first} in {len(offsets)} of {count} "
            f"samples looked at ({told}); register them first{_remedy(offsets.values())}"
        )
    return lines


def _seems(offsets: Iterable[Offset]) -> str:
    """In a word or two what is wrong, the same for all."""
    turned, scaled = any(one.turned for one in offsets), any(one.scale != 1 for one in offsets)
    words = ["turned"] * turned + ["scaled"] * scaled
    moved = any(one.mirrored or one.is_shifted for one in offsets)
    return " and ".join(words + ["displaced"] * (moved or not words))


def _remedy(offsets: Iterable[Offset]) -> str:
    if any(one.mirrored for one in offsets):
        return ""
    seen = any(one.turned or one.scale != 1 for one in offsets)
    return f" (data.align {'homography' if seen else 'translation'})"


def _offset(image: Tensor, right: float, down: float, found: Transform, alone: bool) -> Offset:
    """Of parts of the sides."""
    height, width = image.shape[-2:]
    shift, turn, scale = LEAST_ALONE if alone else LEAST
    least = (max(1.0, shift * width), max(1.0, shift * height)), turn, scale
    return Offset(round(right * width), round(down * height), found, least)


def _small(image: Tensor, side: int) -> Tensor:
    """Luma, (h, w), of at most that longer side."""
    luma = to_luma(image)[None].float()
    scale = max(1.0, max(image.shape[-2:]) / side)
    return F.interpolate(luma, [max(1, round(n / scale)) for n in luma.shape[-2:]], mode="area")[
        0, 0
    ]


def _best(fits: Tensor, tried: Sequence[Transform]) -> Transform:
    """The one that fits best; a mirrored image lies where it was."""
    highest = fits.flatten(1).amax(1)
    centre = [n // 2 for n in fits.shape[1:]]
    rows, columns = (slice(n - max(1, n // 8), n + max(1, n // 8) + 1) for n in centre)
    near = fits[:, rows, columns].flatten(1).amax(1)
    mirrored = torch.tensor([bool(one.mirrored) for one in tried])
    return tried[int(torch.where(mirrored, near, highest).argmax())]


def _place(fit: Tensor) -> tuple[int, int]:
    """Rows and columns by which the second image must be moved."""
    row, column = divmod(int(fit.argmax()), fit.shape[1])
    return row - fit.shape[0] // 2, column - fit.shape[1] // 2


def _is_sure(fit: Tensor, still: Tensor, down: int, right: int) -> bool:
    """Whether images fit much better than as they are, and than anywhere else."""
    row, column = (n // 2 for n in fit.shape)
    as_is = still[row - NEAR : row + NEAR + 1, column - NEAR : column + NEAR + 1].max()
    elsewhere = fit.clone()
    top, left = row + down - NEARER, column + right - NEARER
    elsewhere[max(top, 0) : top + 2 * NEARER + 1, max(left, 0) : left + 2 * NEARER + 1] = 0
    best = fit.max()
    return bool(best >= FITS and best >= BETTER * as_is and best >= CLEARER * elsewhere.max())


def _are_alone(one: Tensor, two: Tensor) -> bool:
    """Whether both show an object on a flat ground, as medical images do."""
    for image in (one, two):
        edge = torch.stack(torch.gradient(image)).abs().amax(0) < FLAT
        border = [edge[:6].flatten(), edge[-6:].flatten()]
        border += [edge[:, :6].flatten(), edge[:, -6:].flatten()]
        if torch.cat(border).float().mean() < ALONE:
            return False
    return True


def _fits(one: Tensor, two: Tensor, tried: Sequence[Transform]) -> Tensor:
    """Correlation of the directions of edges once each transform is undone, for every shift.

    Returns:
        (N, 2 * (h // 4) + 1, 2 * (w // 4) + 1), at most 1; the middle is no shift.
    """
    height, width = one.shape
    grid = F.affine_grid(_undoing(tried, height, width), [len(tried), 1, height, width], False)
    images = two.expand(len(tried), 1, -1, -1)
    images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)[:, 0]
    inner = 1 - torch.tensor([3 / width, 3 / height])  # what the border repeats has no edges
    shown = (grid.abs() < inner).all(-1).float()
    fixed, moved = _directions(one[None], torch.ones(1, height, width)), _directions(images, shown)
    reach = height // REACH, width // REACH
    size = [height + reach[0], width + reach[1]]
    product = torch.fft.fft2(fixed, size) * torch.fft.fft2(moved, size).conj()
    both = torch.fft.ifft2(product).real
    energy = _correlated(fixed.abs().square(), shown, size)
    other = _correlated(torch.ones_like(one)[None], moved.abs().square(), size)
    fits = both / (energy * other).clamp(min=1e-3).sqrt()
    rows, columns = (torch.arange(-n, n + 1) % m for n, m in zip(reach, size, strict=True))
    return fits[:, rows][:, :, columns]


def _correlated(one: Tensor, two: Tensor, size: Sequence[int]) -> Tensor:
    product = torch.fft.rfft2(one, size) * torch.fft.rfft2(two, size).conj()
    return torch.fft.irfft2(product, size)


def _undoing(tried: Sequence[Transform], height: int, width: int) -> Tensor:
    """From places of the first image to those of the second, (N, 2, 3), sides from -1 to 1."""
    maps = []
    for turned, scale, mirrored in tried:
        across, along = MIRRORED.get(mirrored, (1, 1))
        cos, sin = (scale * f(math.radians(turned)) for f in (math.cos, math.sin))
        maps.append(
            [
                [across * cos, -across * sin * height / width, 0.0],
                [along * sin * width / height, along * cos, 0.0],
            ]
        )
    return torch.tensor(maps)


def _directions(images: Tensor, shown: Tensor) -> Tensor:
    """Edges as complex numbers of twice their angle, (N, h, w): which side is bright is all one.

    Strong edges do not outweigh the rest; what is not shown has none.
    """
    smooth = F.avg_pool2d(images[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    down, across = torch.gradient(smooth, dim=(1, 2))
    square = (down.square() + across.square()).clamp(min=1e-12)
    strength = square.sqrt() * shown
    mean = strength.sum((1, 2)) / shown.sum((1, 2)).clamp(min=1)
    strength = strength / (strength + mean.clamp(min=1e-4)[:, None, None])
    return strength * torch.complex(across.square() - down.square(), 2 * across * down) / square
