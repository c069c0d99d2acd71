"""Photographs seen through two random masks: what DeFusion and DeFusion++ learn from.

Liang et al., ECCV 2022
Authors' code: https://github.com/erfect2020/DecompositionForFusion
Differs: every item has a seed of its own, so that processes, workers and the order of access change
nothing. The veils ``blur`` and ``exposure`` are ours: the authors' is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from fusionlab.data.batches import shuffled
from fusionlab.data.colour import to_luma, to_rgb
from fusionlab.data.crops import ENDLESS
from fusionlab.data.defocus import defocus
from fusionlab.data.patches import PairPatches

CELLS = 13  # along a side of the coarse grids; the fine ones have twice as many, or one more
RATE, SPREAD = 0.1, 1.12  # a cell is seen with a probability of RATE to RATE + 1 / SPREAD
THIRD = (0.33, 0.66)  # shares of items whose third grid is coarse, and that or fine
JITTER = 0.1  # least factor of brightness, contrast and saturation
KEPT = 256  # reduced photographs, which are read once
VEILS = ("noise", "blur", "exposure")  # what is seen where a mask hides the photograph
RADII = (2, 6)  # of the blur, in pixels
STOPS, GAMMA = (1.0, 4.0), 2.2  # of the other exposure, darker or brighter
EDGE = 12  # widest edge between two exposures, the radius of its blur in pixels


class Grids(NamedTuple):
    """Which cells are seen; 1 or 0."""

    coarse: tuple[Tensor, Tensor]
    """A₁ and A₂, (13, 13)."""
    fine: tuple[Tensor, Tensor]
    """B₁ and B₂, (g, g)."""
    third: Tensor
    """Of pixels that neither shows: those of the first image, (n, n)."""
    is_swapped: bool
    """Whether the masks change places."""


def random_grids(rng: np.random.Generator, cells: int = CELLS) -> Grids:
    """The grids of an item, all with one rate.

    Args:
        rng: Draws them.
        cells: Along a side of the coarse ones.
    """
    rate = RATE + rng.random() / SPREAD
    finer = (2 * cells, 2 * cells + 1)
    fine = int(rng.choice(finer))

    def grid(count: int) -> Tensor:
        return torch.from_numpy(rng.random((count, count)) < rate).float()

    coarse, pair = (grid(cells), grid(cells)), (grid(fine), grid(fine))
    kind = np.searchsorted(THIRD, rng.random(), "right")
    third = grid((cells, fine, int(rng.choice(finer)))[kind])
    return Grids(coarse, pair, third, bool(rng.random() < 0.5))


def masks_of(grids: Grids, side: int) -> Tensor:
    """What two images show of a photograph: every pixel in one of them at least.

    Convention: pixel i takes cell ⌊i n / S⌋ of n.

    Args:
        grids: The grids.
        side: Side S, pixels.

    Returns:
        (2, 1, S, S), 1 where a pixel is seen, else 0.
    """

    def enlarged(grid: Tensor) -> Tensor:
        places = torch.arange(side) * len(grid) // side
        return grid[places][:, places].float()

    first, second = (
        enlarged(coarse) * enlarged(fine)
        for coarse, fine in zip(grids.coarse, grids.fine, strict=True)
    )
    unseen, third = (first + second == 0).float(), enlarged(grids.third)
    masks = torch.stack([first + unseen * third, second + unseen * (1 - third)]).unsqueeze(1)
    return masks.flip(0) if grids.is_swapped else masks


def masked(image: Tensor, masks: Tensor, veil: Tensor) -> Tensor:
    """Images that show what their masks let through, else a veil.

    Args:
        image: (..., 3, S, S) in [0, 1].
        masks: (..., 2, 1, S, S).
        veil: (..., 2, 3, S, S).

    Returns:
        (..., 2, 3, S, S) in [0, 1].
    """
    return masks * image.unsqueeze(-4) + (1 - masks) * veil


def noise(normal: Tensor) -> Tensor:
    """The authors' veil, min(|N(0, 1)|, 1) in every value."""
    return normal.abs().clamp(max=1)


def veiled(image: Tensor, masks: Tensor, kind: str, rng: np.random.Generator) -> Tensor:
    """Two images of a photograph, each with a veil over what its mask hides.

    Args:
        image: (3, S, S) in [0, 1].
        masks: (2, 1, S, S).
        kind: ``noise``; ``blur``, the photograph out of focus; or ``exposure``, the photograph as
            cameras clip it, too bright in the first image, too dark in the second, by 1 to 4
            stops, with a soft edge between right and wrong.
        rng: Draws the veil.

    Returns:
        (2, 3, S, S) in [0, 1].
    """
    if kind == "noise":
        normal = torch.from_numpy(rng.standard_normal((2, *image.shape), dtype=np.float32))
        return masked(image, masks, noise(normal))
    if kind == "blur":
        radii = rng.integers(RADII[0], RADII[1] + 1, 2)
        blurred = torch.cat([defocus(image[None], int(radius)) for radius in radii])
        return masked(image, masks, blurred.clamp(0, 1))
    stops = torch.from_numpy(rng.uniform(*STOPS, 2) * (1, -1)).float().view(2, 1, 1, 1)
    wrong = defocus(1 - masks, int(rng.integers(EDGE + 1)))
    return (image**GAMMA * 2 ** (stops * wrong)).clamp(0, 1) ** (1 / GAMMA)


