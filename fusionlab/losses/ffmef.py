"""The objective of FFMEF: gradient-driven image fidelity (GIF).

Zheng et al., CVPR Workshops 2023, https://doi.org/10.1109/CVPRW59228.2023.00281
Authors' code: https://github.com/keviner1/FFMEF
Differs: the authors cut half to all of an image's sides, flip, and resize to 320x320 pixels; here
patches keep their size. They compute the gradients of the sources with OpenCV; of 8,192 values one
rounds to another level.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.losses.base import Kind, Objective, Step
from fusionlab.networks.base import FusionNetwork
from fusionlab.networks.ffmef import to_studio

EDGE = 0.5  # gradient from which a source is kept as it is
# of RGB, over the studio range
BLUE_DIFFERENCE = (-0.148223, -0.290992, 0.439215)
RED_DIFFERENCE = (0.439215, -0.367789, -0.071426)


class FFMEFObjective(Objective):
    """Fidelity where a source has edges, elsewhere to a mean by colour, and gradients."""

    learns_from: ClassVar[Kind | None] = "pairs"

    def forward(
        self, network: FusionNetwork, batch: dict[str, Any], step: Step
    ) -> dict[str, Tensor]:
        """Terms of a batch with ``sources`` (B, 2, 1, H, W) and ``rgb`` (B, 2, 3, H, W)."""
        sources = to_studio(batch["sources"])
        fused = to_studio(network(batch["sources"]).to(sources.dtype)).clamp(0, 1)
        return fidelity_terms(
            fused, sources, source_gradients(sources), colour_weights(batch["rgb"])
        )


def fidelity_terms(
    fused: Tensor, sources: Tensor, gradients: Tensor, weights: Tensor
) -> dict[str, Tensor]:
    """The terms of fused luma, of the studio range as that of the sources.

    Args:
        fused: (B, 1, H, W) in [0, 1].
        sources: (B, 2, 1, H, W) in [0, 1].
        gradients: Of the sources, (B, 2, 1, H, W) in [0, 1].
        weights: Of the sources where neither has edges, (B, 2, 1, H, W).
    """
    near_edges = F.max_pool2d(gradients.flatten(0, 1), 3, stride=1, padding=1) >= EDGE
    edges = near_edges.to(fused.dtype).unflatten(0, sources.shape[:2])
    distance = (sources - fused.unsqueeze(1)).abs() * edges
    flat = 1 - edges.sum(1).clamp(max=1)
    mean_distance = ((weights * sources).sum(1) - fused).abs() * flat
    found = scharr_magnitude(fused, "replicate")
    return {
        "edges": 1.25 * 2 * distance.mean(),  # the mean of each of the two sources
        "flat": mean_distance.mean(),
        "gradient": 2 * F.l1_loss(found, gradients.amax(1)),
    }


def scharr_magnitude(images: Tensor, padding: str) -> Tensor:
    """Mean of the absolute Scharr gradients, each at most 255, over 255.

    Args:
        images: Luma, (N, 1, H, W) in [0, 1].
        padding: How the border is filled, as in ``torch.nn.functional.pad``.

    Returns:
        (N, 1, H, W) in [0, 1].
    """
    padded = F.pad(255 * images, (1, 1, 1, 1), mode=padding)
    down = 3 * padded[..., :-2, :] + 10 * padded[..., 1:-1, :] + 3 * padded[..., 2:, :]
    across = 3 * padded[..., :-2] + 10 * padded[..., 1:-1] + 3 * padded[..., 2:]
    x = (down[..., 2:] - down[..., :-2]).abs().clamp(max=255)
    y = (across[..., 2:, :] - across[..., :-2, :]).abs().clamp(max=255)
    return (x + y) / 2 / 255


def source_gradients(sources: Tensor) -> Tensor:
    """:func:`scharr_magnitude` of sources, (B, 2, 1, H, W), truncated to 8 bits."""
    found = scharr_magnitude(sources.flatten(0, 1), "reflect")
    return ((255 * found).floor() / 255).unflatten(0, sources.shape[:2])


def colour_weights(rgb: Tensor) -> Tensor:
    """Weights of two sources by how coloured they are.

    Convention: twice a softmax whose second share is made with the first share in place of the
    first exponent, as in the authors' code; they sum to 0.98 to 1.

    Args:
        rgb: (B, 2, 3, H, W) in [0, 1].

    Returns:
        (B, 2, 1, H, W).
    """
    colour = torch.zeros_like(rgb[:, :, :1])
    for coefficients in (BLUE_DIFFERENCE, RED_DIFFERENCE):
        factors = rgb.new_tensor(coefficients).view(3, 1, 1)
        chroma = (factors * rgb).sum(2, keepdim=True) + 128 / 255
        colour = colour + (chroma - 0.5).abs()
    first, second = colour.unbind(1)
    for _ in range(2):
        first, second = _shares(first, second)
    return torch.stack([first, second], 1)


def _shares(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    share = first.exp() / (first.exp() + second.exp())
    return share, second.exp() / (share.exp() + second.exp())
