"""IFCNN: a general image fusion framework based on convolutional neural networks.

Zhang et al., Information Fusion 54, 2020, https://doi.org/10.1016/j.inffus.2019.07.011
Authors' code: https://github.com/uzeful/IFCNN
Differs: in evaluation batch norm is folded into its convolution, all sources are encoded as one
batch and features lie in memory channels last; the output is the same to rounding. Luma is repeated
to three channels on the way in and the luma of the output is taken, as the authors do with files,
both in one convolution.
IFCNN-MAX, -SUM and -MEAN load as published. Untrained weights are PyTorch's defaults: the first
convolution does not come from ImageNet, and the authors' N(0, 2 / (k k C_out)) needs far more steps
than our short training has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import FusionNetwork, scale_features
from fusionlab.networks.published import Published

RULES: dict[str, Callable[..., Tensor]] = {
    "max": torch.maximum,
    "sum": torch.add,
    "mean": torch.add,  # then divided by M
}
NORMALIZATIONS = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # mean, standard deviation of RGB
}
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
STRIP = 2**20  # features of an image that are computed at a time


class ConvUnit(nn.Module):
    """Replicate padding, 3x3 convolution, batch norm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, last: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """(N, F, H, W) to (N, F, H, W), ≥ 0.

        Args:
            x: The features.
            last: Weight and bias of a 1x1 convolution that follows, whose result is given then.
        """
        if self.training:
            if torch.compiler.is_compiling():  # PyTorch 2.14 takes the gradient of the padding for
                x = x.contiguous()  # contiguous, whatever the layout of the images
            x = self.bn(self.conv(F.pad(x, (1, 1, 1, 1), mode="replicate")))
            return _activated(x, last)
        mean, variance = self.bn.running_mean, self.bn.running_var
        assert mean is not None
        assert variance is not None
        gain = self.bn.weight / (variance + self.bn.eps).sqrt()
        bias = self.bn.bias - mean * gain
        return _convolve(x, self.conv.weight * gain[:, None, None, None], bias, last)


def _activated(x: Tensor, last: tuple[Tensor, Tensor] | None) -> Tensor:
    """ReLU in place, and the last layer."""
    x = x.relu_()
    return x if last is None else F.conv2d(x, *last)


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor, last: tuple[Tensor, Tensor] | None
) -> Tensor:
    """3x3 convolution with replicate padding, ReLU and the last layer.

    There is no padded copy of all of ``x``: zero padding goes wrong in the outermost pixels only,
    which are computed again from padded strips. On a CPU this takes a quarter off the time of TTD.
    """
    if min(x.shape[-2:]) < 2:
        # of one pixel the layout in memory is ambiguous, and with it the order of the sums
        x = x.clone(memory_format=torch.channels_last)
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return _activated(F.conv2d(padded, weight, bias), last)
    cut = _may_cut(x)
    if cut:
        channels = len(weight if last is None else last[0])
        shape, layout = (len(x), channels, *x.shape[-2:]), torch.channels_last
        y = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=layout)
        for image, made in zip(x.split(1), y.split(1), strict=True):
            for top, bottom in _strips(image):
                strip = F.conv2d(image[..., top - 1 : bottom + 1, :], weight, bias, padding=(0, 1))
                made[..., top:bottom, :] = _activated(strip, last)
    else:
        y = F.conv2d(x, weight, bias, padding=1)
    for edge, strip, padding in (
        (y[..., :1, :], x[..., :2, :], (1, 1, 1, 0)),
        (y[..., -1:, :], x[..., -2:, :], (1, 1, 0, 1)),
        (y[..., :1], x[..., :2], (1, 0, 1, 1)),
        (y[..., -1:], x[..., -2:], (0, 1, 1, 1)),
    ):
        made = F.conv2d(F.pad(strip, padding, mode="replicate"), weight, bias)
        edge.copy_(_activated(made, last) if cut else made)
    return y if cut else _activated(y, last)


def _may_cut(features: Tensor) -> bool:
    """Whether features may be computed strip by strip, which stay in the cache of a CPU."""
    return (
        features.device.type == "cpu"
        and torch.is_inference_mode_enabled()
        and not torch.compiler.is_compiling()
    )


def _strips(image: Tensor) -> list[tuple[int, int]]:
    """First row, and the row behind the last, of strips of an image but for its outermost rows."""
    rows, height = _rows(image), image.shape[-2]
    return [(top, min(top + rows, height - 1)) for top in range(1, height - 1, rows)]


