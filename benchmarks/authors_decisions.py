"""SESF-Fuse and GACN as their authors wrote them, with the weights of ours.

One pass for each source, shifts and sums of spatial frequency as convolutions of every channel,
features channel by channel in memory. What follows a decision is ours, for it is theirs too.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks import gacn, sesf
from fusionlab.networks.base import FusionNetwork


class AuthorsSESF:
    """The encoder, and the choice by the spatial frequency of all channels."""

    def __init__(self, network: FusionNetwork) -> None:
        self.state = network.state_dict()

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        first, second = sources.unbind(1)
        activities = [frequencies(self.encode(x)).sum(1, keepdim=True) for x in (first, second)]
        decision = sesf.cleaned(activities[0] > activities[1])
        weights = sesf.refined(decision, first, second).to(first)
        return first * weights + second * (1 - weights)

    def encode(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 64, H, W)."""
        x = attended(
            self.state, "se_f", self.unit("features", (image - sesf.MEAN) / sesf.DEVIATION)
        )
        for k in (1, 2, 3):
            found = attended(self.state, f"se_{k}", self.unit(f"conv_encode_{k}", x))
            x = torch.cat([x, found], 1)
        return x

    def unit(self, name: str, x: Tensor) -> Tensor:
        """Convolution, ReLU, batch norm."""
        return unit(self.state, f"{name}.0", f"{name}.2", x)


class AuthorsGACN:
    """The encoder, the spatial frequency of each channel, and the path that decides."""

    def __init__(self, network: FusionNetwork) -> None:
        self.state = network.state_dict()

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, 2, 1, H, W) to (B, 1, H, W)."""
        first, second = sources.unbind(1)
        one, other = (frequencies(self.encode(x)) for x in (first, second))
        x = self.attended(4, (gacn.STEEPNESS * (one - other)).sigmoid())
        for k in range(1, 5):
            x = self.attended(k + 4, self.unit(f"decision_path_conv{k}", x))
        decision = (gacn.STEEPNESS * x).sigmoid()
        weights = gacn.refined(decision, first, second)
        return weights * first + (1 - weights) * second

    def encode(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, 64, H, W)."""
        for k in range(4):
            found = attended(self.state, f"se_{k}", self.unit(f"feature_extraction_conv{k}", x))
            x = torch.cat([x, found], 1) if k else found
        return x

    def unit(self, name: str, x: Tensor) -> Tensor:
        """Convolution, ReLU, batch norm."""
        return unit(self.state, f"{name}.{name}_Conv2d", f"{name}.{name}_BatchNorm", x)

    def attended(self, k: int, x: Tensor) -> Tensor:
        """Pixels weighed by a 7x7 convolution."""
        return x * F.conv2d(x, self.state[f"se_{k}.fc.0.weight"], padding=3).sigmoid()


def unit(state: dict[str, Tensor], convolution: str, norm: str, x: Tensor) -> Tensor:
    """Convolution with zeros around the image, ReLU, batch norm."""
    weight, bias = state[f"{convolution}.weight"], state[f"{convolution}.bias"]
    x = F.relu(F.conv2d(x, weight, bias, padding=1))
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, scale, shift = (state[f"{norm}.{one}"] for one in names)
    return F.batch_norm(x, mean, variance, scale, shift)


def attended(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """Channels weighed by their means."""
    hidden = F.relu(F.linear(x.mean((2, 3)), state[f"{name}.fc.0.weight"]))
    share = F.linear(hidden, state[f"{name}.fc.2.weight"]).sigmoid()
    return x * share[..., None, None].expand_as(x)


def frequencies(x: Tensor) -> Tensor:
    """Squared differences from the left and the upper neighbour, over 11x11 pixels."""
    count = x.shape[1]
    left, above = x.new_zeros(2, count, 1, 3, 3)
    left[:, :, 1, 0] = 1
    above[:, :, 0, 1] = 1
    beside, over = (F.conv2d(x, one, padding=1, groups=count) for one in (left, above))
    total = (beside - x) ** 2 + (over - x) ** 2
    return F.conv2d(total, x.new_ones(count, 1, 11, 11), padding=5, groups=count)
