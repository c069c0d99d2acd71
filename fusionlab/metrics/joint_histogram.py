"""Histograms of pairs of grey levels, and what entropies they have."""

import torch
from torch import Tensor

from fusionlab.metrics.base import check_range, check_sources, precise, working_dtype
from fusionlab.metrics.shared import shared


@shared
def grey_levels(images: Tensor, *, stretch: bool = False) -> Tensor:
    """The levels 0 to 255 of the pixels, (..., H x W); a flat image stretches to level 0."""
    grey = precise(images)
    if stretch:
        low, high = grey.amin(dim=(-2, -1), keepdim=True), grey.amax(dim=(-2, -1), keepdim=True)
        span = (high - low).masked_fill(high == low, 1)
        return ((grey - low) / span * 255 + 0.5).long().flatten(-2)
    return grey.round().long().flatten(-2)


def pair_histogram(x: Tensor, y: Tensor) -> Tensor:
    """Relative frequencies of pairs of levels, (N, 256, 256), of (N, P) and (N, P) levels."""
    pairs, pixels = x.shape
    offsets = 256**2 * torch.arange(pairs, device=x.device)[:, None]
    counts = torch.bincount((256 * x + y + offsets).flatten(), minlength=256**2 * pairs)
    return counts.view(pairs, 256, 256).to(working_dtype(x.device)) / pixels


@shared
def joint_histogram(fused: Tensor, sources: Tensor, *, stretch: bool = False) -> Tensor:
    """Relative frequencies of (level of source, level of fused), (B, M, 256, 256)."""
    check_sources(fused, sources)
    check_range(fused=fused, sources=sources)
    x = grey_levels(sources, stretch=stretch).squeeze(2)
    y = grey_levels(fused, stretch=stretch).expand_as(x)
    return pair_histogram(x.flatten(0, 1), y.flatten(0, 1)).unflatten(0, x.shape[:2])


@shared
def entropies(fused: Tensor, sources: Tensor, *, stretch: bool = False) -> tuple[Tensor, ...]:
    """H(X), H(F) and H(X, F) in nats, each (B, M)."""
    return pair_entropies(joint_histogram(fused, sources, stretch=stretch))


def pair_entropies(joint: Tensor) -> tuple[Tensor, ...]:
    """Entropies in nats of the rows, the columns and the whole of (..., 256, 256)."""
    rows = shannon_entropy(joint.sum(dim=-1))
    columns = shannon_entropy(joint.sum(dim=-2))
    return rows, columns, shannon_entropy(joint, dims=2)


def shannon_entropy(p: Tensor, dims: int = 1) -> Tensor:
    """-Σ p ln p over the last one or two dimensions, 0 ln 0 = 0."""
    terms = torch.special.entr(p)
    return terms.sum(dim=-1) if dims == 1 else terms.sum(dim=-1).sum(dim=-1)