def _rows(image: Tensor) -> int:
    """How many rows of (..., F, H, W) a strip has."""
    return max(1, STRIP // (image.shape[-3] * image.shape[-1]))


class IFCNN(FusionNetwork):
    """Two convolutions per source, an element-wise rule over any number of sources, two more.

    Args:
        rule: ``max`` (the authors' choice but for multi-exposure), ``sum`` or ``mean``.
        normalize: ``none``, or ``imagenet`` for colour images as the authors normalise them.
    """

    channels: tuple[int, ...] = (1, 3)
    rgb_tasks: frozenset[str] = frozenset({"mff"})
    repeats_luma: ClassVar[bool] = True
    reach: ClassVar[int] = 8  # a 7x7 and two 3x3 convolutions: 5
    is_local: bool = True
    objective: ClassVar[str] = "ifcnn"
    paper: ClassVar[str] = "Zhang et al., Information Fusion 2020"
    tasks: ClassVar[tuple[str, ...]] = ("vif", "mif", "mef", "mff")
    licence: ClassVar[str] = "none stated"
    published: ClassVar[tuple[Published, ...]] = (
        Published(
            "IFCNN-MAX.pth",
            {"rule": "max"},
            "6022b44c88a2f0367ba9b08fcdf0d663745d9a966fca0ee1f41867797b6ff53f",
            "https://github.com/uzeful/IFCNN/raw/HEAD/Code/snapshots/IFCNN-MAX.pth",
        ),
        Published(
            "IFCNN-SUM.pth",
            {"rule": "sum"},
            "a8c1d293f1bf16a93e6244a4bf8f7a7bd300dc10555c8597ad7ef3320b0410cb",
            "https://github.com/uzeful/IFCNN/raw/HEAD/Code/snapshots/IFCNN-SUM.pth",
        ),
        Published(
            "IFCNN-MEAN.pth",
            {"rule": "mean"},
            "fd2ee9361f1d428fc9749e28e8a2c5c5ef6ce6528ab6f5ad8ef5def42e7ffa4b",
            "https://github.com/uzeful/IFCNN/raw/HEAD/Code/snapshots/IFCNN-MEAN.pth",
        ),
    )

    mean: Tensor
    std: Tensor
    luma: Tensor

    def __init__(self, rule: str = "max", normalize: str = "none") -> None:
        super().__init__()
        if rule not in list(RULES):  # a list, for a config may say [max]
            raise InputError(f"ifcnn: rule must be one of {', '.join(RULES)}, got {rule!r}")
        if normalize not in list(NORMALIZATIONS):
            known = ", ".join(NORMALIZATIONS)
            raise InputError(f"ifcnn: normalize must be one of {known}, got {normalize!r}")
        self.rule = rule
        self.max_rule = rule == "max"
        self.conv1 = nn.Conv2d(3, 64, 7, bias=False)
        self.conv2 = ConvUnit(64)
        self.conv3 = ConvUnit(64)
        self.conv4 = nn.Conv2d(64, 3, 1)
        mean, std = NORMALIZATIONS[normalize]
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1, 1), persistent=False)

    def encode(self, sources: Tensor) -> Tensor:
        """(B, M, C, H, W) in [0, 1] to (B, M, 64, H, W), ≥ 0; C is 1 or 3."""
        images = sources.flatten(0, 1)
        weight = self.conv1.weight / self.std
        bias = -(weight * self.mean).sum((1, 2, 3))
        if images.shape[1] == 1:  # the same luma in three channels: one with the sum of the weights
            weight = weight.sum(1, keepdim=True)
        x = F.pad(images, (3, 3, 3, 3), mode="replicate").to(memory_format=torch.channels_last)
        x = F.conv2d(x, weight.to(memory_format=torch.channels_last), bias)
        return self.conv2(x).unflatten(0, sources.shape[:2])

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        """Element-wise max, sum or mean over M, in the order of the sources."""
        rule = RULES[self.rule]
        if gain is None or features.shape[1] == 1 or not _may_cut(features):
            combined = reduce(rule, scale_features(features, gain))
        else:
            rows = _rows(features)
            strips = zip(features.split(rows, 3), gain.split(rows, 3), strict=True)
            combined = torch.empty_like(features[:, 0])
            for strip, (own, scale) in zip(combined.split(rows, 2), strips, strict=True):
                reduce(partial(rule, out=strip), scale_features(own, scale))
        return combined / features.shape[1] if self.rule == "mean" else combined

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        """(B, 64, H, W) to (B, C, H, W), unclamped; one channel is the luma of the three."""
        if sources.shape[2] == 1:  # one convolution in place of three, whose luma is taken
            shares = self.luma * self.std
            assert self.conv4.bias is not None
            bias = self.conv4.bias * shares.flatten() + (self.luma * self.mean).flatten()
            weight = (self.conv4.weight * shares[..., None]).sum(0, keepdim=True)
            return self.conv3(combined, (weight, bias.sum(0, keepdim=True)))
        return self.conv4(self.conv3(combined)) * self.std + self.mean
