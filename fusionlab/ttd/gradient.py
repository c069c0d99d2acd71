"""Gradient-based RD (Eq. 7): how strongly a source's loss pulls at its own features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.networks.base import feature_tensors, map_features, token_grid
from fusionlab.ttd.similarity import local_mean

LossMap = Callable[[Tensor, Tensor], Tensor]
"""What is compared and the sources, twice (B, M, C, H, W), to losses with B and M in front."""


class FeatureGradients(NamedTuple):
    """Gradients of B samples with M sources, without their graph."""

    branches: tuple[Tensor, ...]
    """By tensor of the features, (B, M, F, h, w) or tokens (B, M, n, d)."""
    images: Tensor
    """What was compared with the sources, (B, M, C, H, W), unclamped."""


def feature_gradients(
    features: Any,
    sources: Tensor,
    make: Callable[[Any], Tensor],
    loss: LossMap,
    compare: str = "components",
) -> FeatureGradients:
    """Gradient of each source's loss, summed over pixels, with respect to its own features.

    With ``components`` one pass back serves all sources. With ``fused`` each source's loss needs
    its own: the sum of the losses pulls alike at all sources of a mean or a sum.

    Works in inference mode too: on copies of the features, outside of it. Parameters and their
    gradients are not touched.

    Args:
        features: What the encoder gave.
        sources: (B, M, C, H, W) in [0, 1].
        make: Makes of features what is compared with the sources, (B, M, C, H, W).
        loss: The loss.
        compare: ``components`` or ``fused``: what ``make`` makes.

    Raises:
        InputError: If the network does not make its components from these features.

    Source: TTD, Eq. 7.
    """
    with torch.inference_mode(False), torch.enable_grad():
        sources = sources.detach().clone()  # an inference tensor cannot be kept for the way back
        copies = map_features(
            lambda x: x.detach().clone().requires_grad_(), features, lambda x: x.detach().clone()
        )
        branches = feature_tensors(copies)
        images = make(copies)
        if compare == "components":
            total = loss(images, sources).float().sum()
            gradients = _gradients(total, branches)
        else:
            gradients = _of_each_source(loss(images, sources), branches)
    return FeatureGradients(gradients, images.detach())


def _of_each_source(losses: Tensor, branches: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    gradients = tuple(torch.empty_like(branch, requires_grad=False) for branch in branches)
    for m, total in enumerate(losses.float().flatten(2).sum((0, 2)).unbind(0)):
        found = _gradients(total, branches, keeps_graph=m + 1 < losses.shape[1])
        for kept, gradient in zip(gradients, found, strict=True):
            kept[:, m] = gradient[:, m]
    return gradients


def _gradients(
    total: Tensor, branches: tuple[Tensor, ...], keeps_graph: bool = False
) -> tuple[Tensor, ...]:
    """0 for a branch that only chooses, by an argmax, say."""
    found: tuple[Tensor | None, ...] = (None,)
    if total.requires_grad:
        found = torch.autograd.grad(total, branches, retain_graph=keeps_graph, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise InputError(
            "this network makes what is compared from other features than it fuses; set "
            "ttd.compare to fused, or ttd.basis to loss"
        )
    return tuple(
        torch.zeros_like(branch) if gradient is None else gradient
        for branch, gradient in zip(branches, found, strict=True)
    )


def gradient_magnitude(
    branches: tuple[Tensor, ...],
    size: tuple[int, int],
    channel: int | str = "mean",
    windowed: bool = False,
) -> Tensor:
    """|g|: what takes the place of the loss in RD.

    Where the loss looks at windows, |g| is averaged over the same window: it swings from pixel to
    pixel, through zero, where the loss does not.

    Args:
        branches: Gradients, (B, M, F, h, w) each, or tokens (B, M, n, d).
        size: H and W of the image. Smaller maps are interpolated bilinearly.
        channel: ``mean``: of the magnitudes in all channels of all branches; or the number of one,
            counted through the branches from 0.
        windowed: Whether the loss looks at windows.

    Returns:
        (B, M, 1, H, W), ≥ 0, in single precision or better.

    Raises:
        InputError: If there is no such channel.
    """
    branches = tuple(_as_maps(branch, size) for branch in branches)
    magnitude = _at_pixels(branches, size, channel)
    if not windowed:
        return magnitude
    return local_mean(magnitude.flatten(0, 1)).unflatten(0, magnitude.shape[:2])


def channel_maps(branches: tuple[Tensor, ...], size: tuple[int, int]) -> list[Tensor]:
    """Every channel of all branches by itself, (B, M, 1, h, w), in their order."""
    maps = (_as_maps(branch, size) for branch in branches)
    return [channel for branch in maps for channel in branch.split(1, dim=2)]


def _as_maps(branch: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens (B, M, n, d) as maps (B, M, d, h, w); maps as they are."""
    if branch.ndim == 5:
        return branch
    return branch.transpose(2, 3).unflatten(3, token_grid(branch.shape[2], size))


def _at_pixels(branches: tuple[Tensor, ...], size: tuple[int, int], channel: int | str) -> Tensor:
    kind = torch.promote_types(branches[0].dtype, torch.float32)
    if channel == "mean":
        channels = sum(branch.shape[2] for branch in branches)
        maps = (_at_image_size(x.abs().sum(2, keepdim=True, dtype=kind), size) for x in branches)
        return torch.stack(list(maps)).sum(0) / channels
    assert isinstance(channel, int)
    place = channel
    for branch in branches:
        if place < branch.shape[2]:
            return _at_image_size(branch[:, :, place : place + 1].abs().to(kind), size)
        place -= branch.shape[2]
    raise InputError(
        f"ttd.channel is {channel}, but the features have channels 0 to {channel - place - 1}"
    )


def _at_image_size(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, M, K, h, w), interpolated to (B, M, K, H, W) where that is another size."""
    if maps.shape[3:] == size:
        return maps
    resized = F.interpolate(maps.flatten(0, 1), size, mode="bilinear", align_corners=False)
    return resized.unflatten(0, maps.shape[:2])
