"""Relative Dominability (RD): from reconstruction losses to a weight map per source."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_LARGEST_EXPONENT = 80.0  # e^80 is finite in float32


def reconstruction_loss(components: Tensor, sources: Tensor, loss: str = "l1") -> Tensor:
    """How badly each source reconstructs itself, per pixel.

    Args:
        components: Uni-source components, (B, M, C, H, W), in the range of the sources, unclamped.
        sources: (B, M, C, H, W) in [0, 1].
        loss: ``l1`` (absolute difference) or ``mse`` (squared difference).

    Returns:
        (B, M, 1, H, W), ≥ 0: the mean over channels.

    Raises:
        ValueError: If the loss is unknown.

    Source: TTD, Eq. 6 (l1); the authors' CDDFuse script (mse).
    """
    difference = components - sources
    if loss == "l1":
        return difference.abs().mean(2, keepdim=True)
    if loss == "mse":
        return difference.square().mean(2, keepdim=True)
    raise ValueError(f"loss must be l1 or mse, got {loss!r}")


def relative_dominability(
    losses: Tensor,
    temperature: float = 1.0,
    form: str = "exp",
    normalization: str = "softmax",
    correlation: str = "negative",
) -> Tensor:
    """Weight of each source at each pixel, from its loss ℓ and the temperature γ.

    Args:
        losses: (B, M, 1, H, W), ≥ 0.
        temperature: γ ≥ 0.
        form: Score s of a source: ``exp`` s = e^−γℓ, ``linear`` s = −γℓ, ``sigmoid`` s = σ(−γℓ).
        normalization: ``softmax`` of the scores over M, ``proportional`` s / Σs, or ``none``:
            s / M, so that features are scaled by their scores alone.
        correlation: ``negative``: a badly reconstructed source loses weight; ``positive`` turns
            the sign of ℓ round, the paper's counter-experiment (§5.1).

    Returns:
        ω, (B, M, 1, H, W), ≥ 0, in single precision or better; sums to 1 over M unless
        ``normalization`` is none.

    Raises:
        ValueError: If a choice is unknown, the temperature negative, or linear scores meet another
            rule than softmax.

    Source: TTD, Eq. 6 (exp, softmax); Tables 4 and 5 for the other forms.
    """
    if correlation not in ("negative", "positive"):
        raise ValueError(f"correlation must be negative or positive, got {correlation!r}")
    if temperature < 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    signed = -temperature if correlation == "negative" else temperature
    exponents = signed * losses.to(torch.promote_types(losses.dtype, torch.float32))
    scores = _scores(exponents, form)
    if normalization == "softmax":
        return scores.softmax(1)
    if form == "linear":
        raise ValueError("linear scores can be negative: their normalization must be softmax")
    if normalization == "proportional":
        # through ln s: a large γ makes every s 0, and 0 / 0 is NaN
        return (exponents if form == "exp" else F.logsigmoid(exponents)).softmax(1)
    if normalization == "none":
        return scores / scores.shape[1]
    raise ValueError(f"normalization must be softmax, proportional or none, got {normalization!r}")


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
