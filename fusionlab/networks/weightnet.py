"""WeightNet: a weight for every pixel of every source, from dilated convolutions.

Ours. That a network predicts one weight map per source, whose weighted mean is the fused image, is
of MEF-Net: Ma et al., IEEE TIP 29, 2020, https://doi.org/10.1109/TIP.2019.2952716.
Differs: MEF-Net sees small copies of the exposures and learns to raise MEF-SSIM. Here all pixels
are seen, multi-focus has a network of its own that sees fine detail alone, and both learn the
picture that they should make. A guided filter refines the weights of both, not while they learn.
TTD: features are the weights. RD multiplies them before they are made to sum to 1. A source alone
comes back as it is, so RD of components is uniform.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.exposure_fusion import LUMA
from fusionlab.networks.guided_filter import refined, window_mean

DILATIONS = (1, 1, 2, 4, 8, 16, 1)
SLOPE = 0.2  # of the leaky rectifiers
DETAIL_RADIUS = 3  # pixels; detail is what differs from the mean of a window
DETAIL_SCALE = 20.0  # brings detail to the order of 1
RADIUS, EPSILON = 7, 0.1  # of the guided filter
TINY = 1e-30  # where RD leaves no source any weight, all have the same


class WeightNet(FusionNetwork):
    """Weights the pixels of any number of exposures or focal planes.

    Args:
        width: Channels of the hidden layers.
    """

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mef", "mff"})
    padding_mode: ClassVar[str] = "replicate"
    bytes_per_pixel: ClassVar[int] = 400
    reach: ClassVar[int] = sum(DILATIONS) + DETAIL_RADIUS + 2 * RADIUS
    is_local: bool = True
    uses_task: ClassVar[bool] = True
    objective: ClassVar[str] = "synthetic_pairs"
    small: ClassVar[dict[str, Any]] = {"width": 4}
    ttd_note: ClassVar[str] = (
        "it weights pixels of the sources, each of which alone comes back as it is: RD is uniform "
        "and TTD changes nothing"
    )
    paper: ClassVar[str] = "ours; weights as Ma et al., TIP 2020"
    tasks: ClassVar[tuple[str, ...]] = ("mef", "mff")
    licence: ClassVar[str] = "MIT"

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        # exposures see themselves and how far they are from the mean of all
        self.exposure = _convolutions(2, width, DILATIONS)
        self.focus = _convolutions(1, width, DILATIONS)

    def encode(self, sources: Tensor, task: str | None = None) -> Tensor:
        """(B, M, C, H, W) to weights, (B, M, 1, H, W), above 0, not yet summing to 1.

        Sources of all tasks but ``mff`` are weighted as exposures.
        """
        luma = sources
        if sources.shape[2] == 3:
            luma = (sources * sources.new_tensor(LUMA).view(3, 1, 1)).sum(2, keepdim=True)
        if task == "mff":
            seen, network = DETAIL_SCALE * (luma - window_mean(luma, DETAIL_RADIUS)), self.focus
        else:
            seen = torch.cat([luma, luma - luma.mean(1, keepdim=True)], 2)
            network = self.exposure
        weights = network(seen.flatten(0, 1)).unflatten(0, sources.shape[:2]).softmax(1)
        if self.training:
            return weights  # else it learns to undo the filter
        return refined(weights, luma, RADIUS, EPSILON)

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Weights scaled by the gain, made to sum to 1 over M: (B, M, 1, H, W)."""
        scaled = torch.stack(list(scale_features(features, gain)), 1) + TINY
        return scaled / scaled.sum(1, keepdim=True)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """Mean of the sources, (B, M, C, H, W), by their weights, (B, M, 1, H, W)."""
        return (combined * sources).sum(1)

    def components(self, features: Tensor, sources: Tensor, task: str | None = None) -> Tensor:
        """Each source alone, which comes back as it is, (B, M, C, H, W)."""
        alone = self.combine(features.flatten(0, 1).unsqueeze(1))
        return self.decode(alone, sources.flatten(0, 1).unsqueeze(1)).unflatten(
            0, sources.shape[:2]
        )


def _convolutions(channels: int, width: int, dilations: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, dilation in zip([channels] + [width] * len(dilations), dilations, strict=False):
        layer = nn.Conv2d(before, width, 3, 1, dilation, dilation, padding_mode="replicate")
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        layers += [layer, nn.LeakyReLU(SLOPE)]
    last = nn.Conv2d(width, 1, 1, bias=False)  # the same for all sources, which has no effect
    nn.init.normal_(last.weight, 0, 0.02)  # starts near the plain mean
    return nn.Sequential(*layers, last)
