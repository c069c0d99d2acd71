"""MI and NMI: how much the grey levels of the fused image tell about those of the sources."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean
from fusionlab.metrics.joint_histogram import entropies, joint_histogram, pair_entropies


def mutual_information(
    fused: Tensor,
    sources: Tensor,
    *,
    log_base: float = 2.0,
    stretch: bool = False,
    top_levels: str = "apart",
) -> Tensor:
    """Sum over the sources of I(X, F) = H(X) + H(F) - H(X, F).

    Convention: Shannon entropies of 256 bins and of 256 x 256 bins, values rounded half to
    even; logarithm to base 2; with a flat image a source shares 0.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255].
        sources: Their sources X, (B, M, 1, H, W), in [0, 255].
        log_base: Base of the logarithm: 2 for bits, e for nats.
        stretch: Stretches every image to 0..255 first, rounding half up.
        top_levels: "apart"; "merged" if 254 and 255 count as one, as they do for a program that
            adds 1 to 8-bit values; "merged_in_joint" if they do so in H(X, F) only.

    Returns:
        One value per image, (B,), in bits, from 0 to 8 M. Higher is better.

    Raises:
        ValueError: If a shape does not fit, a value leaves [0, 255], or an option is unknown.

    Source: Qu, Zhang and Yan, Electronics Letters 38(7), 2002.
    """
    if top_levels not in ("apart", "merged", "merged_in_joint"):
        raise ValueError(f"top_levels must be apart, merged or merged_in_joint, got {top_levels!r}")
    if not (log_base > 0 and log_base != 1):
        raise ValueError(f"log_base must be positive and not 1, got {log_base}")
    source, own, joint = entropies(fused, sources, stretch=stretch)
    if top_levels != "apart":
        merged = pair_entropies(_merged(joint_histogram(fused, sources, stretch=stretch)))
        source, own, joint = merged if top_levels == "merged" else (source, own, merged[2])
    return (source + own - joint).clamp(min=0).sum(dim=1) / math.log(log_base)


def normalised_mutual_information(
    fused: Tensor, sources: Tensor, *, normalisation: str = "arithmetic", stretch: bool = False
) -> Tensor:
    """Sum over the sources of 2 I(X, F) / (H(X) + H(F)).

    Convention: entropies as in :func:`mutual_information`; a pair of flat images shares 0.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255].
        sources: Their sources X, (B, M, 1, H, W), in [0, 255].
        normalisation: "arithmetic"; "joint" for the sum of (H(X) + H(F)) / H(X, F), from 1 to 2
            for each source; "sources" for M Σ I(X, F) / Σ H(X), which leaves H(F) out.
        stretch: Stretches every image to 0..255 first, rounding half up.

    Returns:
        One value per image, (B,), from 0 to M, without unit. Higher is better.

    Raises:
        ValueError: If a shape does not fit, a value leaves [0, 255], or an option is unknown.

    Source: Hossny, Nahavandi and Creighton, Electronics Letters 44(18), 2008.
    """
    source, own, joint = entropies(fused, sources, stretch=stretch)
    information = (source + own - joint).clamp(min=0)
    if normalisation == "arithmetic":
        return (2 * _share(information, source + own)).sum(dim=1)
    if normalisation == "joint":
        return (1 + _share(information, joint)).sum(dim=1)
    if normalisation == "sources":
        count = sources.shape[1]
        return count * _share(information.sum(dim=1), source.sum(dim=1))
    choices = "arithmetic, joint or sources"
    raise ValueError(f"normalisation must be {choices}, got {normalisation!r}")


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """Their ratio, 0 where there is nothing to share."""
    nothing = whole <= 0
    return (part / whole.masked_fill(nothing, 1)).masked_fill(nothing, 0)


def _merged(joint: Tensor) -> Tensor:
    """The histogram with what was in the bins of level 255 in those of level 254."""
    rows = torch.cat([joint[..., :254, :], joint[..., 254:, :].sum(dim=-2, keepdim=True)], dim=-2)
    return torch.cat([rows[..., :254], rows[..., 254:].sum(dim=-1, keepdim=True)], dim=-1)


_BITS = Convention("bits, 256 x 256 bins, sum over the sources")


class MutualInformation(ImageMean):
    """Mean :func:`mutual_information` of the fused images."""

    name = "MI"
    long_name = "Mutual information"
    conventions: ClassVar = {
        "paper": _BITS,
        "vifb": Convention(
            "nats, images stretched to 0..255, sum over the sources",
            {"log_base": math.e, "stretch": True},
        ),
        "linfeng": Convention(
            f"{_BITS.text}, 254 and 255 count as one in the joint entropy only (bug)",
            {"top_levels": "merged_in_joint"},
        ),
        "thfylsty": _BITS,
        "jileihou": _BITS,
        "jileihou_uint8": Convention(
            f"{_BITS.text}, 254 and 255 count as one (bug)", {"top_levels": "merged"}
        ),
        "cddfuse": Convention("nats, 256 x 256 bins, sum over the sources", {"log_base": math.e}),
        "ivif_zoo": _BITS,
    }
    higher_is_better = True
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return mutual_information(fused, sources, **self.options)


_STRETCHED = Convention(
    "sum over the sources of 2 I(X, F) / (H(X) + H(F)), images stretched to 0..255",
    {"stretch": True},
)


class NormalisedMutualInformation(ImageMean):
    """Mean :func:`normalised_mutual_information` of the fused images."""

    name = "NMI"
    long_name = "Normalised mutual information"
    conventions: ClassVar = {
        "paper": Convention("sum over the sources of 2 I(X, F) / (H(X) + H(F))"),
        "mefb": _STRETCHED,
        "zhengliu": _STRETCHED,
        "thfylsty": _STRETCHED,
        "jileihou": Convention(
            "sum over the sources of (H(X) + H(F)) / H(X, F)", {"normalisation": "joint"}
        ),
        "ivif_zoo": Convention(
            "2 (I(A, F) + I(B, F)) / (H(A) + H(B)), without H(F)", {"normalisation": "sources"}
        ),
    }
    higher_is_better = True
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return normalised_mutual_information(fused, sources, **self.options)
