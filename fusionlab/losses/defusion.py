"""The objective of DeFusion: take a photograph apart that is seen through two masks.

Liang et al., ECCV 2022
Authors' code: https://github.com/erfect2020/DecompositionForFusion
Differs: the schedule counts the steps of the whole training; the authors' starts anew where a
training is resumed. The options are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fusionlab.console import note
from fusionlab.data.photographs import open_photographs
from fusionlab.data.pretext import CELLS, JITTER, VEILS, MaskedPhotographs, parts_of
from fusionlab.errors import InputError
from fusionlab.losses.base import Objective, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.settings import Training

SMALLEST = 32  # side of a crop, so that a cell of the finest grid is more than a pixel


class DeFusionObjective(Objective):
    """Distance of the common, the unique and the fused image to theirs.

    First only what lies within a part's mask counts; later, with a small weight, also that it is 0
    elsewhere; and later still the fused image, the whole photograph. The network is one that
    decomposes.

    Args:
        pace: How much faster than the authors' the schedule runs; for trainings of less than their
            637,500 steps. It is over after 40,000 / pace steps.
        jitter: Least factor of brightness, contrast and saturation of a photograph, at most 1.
        veils: What is seen where a mask hides the photograph, drawn for each item: ``noise``, the
            authors'; ``blur`` and ``exposure``, the photograph out of focus, or far too bright in
            one source and too dark in the other, so that few steps teach what sharp and well
            exposed is.
        longest: Pixels to which the longer side of larger photographs is reduced; None for none.
        cells: Along a side of the coarse mask grids; the fine ones have twice as many, or one more.
            Fewer than the authors' 13 make parts as large as those that are out of focus.
        grey: Whether photographs lose their colours, for a network that fuses luma.
    """

    smallest_crop: ClassVar[int] = SMALLEST
    whole_crops: ClassVar[bool] = True

    def __init__(
        self,
        pace: float = 1,
        jitter: float = JITTER,
        veils: Sequence[str] = VEILS[:1],
        longest: int | None = None,
        cells: int = CELLS,
        grey: bool = False,
    ) -> None:
        super().__init__()
        if type(pace) not in (int, float) or not 0 < pace < math.inf:
            raise InputError(f"training.options.pace must be above 0, got {pace!r}")
        self.pace, self.masking = pace, Masking(jitter, veils, longest, cells, grey)

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch of :class:`~fusionlab.data.pretext.MaskedPhotographs`."""
        sources = batch["sources"]
        features = network.encode(sources)
        common, unique = network.images(features, sources)
        fused = network.decode(network.combine(features), sources)
        iteration = int(self.pace * step.index)
        with torch.autocast(sources.device.type, enabled=False):
            common, unique, fused = (x.to(sources.dtype) for x in (common, unique, fused))
            of_photograph = batch["reference"], batch["masks"]
            return decomposition_terms(common, unique, fused, *of_photograph, iteration)

    def open_data(self, settings: Training, seed: int) -> tuple[Dataset, Dataset | None]:
        """Masked photographs; validation as usual."""
        return self.masking.open(self.name, settings, seed), None

    def check_network(self, network: FusionNetwork) -> None:
        """Refuse a network that does not decompose."""
        super().check_network(network)
        if not network.decomposes:
            raise InputError(
                f"training.objective {self.name} trains networks that decompose, such as defusion; "
                f"{network.name} with these options does not; change one of the two"
            )


def decomposition_terms(
    common: Tensor, unique: Tensor, fused: Tensor, image: Tensor, masks: Tensor, iteration: int
) -> dict[str, Tensor]:
    """The four terms, each summed over the batch.

    Args:
        common: (B, 3, H, W).
        unique: (B, 2, 3, H, W).
        fused: (B, 3, H, W).
        image: The photograph, (B, 3, H, W).
        masks: (B, 2, 1, H, W).
        iteration: Of the authors' schedule.
    """
    share = outside_share(iteration)
    both = masks.prod(1)
    own = masks - both.unsqueeze(1)
    of_both, of_each = parts_of(image, masks)
    alone = distances(blended(unique, own, share), of_each)
    return {
        "common": distances(blended(common, both, share), of_both).sum(),
        "unique_1": alone[:, 0].sum(),
        "unique_2": alone[:, 1].sum(),
        "fused": fused_weight(iteration) * distances(fused, image).sum(),
    }


def blended(part: Tensor, mask: Tensor, share: float) -> Tensor:
    """A part within its mask; elsewhere a share of it."""
    return share * part + (1 - share) * mask * part


def distances(images: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute distance of each image, (..., 3, H, W) to (...)."""
    return (images - targets).abs().mean((-3, -2, -1))


def outside_share(iteration: int) -> float:
    """How much it counts, 0 to 0.15, what a part shows outside its mask."""
    if iteration < 3000:
        return 0.0
    share = 0.15 * (min(iteration, 7000) / 7000) ** 2
    return share / 10 if iteration > 40_000 else share


def fused_weight(iteration: int) -> float:
    """Weight β of the fused image, 0 to 1."""
    return 0.0 if iteration < 17_000 else (min(iteration - 10_000, 14_000) / 14_000) ** 2


class Masking:
    """What photographs are made to learn from, for objectives of either DeFusion.

    Args:
        jitter: The option.
        veils: The option.
        longest: The option.
        cells: The option.
        grey: The option.

    Raises:
        InputError: If an option cannot be.
    """

    def __init__(
        self,
        jitter: float,
        veils: Sequence[str],
        longest: int | None,
        cells: int = CELLS,
        grey: bool = False,
    ) -> None:
        if type(jitter) not in (int, float) or not 0 <= jitter <= 1:
            raise InputError(f"training.options.jitter must be from 0 to 1, got {jitter!r}")
        if type(grey) is not bool:
            raise InputError(f"training.options.grey must be true or false, got {grey!r}")
        known = ", ".join(VEILS)
        if isinstance(veils, str) or not veils or set(veils) - set(VEILS):
            raise InputError(
                f"training.options.veils must be a list of one or more of {known}, got {veils!r}"
            )
        if longest is not None and (type(longest) is not int or longest < SMALLEST):
            raise InputError(
                f"training.options.longest must be a whole number of {SMALLEST} or more, "
                f"got {longest!r}"
            )
        if type(cells) is not int or not 1 <= cells <= CELLS:
            raise InputError(
                f"training.options.cells must be a whole number from 1 to {CELLS}, got {cells!r}"
            )
        self.jitter, self.veils, self.longest = float(jitter), list(veils), longest
        self.cells, self.grey = cells, grey

    def open(self, name: str, settings: Training, seed: int) -> MaskedPhotographs:
        """Masked photographs of ``training.root``, else of those that scikit-image carries.

        Args:
            name: Of the objective, for messages.
            settings: The ``training`` group of the config.
            seed: Of whatever is random.

        Raises:
            InputError: If there are none, or a setting is not for them.
        """
        for key in ("stride", "contrast"):
            if getattr(settings, key):
                raise InputError(
                    f"training.objective {name} does not read training.{key}; leave it out"
                )
        photographs = open_photographs(settings.root, 1, settings.limit)
        note(f"learns from {len(photographs)} photographs")
        return MaskedPhotographs(
            photographs,
            settings.crop_size,
            seed,
            self.jitter,
            self.veils,
            self.longest,
            self.cells,
            self.grey,
        )