def parts_of(image: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """What both masks show of a photograph, and what each shows alone; elsewhere 0.

    Args:
        image: (..., 3, S, S).
        masks: (..., 2, 1, S, S).

    Returns:
        (..., 3, S, S) and (..., 2, 3, S, S).
    """
    both = masks.prod(-4)
    return both * image, (masks - both.unsqueeze(-4)) * image.unsqueeze(-4)


class MaskedPhotographs(Dataset[dict[str, Any]]):
    """A photograph after the other, jittered, cropped and seen through two masks, without end.

    All come, in random order, before one comes again. What is drawn for an item depends on the
    seed, the pass and the photograph alone.

    Args:
        photographs: (3, H, W) or (1, H, W) in [0, 1].
        side: Side S of the crops, pixels; a crop is 8 to 100 % of a photograph, resized.
        seed: Another seed gives other items.
        jitter: Least factor of brightness, contrast and saturation, at most 1.
        veils: Of ``VEILS``; one is drawn for each item.
        longest: Pixels to which the longer side of larger photographs is reduced first; None for
            none. Crops of large ones are sharper then, and quicker made.
        cells: See :func:`random_grids`.
        grey: Whether photographs lose their colours.
    """

    def __init__(
        self,
        photographs: Sequence[Tensor],
        side: int,
        seed: int = 0,
        jitter: float = JITTER,
        veils: Sequence[str] = VEILS[:1],
        longest: int | None = None,
        cells: int = CELLS,
        grey: bool = False,
    ) -> None:
        from torchvision.transforms import ColorJitter, RandomResizedCrop

        self.photographs, self.side, self.seed = photographs, side, seed
        self.veils, self.longest, self.cells = list(veils), longest, cells
        self._reduced: dict[int, Tensor] = {}
        factors = (jitter, 1.0)
        self.grey = grey
        self._jitter = ColorJitter(factors, factors, factors) if jitter < 1 else None
        self._crop = RandomResizedCrop(side, antialias=False)

    def __len__(self) -> int:
        return ENDLESS

    @property
    def pass_length(self) -> int:
        """Items until each photograph has come once."""
        return len(self.photographs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Two sources, their masks, the photograph, and a seed of whatever else is random.

        ``sources`` (2, 3, S, S), ``masks`` (2, 1, S, S), ``reference`` (3, S, S), all in [0, 1];
        ``seed`` and ``index``, int.
        """
        number, place = divmod(index, len(self.photographs))
        chosen = int(shuffled(len(self.photographs), self.seed, number)[place])
        rng = np.random.default_rng((self.seed, number, chosen))
        image = self._cut(self._photograph(chosen), int(rng.integers(2**62)))
        masks = masks_of(random_grids(rng, self.cells), self.side)
        return {
            "index": index,
            "sources": veiled(image, masks, str(rng.choice(self.veils)), rng),
            "masks": masks,
            "reference": image,
            "seed": int(rng.integers(2**62)),
        }

    def _photograph(self, number: int) -> Tensor:
        """(3, H, W), reduced where it is too large; the first that were reduced are kept."""
        if number in self._reduced:
            return self._reduced[number]
        image = to_rgb(self.photographs[number])
        image = to_luma(image).expand(3, -1, -1) if self.grey else image
        if self.longest is None or max(image.shape[1:]) <= self.longest:
            return image
        scale = self.longest / max(image.shape[1:])
        size = [max(1, round(scale * side)) for side in image.shape[1:]]
        image = F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
        if len(self._reduced) < KEPT:
            self._reduced[number] = image
        return image

    def _cut(self, image: Tensor, seed: int) -> Tensor:
        """Jittered, then cropped; torchvision draws from PyTorch's generator."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image = image if self._jitter is None else self._jitter(image)
            return self._crop(image).clamp(0, 1)


class WithPairs(Dataset[dict[str, Any]]):
    """Masked photographs, each with a pair, all of which come before one comes again.

    Args:
        photographs: The photographs.
        pairs: Items with ``rgb``, (2, 3, S, S).
    """

    def __init__(self, photographs: MaskedPhotographs, pairs: PairPatches) -> None:
        self.photographs, self.pairs = photographs, pairs

    def __len__(self) -> int:
        return ENDLESS

    @property
    def pass_length(self) -> int:
        """Items until each photograph has come once."""
        return self.photographs.pass_length

    def __getitem__(self, index: int) -> dict[str, Any]:
        """An item of the photographs, and ``pair`` (2, 3, S, S) in [0, 1]."""
        number, place = divmod(index, len(self.pairs))
        chosen = int(shuffled(len(self.pairs), self.photographs.seed, number)[place])
        return {**self.photographs[index], "pair": self.pairs[chosen]["rgb"]}
