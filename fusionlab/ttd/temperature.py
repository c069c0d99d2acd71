"""Automatic temperature γ: one over the typical loss, so that units and scale do not matter."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

FACTOR = 0.1
"""c in γ = c / s. The difference of two scores, e^−γℓ₁ − e^−γℓ₂, is largest at γ = 1 / ℓ where the
losses are close. A tenth of it is the careful choice: on scenes with a ground truth larger ones
still gain PSNR, but begin to lose SSIM on multi-exposure, and single images lose PSNR."""


def image_temperatures(losses: Tensor) -> Tensor:
    """γ = c / s of every image, s = Σℓ² / Σℓ over its pixels and sources.

    s is the mean loss in which every pixel counts by its own loss. Pixels without loss (flat
    regions, a black background) change neither sum; of a median they could be the whole answer.

    Args:
        losses: (B, M, 1, H, W), ≥ 0; or magnitudes of gradients.

    Returns:
        (B, 1, 1, 1, 1), ≥ 0, in the inverse unit of the losses: c times the losses give c times
        smaller γ and the same RD. 0, that is uniform weights, for an image without loss.
    """
    largest, first, second = _sums(losses)
    found = largest > 0
    return torch.where(found, FACTOR * first / (second * largest).where(found, 1), 0)


def automatic_temperature(losses: Iterable[Tensor]) -> float:
    """One γ for many images, of any sizes: the same formula over all their pixels.

        evidence = (dynamic.evidence(network.encode(x), x)[0] for x in batches)
        fixed = TestTimeDynamicFusion(network, temperature=automatic_temperature(evidence))

    Args:
        losses: Tensors (B, M, 1, H, W), ≥ 0.

    Returns:
        γ ≥ 0, to be given as ``ttd.temperature``; 0 if nothing has a loss.
    """
    first = second = 0.0
    for batch in losses:
        for scale, once, squared in torch.stack(_sums(batch)).flatten(1).T.tolist():
            first, second = first + scale * once, second + scale * scale * squared
    return FACTOR * first / second if second > 0 else 0.0


def _sums(losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest loss of every image, and Σℓ and Σℓ² in units of it: no square underflows."""
    losses, area = losses.to(torch.promote_types(losses.dtype, torch.float32)), (1, 2, 3, 4)
    largest = losses.amax(area, keepdim=True)
    shares = losses / largest.where(largest > 0, 1)
    return largest, _total(shares), _total(shares.square())


def _total(values: Tensor) -> Tensor:
    """Sum of every image; rows first: the same to the last bit for any number of threads."""
    return values.sum(-1, keepdim=True).sum((1, 2, 3), keepdim=True)
