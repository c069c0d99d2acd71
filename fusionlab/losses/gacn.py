"""The objective of GACN: the decision map by Dice, and the edges of the fused image by Q_G.

Ma et al., Neurocomputing 470, 2022, https://doi.org/10.1016/j.neucom.2021.10.115
Xydeas and Petrović, Electronics Letters 36(4), 2000
Authors' code: https://github.com/Keep-Passion/GACN
Differs: the authors blur one part of MS-COCO's photographs in each source, and so know the decision
map; here the pairs are our synthetic ones, and a source is in focus where it is nearer to the sharp
photograph, over 11x11 pixels.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.gacn import GACN, refined
from fusionlab.networks.sesf import grey

WINDOW = 11  # pixels
SMOOTH = 1.0  # of Dice
TINY = 1e-6  # in place of a gradient of 0
STEEPNESS = 1e5  # of the choice of the weaker gradient
STRENGTH, ORIENTATION = (10.0, 0.5), (20.0, 0.75)  # slope and middle of the sigmoids


class GACNObjective(Objective):
    """1 − Dice of the decision map, and 1 − Q_G of the fused image."""

    learns_from: ClassVar[Kind | None] = "multi_focus"
    trains: ClassVar[type[FusionNetwork]] = GACN

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 3, S, S) and ``reference`` (B, 3, S, S)."""
        assert isinstance(network, GACN)
        sources: Tensor = batch["sources"]
        decision = network.decision(*network.combine(network.encode(sources)))
        first, second = (grey(one) for one in sources.unbind(1))
        weights = refined(decision, first, second)
        fused = weights * first + (1 - weights) * second
        return {
            "dice": dice_loss(decision, focus_of_first(sources, batch["reference"])),
            "edges": edge_loss(fused, torch.stack([first, second], 1)),
        }


def focus_of_first(sources: Tensor, reference: Tensor) -> Tensor:
    """Where the first of two sources is in focus, (B, 1, H, W), 0 or 1.

    Args:
        sources: (B, 2, C, H, W).
        reference: Sharp, (B, C, H, W).
    """
    errors = (sources - reference.unsqueeze(1)).square().mean(2)
    first, second = F.avg_pool2d(errors, WINDOW, 1, WINDOW // 2).split(1, 1)
    return (first < second).to(sources)


def dice_loss(decision: Tensor, target: Tensor) -> Tensor:
    """1 − Dice over the whole batch, of (B, 1, H, W) and (B, 1, H, W) in [0, 1]."""
    shared = (decision * target).sum()
    total = decision.square().sum() + target.square().sum()
    return 1 - (2 * shared + SMOOTH) / (total + SMOOTH)


def edge_loss(fused: Tensor, sources: Tensor) -> Tensor:
    """1 − Q_G, the mean over pixels of what is left of the sources' Sobel gradients.

    Convention: zeros around the images; of the two strengths a steep sigmoid takes the weaker.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        sources: (B, 2, 1, H, W) in [0, 1].
    """
    strength, orientation = _gradient(fused, always=True)
    kept, total = torch.zeros_like(strength), torch.zeros_like(strength)
    for source in sources.unbind(1):
        own_strength, own_orientation = _gradient(source, always=False)
        is_stronger = (STEEPNESS * (strength - own_strength)).sigmoid()
        ratio = is_stronger * own_strength / strength
        ratio = ratio + (1 - is_stronger) * strength / own_strength
        turned = (own_orientation - orientation).abs()
        agreement = (turned - math.pi / 2).abs() * 2 / math.pi
        quality = _sigmoid(ratio, *STRENGTH) * _sigmoid(agreement, *ORIENTATION)
        kept, total = kept + quality * own_strength, total + own_strength
    return 1 - (kept / total).mean()


def _gradient(images: Tensor, always: bool) -> tuple[Tensor, Tensor]:
    """Strength, > 0, and orientation in (−π/2, π/2); ``always`` adds to every x gradient."""
    padded = F.pad(images, (1, 1, 1, 1))
    down = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    across = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    x, y = down[..., 2:] - down[..., :-2], across[..., :-2, :] - across[..., 2:, :]
    x = x + TINY if always else torch.where(x == 0, TINY, x)
    strength = (x.square() + y.square()).sqrt()
    return strength.clamp_min(TINY), torch.atan(y / x)


def _sigmoid(x: Tensor, slope: float, middle: float) -> Tensor:
    return (slope * (x - middle)).sigmoid()
