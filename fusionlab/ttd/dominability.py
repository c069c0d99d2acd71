"""Relative Dominability (RD): from reconstruction losses to a weight map per source."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.ttd.similarity import WINDOW, ssim, structure

WINDOWED = {"ssim": ssim, "structure": structure}
"""Similarities over windows, by the name of their loss."""
_LARGEST_EXPONENT = 80.0  # e^80 is finite in float32


def reconstruction_loss(components: Tensor, sources: Tensor, loss: str = "l1") -> Tensor:
    """How badly each source is reconstructed, per pixel.

    ``structure`` leaves out of SSIM how bright the images are and keeps contrast and structure, as
    MEF-SSIM does: of two exposures neither has the right brightness, and the fused image is nearer
    to the one that it took more of.

    Convention of ``ssim`` and ``structure``: Gaussian window of 11x11 pixels, σ = 1.5, borders
    reflected, C1 = 0.01², C2 = 0.03².

    Args:
        components: Uni-source components, or whatever else is compared with the sources,
            (B, M, C, H, W), in the range of the sources, unclamped.
        sources: (B, M, C, H, W) in [0, 1].
        loss: ``l1`` (absolute difference), ``mse`` (squared difference), ``ssim`` ((1 − SSIM) / 2,
            in [0, 1]) or ``structure`` ((1 − (2σxy + C2) / (σx² + σy² + C2)) / 2, in [0, 1]).

    Returns:
        (B, M, 1, H, W), ≥ 0: the mean over channels.

    Raises:
        ValueError: If the loss is unknown.
        InputError: If the images are too small for the window of ``ssim`` and ``structure``.

    Source: TTD, Eq. 6 (l1); the authors' CDDFuse script (mse); Wang et al., IEEE Trans. Image
    Process. 13(4), 2004 (ssim; its contrast and structure).
    """
    if loss in WINDOWED:
        return _dissimilarity(components, sources, loss).mean(2, keepdim=True)
    difference = components - sources
    if loss == "l1":
        return difference.abs().mean(2, keepdim=True)
    if loss == "mse":
        return difference.square().mean(2, keepdim=True)
    raise ValueError(f"loss must be l1, mse, ssim or structure, got {loss!r}")


def _dissimilarity(images: Tensor, sources: Tensor, loss: str) -> Tensor:
    height, width = sources.shape[3:]
    if min(height, width) <= WINDOW // 2:
        raise InputError(
            f"ttd.loss {loss} needs images of at least {WINDOW // 2 + 1} pixels a side, "
            f"got {width}x{height}; set ttd.loss to l1 or mse"
        )
    kind = torch.promote_types(sources.dtype, torch.float32)
    x, y = images.flatten(0, 1).to(kind), sources.flatten(0, 1).to(kind)
    similarity = WINDOWED[loss](x, y)
    return ((1 - similarity) / 2).clamp(min=0).unflatten(0, sources.shape[:2])


def relative_dominability(
    losses: Tensor,
    temperature: float | Tensor = 1.0,
    form: str = "exp",
    normalization: str = "softmax",
    correlation: str = "negative",
) -> Tensor:
    """Weight of each source at each pixel, from its loss ℓ and the temperature γ.

    Args:
        losses: (B, M, 1, H, W), ≥ 0; or magnitudes of gradients, Eq. 7.
        temperature: γ ≥ 0, or one for each image, (B, 1, 1, 1, 1).
        form: Score s of a source: ``exp`` s = e^−γℓ, ``linear`` s = −γℓ, ``sigmoid`` s = σ(−γℓ).
        normalization: ``softmax`` of the scores over M, ``proportional`` s / Σs, ``none``: s / M,
            so that features are scaled by their scores alone, or ``peak``: softmax over M times its
            largest value, so that the best source keeps its features as they are. For max rules: a
            share above 1/M would make a maximum larger than either source.
        correlation: ``negative``: a badly reconstructed source loses weight; ``positive`` turns
            the sign of ℓ round, the paper's counter-experiment (§5.1).

    Returns:
        ω, (B, M, 1, H, W), ≥ 0, in single precision or better; sums to 1 over M unless
        ``normalization`` is none or peak.

    Raises:
        ValueError: If a choice is unknown, the temperature negative, or linear scores meet another
            rule than softmax.

    Source: TTD, Eq. 6 (exp, softmax); Tables 4 and 5 for the other forms, but for peak.
    """
    if correlation not in ("negative", "positive"):
        raise ValueError(f"correlation must be negative or positive, got {correlation!r}")
    if not isinstance(temperature, Tensor) and temperature < 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    losses = losses.to(torch.promote_types(losses.dtype, torch.float32))
    if isinstance(temperature, Tensor):
        temperature = temperature.to(losses.dtype)
    exponents = (-temperature if correlation == "negative" else temperature) * losses
    scores = _scores(exponents, form)
    if normalization == "softmax":
        return scores.softmax(1)
    if normalization == "peak":
        weights = scores.softmax(1)
        # in this order equal weights are 1/M to the last bit
        return weights / weights.amax(1, keepdim=True) * (1 / scores.shape[1])
    if form == "linear":
        raise ValueError("linear scores can be negative: their normalization must be softmax")
    if normalization == "proportional":
        # through ln s: a large γ makes every s 0, and 0 / 0 is NaN
        return (exponents if form == "exp" else F.logsigmoid(exponents)).softmax(1)
    if normalization == "none":
        return scores / scores.shape[1]
    raise ValueError(
        f"normalization must be softmax, proportional, none or peak, got {normalization!r}"
    )


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
