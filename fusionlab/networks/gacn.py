"""GACN: end-to-end learning of decision map and multi-focus image fusion, gradient aware.

Ma et al., Neurocomputing 470, 2022, https://doi.org/10.1016/j.neucom.2021.10.115
Authors' code: https://github.com/Keep-Passion/GACN
Differs: nothing; GACN.pkl loads as published. Untrained convolutions begin with He's variance,
those after an attention, which at first halves, with four times that, or the steep sigmoids let no
gradient through; of untrained attentions the two hidden units begin as opposites, of which one
always learns.
TTD: the picture is made of the sources, each of which alone comes back as it is, so RD of
components is uniform and TTD does nothing; RD given by hand scales the features before their
spatial frequency.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.guided_filter import window_mean
from fusionlab.networks.published import Published
from fusionlab.networks.sesf import ChannelAttention, grey

RULES = ("calibrated", "serial")
WINDOW = 11  # over which the spatial frequency is summed, pixels
STEEPNESS = 1000.0  # of the sigmoids that decide
WIDTHS = (64, 48, 32, 16, 1)  # of the decision path
RADIUS, EPSILON = 3, 0.1  # of the guided filter
BLUR, SIGMA = 9, 8.0  # window that finds the boundary, pixels


def _unit(name: str, channels_in: int, channels_out: int, scale: float = 1) -> nn.Sequential:
    """3x3 convolution with zeros around the image, ReLU, batch norm, in this order."""
    convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1)
    nn.init.normal_(convolution.weight, std=scale * (2 / (9 * channels_in)) ** 0.5)
    norm = nn.BatchNorm2d(channels_out)
    layers = {f"{name}_Conv2d": convolution, "relu": nn.ReLU(), f"{name}_BatchNorm": norm}
    return nn.Sequential(OrderedDict(layers))


class SpatialAttention(nn.Module):
    """Weighs the pixels of maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Conv2d(channels, 1, 7, padding=3, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to the same."""
        return x * self.fc(x)


class GACN(FusionNetwork):
    """Features of each source, a map that decides between two of them, refined at its boundary.

    Args:
        rule: Of more than two sources: ``calibrated`` (the first is held against each of the
            others, and each pixel is that of the best) or ``serial`` (one after the other with what
            has been fused).

    Raises:
        InputError: If the rule is unknown.
    """

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mff"})
    bytes_per_pixel: ClassVar[int] = 2200
    objective: ClassVar[str] = "gacn"
    ttd_note: ClassVar[str] = (
        "it chooses pixels of the sources, each of which alone comes back as it is: RD is uniform "
        "and TTD changes nothing"
    )
    paper: ClassVar[str] = "Ma et al., Neurocomputing 2022"
    tasks: ClassVar[tuple[str, ...]] = ("mff",)
    licence: ClassVar[str] = "LGPL-2.1"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "GACN.pkl", sha256="08c4c30ebb3fc9050ab9423e2d8c6c70a8c2e95141426f263814ed45727ac352"
        ),
    )

    def __init__(self, rule: str = "calibrated") -> None:
        super().__init__()
        if rule not in list(RULES):
            raise InputError(f"gacn: rule must be one of {', '.join(RULES)}, got {rule!r}")
        self.rule = rule
        for k, channels in enumerate((1, 16, 32, 48)):
            name = f"feature_extraction_conv{k}"
            self.add_module(name, _unit(name, channels, 16))
            self.add_module(f"se_{k}", ChannelAttention())
        for k, (before, width) in enumerate(pairwise(WIDTHS), 1):
            name = f"decision_path_conv{k}"
            self.add_module(name, _unit(name, before, width, 2))
        for k, width in enumerate(WIDTHS, 4):
            self.add_module(f"se_{k}", SpatialAttention(width))

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, C, H, W) in [0, 1] to (B, M, 64, H, W)."""
        x = grey(sources.flatten(0, 1))
        for k in range(4):
            found = self.get_submodule(f"feature_extraction_conv{k}")(x)
            found = self.get_submodule(f"se_{k}")(found)
            x = torch.cat([x, found], 1) if k else found
        return x.unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> list[Tensor]:
        """The spatial frequencies of each source, scaled by the gain, M of (B, 64, H, W)."""
        return [spatial_frequencies(one) for one in scale_features(features, gain)]

    def decode(self, combined: list[Tensor], sources: Tensor) -> Tensor:
        """Mixes pixels of the sources, (B, M, C, H, W) to (B, C, H, W)."""
        if len(combined) > 2 and self.rule == "calibrated":
            maps = [self.weights(combined, sources, m) for m in range(1, len(combined))]
            return calibrated(torch.stack(maps, 1), sources)
        fused = sources[:, 0]
        for m in range(1, len(combined)):
            activity = combined[0]
            if m > 1:
                activity = spatial_frequencies(self.encode(fused.unsqueeze(1))[:, 0])
            pair = torch.stack([fused, sources[:, m]], 1)
            weights = self.weights([activity, combined[m]], pair, 1)
            fused = weights * fused + (1 - weights) * sources[:, m]
        return fused

    def weights(self, activities: list[Tensor], sources: Tensor, m: int) -> Tensor:
        """Of the first source against the m-th, (B, 1, H, W) in [0, 1]."""
        decision = self.decision(activities[0], activities[m])
        images = (grey(sources[:, 0]), grey(sources[:, m]))
        return refined(decision, *(one.to(decision) for one in images)).to(sources)

    def decision(self, first: Tensor, second: Tensor) -> Tensor:
        """Where the first is in focus, by the spatial frequencies of both: (B, 1, H, W)."""
        x = self.get_submodule("se_4")((first - second).mul_(STEEPNESS).sigmoid_())
        for k in range(1, len(WIDTHS)):
            x = self.get_submodule(f"decision_path_conv{k}")(x)
            x = self.get_submodule(f"se_{k + 4}")(x)
        return (STEEPNESS * x.float()).sigmoid()

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        """The sources as they are: a mixture of a source with itself."""
        return sources


def spatial_frequencies(features: Tensor) -> Tensor:
    """Squared differences from the left and the upper neighbour, over 11x11 pixels.

    Convention: neighbours outside of the image are 0; the window is cut off by its border.

    Args:
        features: (B, F, H, W).

    Returns:
        (B, F, H, W), ≥ 0, float32 or better.
    """
    with torch.autocast(features.device.type, enabled=False):
        x = features.to(torch.promote_types(features.dtype, torch.float32))
        rows = x.clone()
        rows[..., 1:, :] -= x[..., :-1, :]
        total = rows.square()
        del rows  # memory
        columns = x.clone()
        columns[..., 1:] -= x[..., :-1]
        total.add_(columns.square_())
        del columns
        ones = total.new_ones(1, 1, WINDOW, WINDOW).expand(total.shape[1], -1, -1, -1)
        return F.conv2d(total, ones, padding=WINDOW // 2, groups=total.shape[1])


def refined(decision: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """A decision, filtered along the edges of what it makes of two images, at its boundary alone.

    Convention: guided filter with means over 7x7 pixels, cut off by the border.

    Args:
        decision: (B, 1, H, W) in [0, 1].
        first: Luma, (B, 1, H, W) in [0, 1].
        second: The same.

    Returns:
        (B, 1, H, W).
    """
    place = torch.arange(BLUR, device=decision.device, dtype=decision.dtype) - BLUR // 2
    bell = (-place.square() / (2 * SIGMA**2)).softmax(0)
    rows = F.conv2d(decision, bell.view(1, 1, -1, 1), padding=(BLUR // 2, 0))
    blurred = F.conv2d(rows, bell.view(1, 1, 1, -1), padding=(0, BLUR // 2))
    sure = blurred * (blurred > 0.8) + (1 - blurred) * (blurred < 0.1)
    edge = 1 - (2 * (blurred * sure + (1 - sure) / 2) - 1).abs()
    guide = decision * first + (1 - decision) * second
    precise = torch.float32 if guide.device.type == "mps" else torch.float64  # MPS has no double
    guide, target = guide.to(precise), decision.to(precise)
    mean, mean_target = window_mean(guide, RADIUS), window_mean(target, RADIUS)
    variance = window_mean(guide * guide, RADIUS) - mean * mean
    covariance = window_mean(guide * target, RADIUS) - mean * mean_target
    slope = covariance / (variance + EPSILON)
    offset = mean_target - slope * mean
    filtered = window_mean(slope, RADIUS) * guide + window_mean(offset, RADIUS)
    return filtered.to(decision) * edge + decision * (1 - edge)


def index_of(maps: Tensor) -> Tensor:
    """The best source at each pixel, from 0, by maps of the first against the others.

    Args:
        maps: (B, M - 1, 1, H, W) in [0, 1].

    Returns:
        (B, 1, H, W), int64.
    """
    return volume(maps).argmax(1)


def volume(maps: Tensor) -> Tensor:
    """How good each source is in the scale of the first two, (B, M, 1, H, W), ≥ 0."""
    first = maps[:, :1]
    others = first / (maps[:, 1:] + 1e-4) * (1 - maps[:, 1:])
    return torch.cat([first, 1 - first, others], 1)


def calibrated(maps: Tensor, sources: Tensor) -> Tensor:
    """Each pixel of the best source, (B, C, H, W); see :func:`index_of`."""
    chosen = F.one_hot(index_of(maps), sources.shape[1]).movedim(-1, 1).to(sources)
    soft = volume(maps)
    soft = (soft / soft.sum(1, keepdim=True)).to(sources)
    return ((chosen + (soft - soft.detach())) * sources).sum(1)
