"""CE: how badly the grey levels of the fused image describe those of the sources."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_range,
    check_sources,
    pixel_mean,
    working_dtype,
)
from fusionlab.metrics.entropy import frequencies
from fusionlab.metrics.shared import shared


def cross_entropy(
    fused: Tensor,
    sources: Tensor,
    *,
    variant: str = "full",
    epsilon: float = 1e-7,
    lowest_level: int = 0,
) -> Tensor:
    """Cross entropy of grey levels, -Σ p_source(k) log2(p_fused(k) + epsilon).

    Convention: 256 bins; values rounded half to even; logarithm to base 2; mean over the
    sources. Identical images score their entropy; the epsilon lets two equal flat images
    score -1.4e-7. The variant "kl" is Σ p_source log2(p_source / p_fused) over the levels
    that both have, which leaves out just those that the fused image lost and may be negative;
    identical images, and images without a common level, score 0. The variant "sigmoid" is not
    about levels: the binary cross entropy, in nats, of sigmoid(F) and the mean of the sigmoids
    of the sources, in single precision, whose rounding decides the value.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255].
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        variant: "full", "kl" or "sigmoid".
        epsilon: Keeps the logarithm of "full" and "sigmoid" finite; a lost level costs
            log2(1 / epsilon) bits. "kl" needs none.
        lowest_level: Darker levels count as this one, 0 to 255; not for "sigmoid".

    Returns:
        One value per image, (B,), in bits, with the default epsilon from 0 to 23.25. Lower is
        more faithful.

    Raises:
        ValueError: If a shape does not fit, a value leaves [0, 255], or an option is unknown.

    Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024 (the tables imply the
    epsilon); Bulanon, Burks and Alchanatis, Biosystems Engineering 103(1), 2009.
    """
    check_sources(fused, sources)
    check_range(fused=fused, sources=sources)
    if variant == "sigmoid":
        if lowest_level:
            raise ValueError(f"lowest_level must be 0 for the variant sigmoid, got {lowest_level}")
        return _sigmoid_cross_entropy(fused, sources, epsilon)
    if variant not in ("full", "kl"):
        raise ValueError(f"variant must be full, kl or sigmoid, got {variant!r}")
    q = frequencies(fused, lowest_level)[:, None]  # (B, 1, K)
    p = _source_frequencies(sources, lowest_level)
    if variant == "full":
        return -(p * (q + epsilon).log2()).sum(dim=2).mean(dim=1)
    common = (p > 0) & (q > 0)
    ratio = (p / q).masked_fill(~common, 1)
    return (p * ratio.log2()).sum(dim=2).mean(dim=1)


@shared
def _source_frequencies(sources: Tensor, lowest_level: int) -> Tensor:
    """(B, M, K) of (B, M, 1, H, W)."""
    return frequencies(sources.flatten(0, 1), lowest_level).unflatten(0, sources.shape[:2])


def _sigmoid_cross_entropy(fused: Tensor, sources: Tensor, epsilon: float) -> Tensor:
    """Binary cross entropy of squashed grey values; in float32, as it decides the value."""
    predicted = fused.float().sigmoid().clamp(epsilon, 1 - epsilon)
    target = sources.float().sigmoid().mean(dim=1).clamp(epsilon, 1 - epsilon)
    loss = binary_cross_entropy(predicted, target, reduction="none")
    return pixel_mean(loss.to(working_dtype(loss.device))).squeeze(1)


_PAPER = Convention("full, log2, 256 bins, 1e-7 inside the logarithm, mean over the sources")
_COMMON = Convention(
    "divergence over the levels that both images have, log2, mean over the sources",
    {"variant": "kl"},
)


class CrossEntropy(ImageMean):
    """Mean :func:`cross_entropy` of the fused images."""

    name = "CE"
    long_name = "Cross entropy"
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": _PAPER,
        "mefb": _COMMON,
        "vifb": _COMMON,
        "thfylsty": _COMMON,
        "thfylsty_myoce": Convention(
            f"{_COMMON.text}, 0 and 1 count as one (bug)", {"variant": "kl", "lowest_level": 1}
        ),
        "ivif_zoo": Convention(
            "binary cross entropy of sigmoids of 0..255 in float32 (bug: another quantity)",
            {"variant": "sigmoid"},
        ),
    }
    higher_is_better = False
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return cross_entropy(fused, sources, **self.options)
