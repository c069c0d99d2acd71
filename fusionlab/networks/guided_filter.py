"""GFF, image fusion with guided filtering: sharp sources win, up to their own edges.

Li, Kang and Hu, IEEE Transactions on Image Processing 22(7), 2013,
https://doi.org/10.1109/TIP.2013.2244222
Differs: the authors' MATLAB rounds the weights to 8 bits and, where two sources have the same
saliency, takes the first; here they share (Eq. 8). kornia's guided filter has other borders.
Per channel: saliency, guide and weights come from the luma, as the authors'; the layers of RGB are
weighted channel by channel with them.
TTD: weights are made from all sources by :meth:`encode`. RD scales them before they are made to sum
to 1, and so what each source's base and detail contribute; what matters is its ratio between
sources. Where one source has all the weight, it keeps it.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features

BASE_RADIUS = 15  # the base is a mean over 31 x 31 pixels
SALIENCY_RADIUS, SALIENCY_SIGMA = 5, 5.0
RADIUS_OF_BASE, EPSILON_OF_BASE = 45, 0.3  # of the guided filters of the weights
RADIUS_OF_DETAIL, EPSILON_OF_DETAIL = 7, 1e-6
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
TINY = 1e-12  # where no weight is left, all are the same


class Layers(NamedTuple):
    """Both layers of M sources, (B, M, C, H, W), and their weights, (B, M, 1, H, W), > 0."""

    base: Tensor
    detail: Tensor
    base_weights: Tensor
    detail_weights: Tensor


class GuidedFilter(FusionNetwork):
    """Fuses any number of sources in two layers."""

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mef", "mff"})
    trainable: ClassVar[bool] = False
    bytes_per_pixel: ClassVar[int] = 270
    reach: ClassVar[int] = 96  # the saliency 6, the filter of the base twice its radius
    is_local: bool = True
    paper: ClassVar[str] = "Li et al., TIP 2013"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "none needed"

    def encode(self, sources: Tensor) -> Layers:
        """(B, M, C, H, W) to layers and weights."""
        sources = sources.to(torch.promote_types(sources.dtype, torch.float32))  # for TINY
        with torch.autocast(sources.device.type, enabled=False):
            images = sources.flatten(0, 1)
            grey = images
            if images.shape[1] == 3:
                luma = images.new_tensor(LUMA).view(3, 1, 1)
                grey = (images * luma).sum(1, keepdim=True)
            base = _base(images)
            layers = (base, images - base, grey, saliency(grey))
            base, detail, grey, activity = (x.unflatten(0, sources.shape[:2]) for x in layers)
            wanted = (activity == activity.amax(1, keepdim=True)).to(grey)  # P, Eq. 8
            return Layers(
                base,
                detail,
                refined(wanted, grey, RADIUS_OF_BASE, EPSILON_OF_BASE),
                refined(wanted, grey, RADIUS_OF_DETAIL, EPSILON_OF_DETAIL),
            )

    def combine(self, features: Layers, gain: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Base and detail, (B, C, H, W) each: sums over M with weights that sum to 1."""
        return (
            _weighted_sum(features.base, features.base_weights, gain),
            _weighted_sum(features.detail, features.detail_weights, gain),
        )

    def decode(self, combined: tuple[Tensor, Tensor], sources: Tensor) -> Tensor:
        """(B, C, H, W), unclamped."""
        base, detail = combined
        return base + detail


def saliency(grey: Tensor) -> Tensor:
    """Magnitude of the Laplacian of 4 neighbours, smoothed, (N, 1, H, W), ≥ 0 (Eq. 6 and 7)."""
    padded = F.pad(grey, (1, 1, 1, 1), "replicate")
    rows = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    columns = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    radius = SALIENCY_RADIUS
    place = torch.arange(-radius, radius + 1, device=grey.device, dtype=grey.dtype)
    kernel = (-place.square() / (2 * SALIENCY_SIGMA**2)).exp()
    kernel = kernel / kernel.sum()
    x = F.pad((rows + columns - 4 * grey).abs(), [radius] * 4, "replicate")
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def refined(wanted: Tensor, guide: Tensor, radius: int, epsilon: float) -> Tensor:
    """Weights of a layer: what is wanted, filtered along the edges of the guide and clipped.

    Convention: means over windows of 2 r + 1 pixels a side, clipped at the borders.

    Args:
        wanted: (B, M, 1, H, W), 0 or 1.
        guide: (B, M, 1, H, W) in [0, 1].
        radius: r.
        epsilon: Square of the contrast from which on an edge is kept.

    Returns:
        (B, M, 1, H, W), above 0 and at most 1, not yet summing to 1 over M.

    Source: He, Sun and Tang, TPAMI 35(6), 2013; Eq. 9 and 10 of GFF.
    """
    precise = torch.float32 if guide.device.type == "mps" else torch.float64  # MPS has no double
    image, target = guide.to(precise), wanted.to(precise)
    mean_image, mean_target = window_mean(image, radius), window_mean(target, radius)
    variance = window_mean(image * image, radius) - mean_image * mean_image
    covariance = window_mean(image * target, radius) - mean_image * mean_target
    slope = covariance / (variance + epsilon)
    offset = mean_target - slope * mean_image
    found = window_mean(slope, radius) * image + window_mean(offset, radius)
    return found.clamp(0, 1).add(TINY).to(guide)


def window_mean(images: Tensor, radius: int) -> Tensor:
    """Mean over a window about each pixel, clipped at the borders, (..., H, W)."""
    return _window_mean(_window_mean(images, radius).mT, radius).mT


def _window_mean(images: Tensor, radius: int) -> Tensor:
    """Along the last dimension."""
    size = images.shape[-1]
    sums = F.pad(images, (radius + 1, radius)).cumsum(-1)
    place = torch.arange(size, device=images.device)
    last, first = (place + radius).clamp(max=size - 1), (place - radius).clamp(min=0)
    return (sums[..., 2 * radius + 1 :] - sums[..., :size]) / (last - first + 1)


def _base(images: Tensor) -> Tensor:
    """Mean over 31 x 31 pixels, outermost pixels repeated, (N, C, H, W)."""
    inner = slice(BASE_RADIUS, -BASE_RADIUS)
    padded = F.pad(images, [BASE_RADIUS] * 4, "replicate")
    return window_mean(padded, BASE_RADIUS)[..., inner, inner]


def _weighted_sum(layer: Tensor, weights: Tensor, gain: Tensor | None) -> Tensor:
    """(B, M, C, H, W) to (B, C, H, W), Eq. 11."""
    scaled = torch.stack(list(scale_features(weights, gain)), 1)
    return (scaled / scaled.sum(1, keepdim=True) * layer).sum(1)
