"""SESF-Fuse: an unsupervised deep model for multi-focus image fusion.

Ma et al., Neural Computing and Applications 33, 2021, https://doi.org/10.1007/s00521-020-05358-9
Authors' code: https://github.com/Keep-Passion/SESF-Fuse
Differs: nothing; lp+lssim_se_sf_net_times30.pkl loads as published. More than two sources are fused
one after the other with what has been fused, as the authors do. Of untrained attentions the two
hidden units begin as opposites: one of them always learns.
TTD: RD scales the features before their spatial frequency, by which the sharper source is chosen.
The component of a source is its reconstruction by the decoder, which only training and TTD use.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from scipy import ndimage
from skimage.morphology import disk
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.guided_filter import window_mean
from fusionlab.networks.published import Published

MEAN, DEVIATION = 0.4500517361627943, 0.26465333914691797  # of the images it was trained with
LUMA = (0.2125, 0.7154, 0.0721)  # scikit-image's
WINDOW = 11  # over which the spatial frequency is summed, pixels
DISK = disk(5).astype(bool)
SMALLEST = 0.01  # share of the pixels below which a region is given to the other source
RADIUS, EPSILON = 4, 0.1 / 255**2  # of the guided filter, on images in [0, 1]


def _unit(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 convolution with zeros around the image, ReLU, batch norm, in this order."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    return nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(channels_out))


class ChannelAttention(nn.Module):
    """Weighs 16 channels by their means (squeeze and excitation)."""

    def __init__(self) -> None:
        super().__init__()
        layers = (nn.Linear(16, 2, bias=False), nn.ReLU(), nn.Linear(2, 16, bias=False))
        self.fc = nn.Sequential(*layers, nn.Sigmoid())
        with torch.no_grad():
            layers[0].weight[1] = -layers[0].weight[0]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 16, H, W) to the same."""
        return x * self.fc(x.mean((2, 3)))[..., None, None]


