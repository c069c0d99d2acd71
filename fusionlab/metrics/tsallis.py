"""TE: what the fused image tells about the sources, measured by Tsallis' entropy."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean
from fusionlab.metrics.joint_histogram import (
    grey_levels,
    joint_histogram,
    pair_histogram,
    shannon_entropy,
)

CVEJIC, NAVA = 1.85, 0.43137  # the orders that the two papers found best


def tsallis_entropy(
    fused: Tensor,
    sources: Tensor,
    *,
    q: float = CVEJIC,
    variant: str = "sum",
    marginals: str = "own",
    stretch: bool = False,
) -> Tensor:
    """Sum over the sources of I_q(X, F) = (1 - Σ p(x, f)^q / (p(x) p(f))^(q-1)) / (1 - q).

    Convention: 256 x 256 bins, values rounded half to even; q = 1.85; with a flat image a
    source shares 0.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255].
        sources: Their sources X, (B, M, 1, H, W), in [0, 255].
        q: Order of the entropy; positive, and 1 (Shannon's, in bits) for "entropies" only.
        variant: "sum"; "normalised" for two sources A and B, where the sum is divided by
            H(A)^q + H(B)^q + I_q(A, B) with Shannon's H in bits, 0 if this is 0; "entropies" for
            Σ H_q(X) - H_q(F), which sees no pixel pairs and grows as the fused image loses levels.
        marginals: "own"; "transposed" for p_F(x) p_X(f) in place of p(x) p(f), a bug in
            circulation that makes the values huge, or negative.
        stretch: Stretches every image to 0..255 first, rounding half up.

    Returns:
        One value per image, (B,), without unit, from 0. Higher is better.

    Raises:
        ValueError: If a shape does not fit, a value leaves [0, 255], the sources are not two for
            "normalised", or an option is unknown.

    Source: Cvejic, Canagarajah and Bull, Electronics Letters 42(11), 2006; Nava, Cristóbal and
    Escalante-Ramírez, SPIE Newsroom, 2007, for the normalised form.
    """
    if marginals not in ("own", "transposed"):
        raise ValueError(f"marginals must be own or transposed, got {marginals!r}")
    if not q > 0 or (q == 1 and variant != "entropies"):
        raise ValueError(f"q must be positive and, but for entropies, not 1; got {q}")
    joint = joint_histogram(fused, sources, stretch=stretch)
    if variant == "entropies":
        if marginals != "own":
            raise ValueError("marginals must be own for the variant entropies")
        own = _entropy(joint[:, 0].sum(dim=-2), q)
        return _entropy(joint.sum(dim=-1), q).sum(dim=1) - own
    total = _information(joint, q, marginals).sum(dim=1)
    if variant == "sum":
        return total
    if variant != "normalised":
        raise ValueError(f"variant must be sum, normalised or entropies, got {variant!r}")
    if sources.shape[1] != 2:
        raise ValueError(f"normalised TE is defined for two sources, got {sources.shape[1]}")
    a, b = grey_levels(sources, stretch=stretch).squeeze(2).unbind(dim=1)
    between = _information(pair_histogram(a, b), q, marginals)
    whole = (shannon_entropy(joint.sum(dim=-1)) / math.log(2)).pow(q).sum(dim=1) + between
    nothing = whole == 0
    return (total / whole.masked_fill(nothing, 1)).masked_fill(nothing, 0)


def _information(joint: Tensor, q: float, marginals: str) -> Tensor:
    """Tsallis mutual information of (..., 256, 256) frequencies of (x, f)."""
    p_x, p_f = joint.sum(dim=-1), joint.sum(dim=-2)
    if marginals == "transposed":
        p_x, p_f = p_f, p_x
    product = p_x[..., :, None] * p_f[..., None, :]
    empty = (joint == 0) | (product == 0)
    terms = joint.pow(q) / product.masked_fill(empty, 1).pow(q - 1)
    return (1 - terms.masked_fill(empty, 0).sum(dim=-1).sum(dim=-1)) / (1 - q)


def _entropy(p: Tensor, q: float) -> Tensor:
    """Tsallis entropy over the last dimension; that of order 1 is Shannon's, in bits."""
    if q == 1:
        return shannon_entropy(p) / math.log(2)
    return (1 - torch.where(p > 0, p.pow(q), 0).sum(dim=-1)) / (q - 1)


_TRANSPOSED = Convention(
    "sum over the sources, q = 1.85, images stretched to 0..255, marginals transposed (bug)",
    {"marginals": "transposed", "stretch": True},
)


class TsallisEntropy(ImageMean):
    """Mean :func:`tsallis_entropy` of the fused images."""

    name = "TE"
    long_name = "Mutual information by Tsallis entropy"
    conventions: ClassVar = {
        "paper": Convention("sum over the sources, q = 1.85, 256 x 256 bins"),
        "mefb": _TRANSPOSED,
        "zhengliu": _TRANSPOSED,
        "zhengliu_nava": Convention(
            "normalised, q = 0.43137, images stretched to 0..255, marginals transposed (bug)",
            {**_TRANSPOSED.options, "variant": "normalised", "q": NAVA},
            source_count=2,
        ),
        "thfylsty": _TRANSPOSED,
        "ivif_zoo": Convention(
            "H(A) + H(B) - H(F) in bits (bug: no mutual information)",
            {"variant": "entropies", "q": 1},
        ),
    }
    higher_is_better = True
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return tsallis_entropy(fused, sources, **self.options)
