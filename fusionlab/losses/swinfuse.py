"""The objective of SwinFuse: reconstruct photographs.

Wang et al., IEEE Transactions on Instrumentation and Measurement 71, 2022,
https://doi.org/10.1109/TIM.2022.3191664
Authors' code: https://github.com/Zhishe-Wang/SwinFuse
Differs: each scale enters MS-SSIM once, and its range is always 2, that of images in [-1, 1]; with
``as_published`` MS-SSIM is that of the authors' code, see :mod:`fusionlab.losses.densefuse`, and
both terms are divided by the size of the batch once more, which Adam does not notice. The authors
resize photographs after they are normalised, with a function that takes them to [0, 255] again.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, Reconstruction, Step
from fusionlab.losses.densefuse import SMALLEST, ms_ssim
from fusionlab.networks.base import FusionNetwork

SSIM_WEIGHT = 1000.0
RANGE = 2.0


def swinfuse_reconstruction(components: Tensor, sources: Tensor) -> Tensor:
    """The loss of each component and its source, in [0, 1], as in training.

    Raises:
        ValueError: If the images are too small for MS-SSIM.
    """
    images, targets = (2 * x.float().flatten(0, 1) - 1 for x in (components, sources))
    losses = [
        torch.stack(list(reconstruction_terms(image, target).values())).sum()
        for image, target in zip(images.split(1), targets.split(1), strict=True)
    ]
    return torch.stack(losses).view(sources.shape[:2])


class SwinFuseObjective(Objective):
    """Absolute error and MS-SSIM of a photograph and itself, encoded and decoded.

    Args:
        as_published: With the quirks of the authors' code.
    """

    learns_from: ClassVar[Kind | None] = "photographs"
    smallest_crop: ClassVar[int] = SMALLEST
    reconstruction: ClassVar[Reconstruction | None] = staticmethod(swinfuse_reconstruction)

    def __init__(self, as_published: bool = False) -> None:
        super().__init__()
        if type(as_published) is not bool:
            raise InputError(
                f"training.options.as_published must be true or false, got {as_published!r}"
            )
        self.as_published = as_published

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 1, 1, S, S)."""
        photographs: Tensor = batch["sources"]
        padded = network.pad(photographs)
        alone = network.components(network.encode(padded), padded)
        decoded = network.crop(alone, photographs)[:, 0].to(photographs.dtype)
        with torch.autocast(decoded.device.type, enabled=False):
            return reconstruction_terms(
                2 * decoded - 1, 2 * photographs[:, 0] - 1, self.as_published
            )


def reconstruction_terms(
    decoded: Tensor, photographs: Tensor, as_published: bool = False
) -> dict[str, Tensor]:
    """The terms of images in [-1, 1].

    Args:
        decoded: (B, 1, H, W).
        photographs: (B, 1, H, W).
        as_published: See :class:`SwinFuseObjective`.
    """
    share = 1 / len(decoded) if as_published else 1.0
    similarity = ms_ssim(decoded, photographs, as_published, RANGE)
    return {
        "l1": share * F.l1_loss(decoded, photographs),
        "ms_ssim": share * SSIM_WEIGHT * (1 - similarity),
    }