class SESF(FusionNetwork):
    """An auto-encoder whose features tell which source is in focus."""

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mff"})
    truncates: bool = True
    auxiliary: ClassVar[tuple[str, ...]] = ("conv_decode",)
    bytes_per_pixel: ClassVar[int] = 1500
    objective: ClassVar[str] = "sesf"
    paper: ClassVar[str] = "Ma et al., Neural Computing and Applications 2021"
    tasks: ClassVar[tuple[str, ...]] = ("mff",)
    licence: ClassVar[str] = "LGPL-2.1"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "lp+lssim_se_sf_net_times30.pkl",
            sha256="8758fcab88f19f673e31c9a8d1dc60e67f5b655572462ea099c49248b36fdaa3",
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self.features = _unit(1, 16)
        self.conv_encode_1, self.conv_encode_2, self.conv_encode_3 = (
            _unit(channels, 16) for channels in (16, 32, 48)
        )
        self.se_f, self.se_1, self.se_2, self.se_3 = (ChannelAttention() for _ in range(4))
        steps = (64, 64, 32, 16, 1)
        self.conv_decode_1, self.conv_decode_2, self.conv_decode_3, self.conv_decode_4 = (
            _unit(*pair) for pair in pairwise(steps)
        )

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, C, H, W) in [0, 1] to (B, M, 64, H, W)."""
        luma = grey(sources.flatten(0, 1))
        return self.encoded((luma - MEAN) / DEVIATION).unflatten(0, sources.shape[:2])

    def encoded(self, luma: Tensor) -> Tensor:
        """Normalised luma, (N, 1, H, W), to (N, 64, H, W)."""
        x = self.se_f(self.features(luma))
        for unit, attention in (
            (self.conv_encode_1, self.se_1),
            (self.conv_encode_2, self.se_2),
            (self.conv_encode_3, self.se_3),
        ):
            x = torch.cat([x, attention(unit(x))], 1)
        return x

    def decoded(self, features: Tensor) -> Tensor:
        """(N, 64, H, W) to normalised luma, (N, 1, H, W)."""
        x = self.conv_decode_2(self.conv_decode_1(features))
        return self.conv_decode_4(self.conv_decode_3(x))

    def combine(self, features: Tensor, gain: Tensor | None = None) -> list[Tensor]:
        """The spatial frequency of each source, scaled by the gain, M of (B, 1, H, W)."""
        return [spatial_frequency(one) for one in scale_features(features, gain)]

    def decode(self, combined: list[Tensor], sources: Tensor) -> Tensor:
        """Chooses pixels of the sources, (B, M, C, H, W) to (B, C, H, W), unclamped."""
        fused, activity = sources[:, 0], combined[0]
        for m in range(1, sources.shape[1]):
            if m > 1:
                activity = spatial_frequency(self.encode(fused.unsqueeze(1))[:, 0])
            fused = choose(fused, sources[:, m], activity, combined[m])
        return fused

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """Each source with the luma that the decoder makes of its features, (B, M, C, H, W)."""
        images = sources.flatten(0, 1)
        decoded = torch.stack([self.decoded(one) for one in features.unbind(1)], 1)
        luma = decoded.flatten(0, 1).to(sources.dtype) * DEVIATION + MEAN
        found = luma if images.shape[1] == 1 else images + (luma - grey(images))
        return found.view_as(sources)


def grey(images: Tensor) -> Tensor:
    """(N, C, H, W) to luma, (N, 1, H, W); one channel stays."""
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)


def spatial_frequency(features: Tensor) -> Tensor:
    """Squared differences from the left and the upper neighbour, over channels and 11x11 pixels.

    Convention: neighbours outside of the image are 0; the window is cut off by its border.

    Args:
        features: (B, F, H, W).

    Returns:
        (B, 1, H, W), ≥ 0, float32 or better.
    """
    with torch.autocast(features.device.type, enabled=False):
        x = features.to(torch.promote_types(features.dtype, torch.float32))
        rows = x - F.pad(x, (0, 0, 1, 0))[..., :-1, :]
        columns = x - F.pad(x, (1, 0))[..., :-1]
        total = (rows.square() + columns.square()).sum(1, keepdim=True)
        return F.avg_pool2d(total, WINDOW, 1, WINDOW // 2) * WINDOW**2


def choose(first: Tensor, second: Tensor, activity: Tensor, other: Tensor) -> Tensor:
    """Two images by their activities; of equal ones the second.

    Args:
        first: (B, C, H, W) in [0, 1].
        second: The same.
        activity: Of the first, (B, 1, H, W).
        other: Of the second.

    Returns:
        (B, C, H, W); the map that mixes them may leave [0, 1] at edges.
    """
    decision = cleaned(activity > other)
    weights = refined(decision, first, second).to(first)
    share = activity / (activity + other).clamp_min(1e-30)
    weights = weights + (share - share.detach()).to(first)  # a choice has no gradient
    return first * weights + second * (1 - weights)


@torch.library.custom_op("fusionlab::cleaned", mutates_args=())  # SciPy's steps, to be traced over
def cleaned(decision: Tensor) -> Tensor:
    """A decision without specks: opened, closed, regions below 1 % of the pixels changed over.

    Args:
        decision: (B, 1, H, W), bool.

    Returns:
        The same.
    """
    found = [_cleaned(one[0].cpu().numpy()) for one in decision]
    return torch.from_numpy(np.stack(found)).unsqueeze(1).to(decision.device)


@cleaned.register_fake
def _(decision: Tensor) -> Tensor:
    return torch.empty_like(decision)


def _cleaned(mask: np.ndarray) -> np.ndarray:
    least = SMALLEST * mask.size
    mask = ndimage.binary_erosion(mask, DISK, border_value=1)
    mask = _without_small(ndimage.binary_dilation(mask, DISK), least)
    mask = ndimage.binary_dilation(mask, DISK)
    mask = ndimage.binary_erosion(mask, DISK, border_value=1)
    return ~_without_small(~mask, least)


def _without_small(mask: np.ndarray, least: float) -> np.ndarray:
    """Without regions of fewer pixels, whose pixels touch by their sides."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    return mask & (sizes >= least)[labels]


def refined(decision: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """A decision filtered along the edges of what it makes of two images.

    Convention: guided filter, channel by channel, in double precision where the device has it;
    means over windows of 9 pixels a side, cut off by the border.

    Args:
        decision: (B, 1, H, W), bool.
        first: (B, C, H, W) in [0, 1].
        second: The same.

    Returns:
        (B, 1, H, W).
    """
    precise = torch.float32 if first.device.type == "mps" else torch.float64
    target = decision.to(precise)
    guide = torch.where(decision, first.detach(), second.detach()).to(precise)
    mean, mean_target = window_mean(guide, RADIUS), window_mean(target, RADIUS)
    variance = window_mean(guide * guide, RADIUS) - mean * mean
    covariance = window_mean(guide * target, RADIUS) - mean * mean_target
    slope = covariance / (variance + EPSILON)
    offset = mean_target - (slope * mean).sum(1, keepdim=True)
    return (window_mean(slope, RADIUS) * guide).sum(1, keepdim=True) + window_mean(offset, RADIUS)
