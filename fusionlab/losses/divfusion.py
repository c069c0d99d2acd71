"""The objectives of DIVFusion: take illumination out of the visible image, then fuse.

Tang et al., Information Fusion 91, 2023, https://doi.org/10.1016/j.inffus.2022.10.034
Authors' code: https://github.com/Xinyu-Xiang/DIVFusion (TensorFlow)
Differs: the visible luma is equalised patch by patch. Two things are our reading of the paper:
the gradient of all terms is that of the network, a magnitude from its least to its largest value;
the reflectance is decoded from the features weighed for the enhanced visible image, the
illumination from those of an attention of its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from kornia.enhance import equalize
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.losses.base import Kind, Objective, ParameterGroup, Step
from fusionlab.losses.vgg import VGG
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.divfusion import ChannelAttention, DIVFusion, Layer, gradients

LEVELS = (3, 4)  # of VGG-16: conv3_3 and conv4_3
LEAST = 0.01  # gradient of the visible image
CLOSEST = 1 - 1e-6  # cosine, beyond which an angle has no gradient


class Decoders(nn.Module):
    """What only the first stage needs: from features back to the sources.

    Args:
        dim: Number of features.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = (dim, dim // 2, dim // 4, dim // 8)
        self.CAM_L = ChannelAttention(dim, dim // 8)
        self.infrared, self.reflectance = (
            nn.ModuleList([*(Layer(*pair) for pair in pairwise(widths)), _last(dim // 8)])
            for _ in range(2)
        )
        self.illumination = nn.ModuleList(
            [
                Layer(dim, dim // 2),
                Layer(dim, dim // 4),
                Layer(dim // 4, dim // 8),
                _last(dim // 4),
            ]
        )

    def forward(self, infrared: Tensor, enhanced: Tensor, light: Tensor) -> tuple[Tensor, ...]:
        """Features, (B, F, H, W) each, to infrared, reflectance and illumination, (B, 1, H, W)."""
        for layer in self.infrared:
            infrared = layer(infrared)
        maps = [enhanced]
        for layer in self.reflectance:
            maps.append(layer(maps[-1]))
        first, *others = self.illumination
        light = torch.cat([first(light), maps[1]], 1)
        for layer in others[:-1]:
            light = layer(light)
        light = others[-1](torch.cat([light, maps[3]], 1))
        return infrared.tanh(), maps[-1].sigmoid(), light.sigmoid()


def _last(channels: int) -> Layer:
    return Layer(channels, 1, activates=False)


class DIVFusionDecompositionObjective(Objective):
    """The first stage: encoder and attentions, by decoders that only it needs.

    Args:
        vgg: File or address of the weights of VGG-16, in whose features reflectances are compared.
    """

    learns_from: ClassVar[Kind | None] = "pairs"
    trains: ClassVar[type[FusionNetwork]] = DIVFusion
    unused_parameters: ClassVar[bool] = True

    def __init__(self, vgg: str | None = None) -> None:
        super().__init__()
        self.vgg = VGG(16, vgg)
        self.decoders: Decoders | None = None

    def prepare(self, network: FusionNetwork) -> None:
        """Make decoders for as many features."""
        assert isinstance(network, DIVFusion)
        if self.decoders is None:
            self.decoders = Decoders(network.dim)

    def parameter_groups(self, network: FusionNetwork) -> list[ParameterGroup]:
        """What makes features, and the decoders."""
        assert isinstance(network, DIVFusion)
        assert self.decoders is not None
        parts = (network.encoder, network.CAM_IR, network.CAM_VI_E)
        return [
            ParameterGroup("network", [x for part in parts for x in part.parameters()]),
            ParameterGroup("decoders", list(self.decoders.parameters())),
        ]

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, S, S), visible first."""
        assert isinstance(network, DIVFusion)
        assert self.decoders is not None
        visible, infrared = batch["sources"].unbind(1)
        x = network.encoder(batch["sources"].flatten(1, 2))
        attentions = (network.CAM_IR, network.CAM_VI_E, self.decoders.CAM_L)
        found = self.decoders(*(attention(x) * x for attention in attentions))
        decoded, reflectance, light = (one.to(visible.dtype) for one in found)
        return {
            "visible": 1000 * F.mse_loss(reflectance * light, visible),
            "infrared": 2000 * F.mse_loss(decoded, infrared),
            "smoothness": 7 * smoothness(light, visible),
            "perceptual": 40 * self.distance(reflectance, equalize(visible.contiguous())),
            "mutual": 9 * mutual_consistency(light),
        }

    def distance(self, one: Tensor, other: Tensor) -> Tensor:
        """Between images (B, 1, H, W) in [0, 1], by features."""
        pairs = zip(*(self.vgg(x.expand(-1, 3, -1, -1), LEVELS) for x in (one, other)), strict=True)
        return torch.stack([F.l1_loss(a, b) for a, b in pairs]).sum()


class DIVFusionObjective(Objective):
    """The second stage: gradients of both sources, and colours and intensities by their angle."""

    learns_from: ClassVar[Kind | None] = "pairs"
    trains: ClassVar[type[FusionNetwork]] = DIVFusion

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, S, S), visible first, and ``rgb``."""
        sources = batch["sources"]
        fused = network(sources).to(sources.dtype)
        return fusion_terms(fused, sources, batch["rgb"][:, 0])


def fusion_terms(fused: Tensor, sources: Tensor, visible: Tensor) -> dict[str, Tensor]:
    """The terms of the second stage.

    Args:
        fused: (B, 1, H, W).
        sources: (B, 2, 1, H, W), visible first.
        visible: The visible image in colour, (B, 3, H, W) in [0, 1].
    """
    luma, infrared = sources.unbind(1)
    edges = [torch.add(*gradients(x)) for x in (fused, luma, infrared)]
    coloured = fused + (visible - luma)  # with the visible image's chroma
    return {
        "gradient": 200 * F.mse_loss(edges[0], torch.maximum(edges[1], edges[2])),
        "colour": 1.1 * torch.stack([*map(angle, coloured.unbind(1), visible.unbind(1))]).sum(),
        "infrared": 2.5 * angle(fused, infrared),
    }


def angle(one: Tensor, other: Tensor) -> Tensor:
    """Between two tensors of any shape, each as one vector, in radians."""
    cosine = F.cosine_similarity(one.flatten(), other.flatten(), 0)
    return cosine.clamp(-CLOSEST, CLOSEST).arccos()


def smoothness(light: Tensor, visible: Tensor) -> Tensor:
    """Gradients of the illumination where the visible image has none, (B, 1, H, W) both."""
    pairs = zip(gradients(light), gradients(visible), strict=True)
    return torch.stack([(a / b.clamp_min(LEAST)).abs().mean() for a, b in pairs]).sum()


def mutual_consistency(light: Tensor) -> Tensor:
    """Of an illumination, (B, 1, H, W): neither weak nor strong edges cost, those between do."""
    return torch.stack([(g * (-10 * g).exp()).mean() for g in gradients(light)]).sum()
