"""The objective of U2Fusion: keep the source that holds more information.

Xu et al., IEEE TPAMI 44(1), 2022, https://doi.org/10.1109/TPAMI.2020.3012548
Authors' code: https://github.com/hanna-xu/U2Fusion (TensorFlow)
Differs: elastic weight consolidation is left out, whose factor is 0 in the authors' script; weights
are not cut off at ±50. As there, the squared errors are weighted by the mean weights of the batch.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.losses.similarity import contrast_and_similarity
from fusionlab.losses.vgg import VGG
from fusionlab.networks.base import FusionNetwork

CAFFE_MEANS = (103.939, 116.779, 123.68)  # blue, green, red, in grey levels
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, red, green, blue
LEVELS = (1, 2, 3, 4, 5)
SIDE = 224


class U2FusionObjective(Objective):
    """SSIM and squared error to each source, weighted 1 and 20 and by its information.

    Args:
        vgg: File or address of the weights of VGG-16, which measures information.
        c: What differences of information are divided by. It belongs to the weights: with Caffe's
            the authors have 3200 (infrared-visible), 3500 (exposures) and 100 (focus).
        caffe: Whether the weights are Caffe's, which want blue, green, red in grey levels without
            their means; else torchvision's or timm's.
    """

    learns_from: ClassVar[Kind | None] = "pairs"

    def __init__(self, vgg: str | None = None, c: float | None = None, caffe: bool = False) -> None:
        super().__init__()
        if type(caffe) is not bool:
            raise InputError(f"training.options.caffe must be true or false, got {caffe!r}")
        if type(c) not in (int, float) or not 0 < float(c or 0) < math.inf:
            raise InputError(
                "training.options.c must be a number above 0 that suits the weights of the VGG-16 "
                f"(3200 with Caffe's on infrared-visible pairs), got {c!r}"
            )
        self.vgg, self.c, self.caffe = VGG(16, vgg), float(c or 0), caffe

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W), half of the times in reverse order."""
        sources: Tensor = batch["sources"]
        if torch.rand(()) < 0.5:
            sources = sources.flip(1)
        with torch.no_grad():
            weights = self.weights(sources)
        return fusion_terms(network(sources).to(sources.dtype), sources, weights)

    def weights(self, sources: Tensor) -> Tensor:
        """Weights of the sources by their information, (B, 2, 1, H, W) to (B, 2), sum 1."""
        images = F.interpolate(sources.flatten(0, 1), (SIDE, SIDE), mode="nearest")
        images = images.expand(-1, 3, -1, -1)
        if self.caffe:
            images = 255 * images - images.new_tensor(CAFFE_MEANS).view(3, 1, 1)
        else:
            means, deviations = images.new_tensor([MEANS, DEVIATIONS]).view(2, 3, 1, 1)
            images = (images - means) / deviations
        found = information(self.vgg(images, LEVELS)).mean(1)
        return (found.view(sources.shape[:2]) / self.c).softmax(1)


def information(features: list[Tensor]) -> Tensor:
    """Mean squared Laplacian of each level of features, (N, F, h, w) each, to (N, levels)."""
    found = []
    for x in features:
        with torch.autocast(x.device.type, enabled=False):  # squares overflow float16
            laplacian = 9 / 8 * F.avg_pool2d(x.float(), 3, 1, 1) - 9 / 8 * x.float()
            found.append(laplacian.square().mean((1, 2, 3)))
    return torch.stack(found, 1)


def fusion_terms(fused: Tensor, sources: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """The terms of (B, 1, H, W), (B, 2, 1, H, W) and the weights of the sources, (B, 2)."""
    targets = sources.flatten(0, 1)
    images = fused.repeat_interleave(sources.shape[1], 0)
    similarity = contrast_and_similarity(images, targets)[1].mean((1, 2, 3)).view(weights.shape)
    errors = (images - targets).square().mean((1, 2, 3)).view(weights.shape)
    return {
        "ssim": (weights * (1 - similarity)).sum(1).mean(),
        "mse": 20 * (weights.mean(0) * errors.mean(0)).sum(),
    }
