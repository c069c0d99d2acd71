"""Relative Dominability (RD) of each source, from its losses, and the gain made of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks.base import share_gain

_LARGEST_EXPONENT = 80.0  # e^80 is finite in float32


def relative_dominability(
    losses: Tensor,
    temperature: float | Tensor = 1.0,
    form: str = "exp",
    normalization: str = "softmax",
    correlation: str = "negative",
) -> Tensor:
    """Share of each source at each pixel, from its loss ℓ and the temperature γ.

    Args:
        losses: (B, M, 1, H, W), ≥ 0; or magnitudes of gradients, Eq. 7.
        temperature: γ ≥ 0, or one for each image, (B, 1, 1, 1, 1).
        form: Score s of a source: ``exp`` s = e^−γℓ, ``linear`` s = −γℓ, ``sigmoid`` s = σ(−γℓ).
        normalization: ``softmax`` of the scores over M, or ``proportional`` s / Σs; ``none`` has
            the RD of proportional, see :func:`feature_gain`.
        correlation: ``negative``: a badly reconstructed source loses weight; ``positive`` turns
            the sign of ℓ round, the paper's counter-experiment (§5.1).

    Returns:
        ω, (B, M, 1, H, W), in (0, 1), summing to 1 over M; in single precision or better.

    Raises:
        ValueError: If a choice is unknown, the temperature negative, or linear scores meet another
            rule than softmax.

    Source: TTD, Eq. 6 (exp, softmax); Tables 4 and 5 for the other forms.
    """
    exponents = _exponents(losses, temperature, correlation)
    if normalization == "softmax":
        return _scores(exponents, form).softmax(1)
    if normalization not in ("proportional", "none"):
        raise ValueError(
            f"normalization must be softmax, proportional or none, got {normalization!r}"
        )
    if form == "linear":
        raise ValueError("linear scores can be negative: their normalization must be softmax")
    # through ln s: a large γ makes every s 0, and 0 / 0 is NaN
    return (exponents if form == "exp" else F.logsigmoid(exponents)).softmax(1)


def feature_gain(rd: Tensor, gain: str = "share") -> Tensor:
    """What a source's features are scaled by; exactly 1 where all sources have the same RD.

    Args:
        rd: (B, M, 1, H, W), summing to 1 over M.
        gain: ``share``: M·ω (Eq. 1), for means, sums and concatenations; ``largest``: ω over its
            largest value at the pixel, for rules that take the maximum: the best source keeps its
            features and the others lose, since a gain above 1 would make a maximum larger than
            either source.

    Returns:
        (B, M, 1, H, W), ≥ 0.

    Raises:
        ValueError: If the gain is unknown.
    """
    if gain == "share":
        return share_gain(rd)
    if gain == "largest":
        return rd / rd.amax(1, keepdim=True)
    raise ValueError(f"gain must be share or largest, got {gain!r}")


def score_gain(
    losses: Tensor,
    temperature: float | Tensor = 1.0,
    form: str = "exp",
    correlation: str = "negative",
) -> Tensor:
    """The scores themselves as gains, the normalization ``none`` of the paper's Table 5.

    Args:
        losses: As for :func:`relative_dominability`.
        temperature: The same.
        form: ``exp`` or ``sigmoid``.
        correlation: The same.

    Returns:
        (B, M, 1, H, W), ≥ 0.
    """
    return _scores(_exponents(losses, temperature, correlation), form)


def _exponents(losses: Tensor, temperature: float | Tensor, correlation: str) -> Tensor:
    if correlation not in ("negative", "positive"):
        raise ValueError(f"correlation must be negative or positive, got {correlation!r}")
    if not isinstance(temperature, Tensor) and temperature < 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    losses = losses.to(torch.promote_types(losses.dtype, torch.float32))
    if isinstance(temperature, Tensor):
        temperature = temperature.to(losses.dtype)
    return (-temperature if correlation == "negative" else temperature) * losses


def _scores(exponents: Tensor, form: str) -> Tensor:
    if form == "exp":
        # Only a large γ with positive correlation comes here: a shift keeps order and softmax,
        # and without normalisation the largest score is then e^80.
        excess = exponents.amax(1, keepdim=True) - _LARGEST_EXPONENT
        return (exponents - excess.clamp(min=0)).exp()
    if form == "linear":
        return exponents
    if form == "sigmoid":
        return exponents.sigmoid()
    raise ValueError(f"form must be exp, linear or sigmoid, got {form!r}")
