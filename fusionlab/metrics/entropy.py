"""EN: how much information the grey levels of the fused image carry."""

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_grey,
    check_range,
    level_histogram,
)


def entropy(image: Tensor, *, epsilon: float = 0.0, lowest_level: int = 0) -> Tensor:
    """Shannon entropy of the grey levels, -Σ p(k) log2 p(k).

    Convention: 256 bins, one per 8-bit level, values rounded half to even; logarithm to
    base 2; 0 log 0 = 0; a flat image scores 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255].
        epsilon: Added to p inside the logarithm.
        lowest_level: Darker levels count as this one, 0 to 255.

    Returns:
        One value per image, (B,), in bits, from 0 to 8. Higher is richer.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or leaves [0, 255], or ``lowest_level`` does.

    Source: Roberts, van Aardt and Ahmed, J. Appl. Remote Sens. 2(1), 2008.
    """
    check_grey(image=image)
    check_range(image=image)
    p = frequencies(image, lowest_level)
    return torch.where(p > 0, -p * (p + epsilon).log2(), 0).sum(dim=1)


def frequencies(image: Tensor, lowest_level: int) -> Tensor:
    """Histogram, (B, 256 - lowest_level), whose first bin holds all levels up to the lowest."""
    if not 0 <= lowest_level <= 255:
        raise ValueError(f"lowest_level must be from 0 to 255, got {lowest_level}")
    p = level_histogram(image)
    return torch.cat([p[:, : lowest_level + 1].sum(1, keepdim=True), p[:, lowest_level + 1 :]], 1)


_PAPER = Convention("log2, 256 bins, 8-bit levels rounded half to even")


class Entropy(ImageMean):
    """Mean :func:`entropy` of the fused images."""

    name = "EN"
    long_name = "Entropy"
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": _PAPER,
        "mefb": _PAPER,
        "vifb": _PAPER,
        "linfeng": _PAPER,
        "thfylsty": _PAPER,
        "jileihou": _PAPER,
        "cddfuse": _PAPER,
        "ivif_zoo": Convention(
            f"{_PAPER.text}, 1e-7 added inside the logarithm", {"epsilon": 1e-7}
        ),
        "topanxal": Convention(f"{_PAPER.text}, 0 and 1 count as one (bug)", {"lowest_level": 1}),
    }
    higher_is_better = True
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return entropy(fused, **self.options)
