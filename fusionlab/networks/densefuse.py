"""DenseFuse: a fusion approach to infrared and visible images.

Li and Wu, IEEE Transactions on Image Processing 28(5), 2019,
https://doi.org/10.1109/TIP.2018.2887342
Authors' code: https://github.com/hli1221/densefuse-pytorch
Differs: the authors' PyTorch code always takes the mean; the l1-norm rule is the paper's (r = 1),
with pixels at the border repeated, which the paper leaves open. All sources are encoded as one
batch, and an image one pixel wide, which cannot be reflected, is repeated. The gray and the RGB
checkpoint load as published. Untrained weights are PyTorch's defaults, but those of the last layer
are made positive: like the authors' it ends in a ReLU, and of 40 random starts 8 would be all black
(19 in a channel of RGB), with no gradient to leave it.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from typing import ClassVar, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published
from fusionlab.settings import Task

RULES = ("mean", "l1")
GREY_LEVELS = 255.0  # the network works on [0, 255]; it has biases, so scale matters


class ConvLayer(nn.Module):
    """Reflection padding, 3x3 convolution, ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(channels_in, channels_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F', H, W), ≥ 0."""
        return self.conv2d(_reflect(x)).relu_()


class DenseLayer(nn.Module):
    """A convolution whose 16 channels are appended to its input."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        self.dense_conv = ConvLayer(channels_in, 16)

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) to (N, F + 16, H, W)."""
        return torch.cat([x, self.dense_conv(x)], 1)


def l1_norm_rule(features: list[Tensor]) -> Tensor:
    """Sum of the features, each weighted by its share of the activity at a pixel.

    Convention: activity is the l1-norm over channels, averaged over 3x3 pixels (r = 1) with the
    border repeated; where nothing is active the result is 0.

    Args:
        features: M tensors (B, F, H, W).

    Returns:
        (B, F, H, W).

    Source: the paper's l1-norm strategy.
    """
    # a mean in place of the norm's sum: the factor cancels, and half precision does not overflow
    norms = (feature.abs().mean(1, keepdim=True) for feature in features)
    padded = (F.pad(norm, (1, 1, 1, 1), mode="replicate") for norm in norms)
    activities = torch.stack([F.avg_pool2d(norm, 3, stride=1) for norm in padded])
    shares = activities / activities.sum(0).clamp_min(1e-6)  # (M, B, 1, H, W)
    return reduce(torch.add, map(torch.mul, shares.unbind(0), features))


def _reflect(x: Tensor) -> Tensor:
    if min(x.shape[-2:]) > 1:
        return F.pad(x, (1, 1, 1, 1), mode="reflect")
    x = F.pad(x, (1, 1, 0, 0), mode="reflect" if x.shape[-1] > 1 else "replicate")
    return F.pad(x, (0, 0, 1, 1), mode="reflect" if x.shape[-2] > 1 else "replicate")


class DenseFuse(FusionNetwork):
    """An auto-encoder with a dense block; sources meet between encoder and decoder.

    Args:
        channels_in: 1 (luma) or 3 (RGB), as in the authors' two checkpoints.
        rule: ``mean`` (the authors' choice; the paper's addition, halved) or ``l1``. Under TTD the
            l1-norm rule sees scaled features, so that its own weights follow RD too.
    """

    reach: ClassVar[int] = 8  # eight 3x3 convolutions
    is_local: bool = True
    objective: ClassVar[str] = "densefuse"
    paper: ClassVar[str] = "Li and Wu, IEEE TIP 2019"
    tasks: ClassVar[tuple[str, ...]] = ("vif",)
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "densefuse_gray.model",
            {"channels_in": 1},
            "b34cf3650f04161b31ac2467decfeedf7eba39165b7618f846e0f298ecd2ac65",
            "https://github.com/hli1221/densefuse-pytorch/raw/HEAD/models/densefuse_gray.model",
        ),
        Published(
            "densefuse_rgb.model",
            {"channels_in": 3},
            "d1829f47c0ff02ecfc294907655384eebc911a00deb89b91e354ae47c8728ea5",
            "https://github.com/hli1221/densefuse-pytorch/raw/HEAD/models/densefuse_rgb.model",
        ),
    )

    def __init__(self, channels_in: int = 1, rule: str = "mean") -> None:
        super().__init__()
        if type(channels_in) is not int or channels_in not in (1, 3):
            raise InputError(f"densefuse: channels_in must be 1 or 3, got {channels_in!r}")
        if rule not in RULES:
            raise InputError(f"densefuse: rule must be one of {', '.join(RULES)}, got {rule!r}")
        self.channels = (channels_in,)
        self.rgb_tasks = frozenset(get_args(Task) if channels_in == 3 else ())
        self.rule = rule
        self.conv1 = ConvLayer(channels_in, 16)
        block = nn.Sequential(DenseLayer(16), DenseLayer(32), DenseLayer(48))
        self.DB1 = nn.Sequential(OrderedDict(denseblock=block))
        self.conv2 = ConvLayer(64, 64)
        self.conv3 = ConvLayer(64, 32)
        self.conv4 = ConvLayer(32, 16)
        self.conv5 = ConvLayer(16, channels_in)
        with torch.no_grad():
            self.conv5.conv2d.weight.abs_()

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, C, H, W) in [0, 1] to (B, M, 64, H, W), ≥ 0."""
        images = GREY_LEVELS * sources.flatten(0, 1)
        return self.DB1(self.conv1(images)).unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """The mean over M, or the sum weighted by activity."""
        scaled = scale_features(features, gain)
        if self.rule == "l1":
            return l1_norm_rule(list(scaled))
        return reduce(torch.add, scaled) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 64, H, W) to (B, C, H, W), ≥ 0; may exceed 1."""
        return self.conv5(self.conv4(self.conv3(self.conv2(combined)))) / GREY_LEVELS
