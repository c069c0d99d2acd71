"""The objective of DenseFuse: reconstruct photographs.

Li and Wu, IEEE Transactions on Image Processing 28(5), 2019,
https://doi.org/10.1109/TIP.2018.2887342
Authors' code: https://github.com/hli1221/densefuse-pytorch (the paper has SSIM on one scale)
Differs: each scale enters MS-SSIM once, its range is always 255, and RGB photographs are seen as
they are. The authors' code has three quirks, which ``as_published`` brings back:

- the factor of the coarsest scale enters four times, once with each of the finer scales;
- the range is 255 on a scale where the reconstruction exceeds 128 somewhere, and 1 where not; it is
  1 more where the reconstruction is below -0.5 somewhere;
- an RGB photograph, (H, W, 3) in memory, is reshaped to (3, H, W), which scrambles it; so the
  network sees and reconstructs scrambled images.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, Reconstruction, Step
from fusionlab.losses.similarity import contrast_and_similarity
from fusionlab.networks.base import FusionNetwork

GREY_LEVELS = 255.0
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # from fine to coarse
SSIM_WEIGHT = 100.0
WINDOW = 11
SMALLEST = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)  # halved four times, the window still fits


def densefuse_reconstruction(components: Tensor, sources: Tensor) -> Tensor:
    """Squared error in grey levels and MS-SSIM, with the weight that is default.

    Raises:
        ValueError: If the images are too small for MS-SSIM.
    """
    losses = []
    images, targets = (GREY_LEVELS * x.float().flatten(0, 1) for x in (components, sources))
    for image, target in zip(images.split(1), targets.split(1), strict=True):
        similarity = ms_ssim(image, target)
        losses.append((image - target).square().mean() + SSIM_WEIGHT * (1 - similarity))
    return torch.stack(losses).view(sources.shape[:2])


class DenseFuseObjective(Objective):
    """Mean squared error and MS-SSIM of a photograph and itself, encoded and decoded.

    Args:
        ssim_weight: Weight of 1 − MS-SSIM beside the squared error in grey levels; the authors
            tried 1, 10, 100, 1000, 10000.
        as_published: With the three quirks of the authors' code.
    """

    learns_from: ClassVar[Kind | None] = "photographs"
    smallest_crop: ClassVar[int] = SMALLEST
    reconstruction: ClassVar[Reconstruction | None] = staticmethod(densefuse_reconstruction)

    def __init__(self, ssim_weight: float = SSIM_WEIGHT, as_published: bool = False) -> None:
        super().__init__()
        if type(ssim_weight) not in (int, float) or not 0 <= ssim_weight < math.inf:
            raise InputError(
                f"training.options.ssim_weight must be a number of at least 0, got {ssim_weight!r}"
            )
        if type(as_published) is not bool:
            raise InputError(
                f"training.options.as_published must be true or false, got {as_published!r}"
            )
        self.ssim_weight = ssim_weight
        self.as_published = as_published

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 1, C, H, W)."""
        photographs: Tensor = batch["sources"]
        if self.as_published and photographs.shape[2] == 3:
            photographs = scrambled(photographs)
        decoded = network(photographs)
        with torch.autocast(decoded.device.type, enabled=False):  # squares overflow float16
            target = GREY_LEVELS * photographs[:, 0]
            decoded = GREY_LEVELS * decoded.to(target.dtype)
            similarity = ms_ssim(decoded, target, self.as_published)
            return {
                "mse": F.mse_loss(decoded, target),
                "ms_ssim": self.ssim_weight * (1 - similarity),
            }


def ms_ssim(
    x: Tensor,
    y: Tensor,
    as_published: bool = False,
    data_range: float = GREY_LEVELS,
    shrinks: bool = False,
) -> Tensor:
    """Multi-scale structural similarity of a batch.

    Convention: 5 scales, each the 2x2 mean of the one before; 11x11 Gaussian window, sigma 1.5,
    no border; range 255. The maps of contrast (scales 1 to 4) and of similarity (scale 5) are
    averaged over pixels, channels and batch, shifted from [−1, 1] to [0, 1], then raised to their
    weights and multiplied. The shift, from the package that the authors use, keeps roots real.

    Args:
        x: The reconstructions, (B, C, H, W); H, W ≥ 176.
        y: The photographs, the same.
        as_published: With the first two quirks of the authors' code.
        data_range: From the least to the largest value that images can have.
        shrinks: Whether the window is cut to the size of smaller images, as in that package.

    Returns:
        A scalar in [0, 1]; 1 for equal images.

    Raises:
        InputError: If the images are too small.

    Source: Wang et al., Asilomar 2003; https://github.com/jorge-pessoa/pytorch-msssim.
    """
    if not shrinks and min(x.shape[2:]) < SMALLEST:
        got = tuple(x.shape[2:])
        raise InputError(f"MS-SSIM needs images of at least {SMALLEST} pixels a side, got {got}")
    factors = []
    for weight in SCALE_WEIGHTS:
        guessed = _published_range(x) if as_published else data_range
        maps = contrast_and_similarity(x, y, min(WINDOW, *x.shape[2:]), guessed)
        contrast, similarity = maps[0].mean(), maps[1].mean()
        factors.append(((contrast + 1) / 2) ** weight)
        if len(factors) < len(SCALE_WEIGHTS):
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    coarsest = ((similarity + 1) / 2) ** SCALE_WEIGHTS[-1]
    times = len(SCALE_WEIGHTS) - 1 if as_published else 1
    return torch.stack(factors[:-1]).prod() * coarsest**times


def _published_range(x: Tensor) -> float:
    """What the package takes the range of images for: [0, 255], [0, 1], [-1, 255] or [-1, 1]."""
    return (GREY_LEVELS if x.max() > 128 else 1.0) + (1.0 if x.min() < -0.5 else 0.0)


def scrambled(photographs: Tensor) -> Tensor:
    """(B, 1, 3, H, W), channels last in memory, then read as if they were first."""
    return photographs.permute(0, 1, 3, 4, 2).reshape(photographs.shape)
