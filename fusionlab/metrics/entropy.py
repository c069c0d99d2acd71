"""EN: how much information the grey levels of the fused image carry."""

import torch
from torch import Tensor

from fusionlab.metrics.base import ImageMean, check_grey, check_range, level_histogram


def entropy(image: Tensor) -> Tensor:
    """Shannon entropy of the grey levels, -Σ p(k) log2 p(k).

    Convention: 256 bins, one per 8-bit level, values rounded half to even; logarithm to
    base 2; 0 log 0 = 0; a flat image scores 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), in bits, from 0 to 8. Higher is richer.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or leaves [0, 255].

    Source: Roberts, van Aardt and Ahmed, J. Appl. Remote Sens. 2(1), 2008.
    """
    check_grey(image=image)
    check_range(image=image)
    p = level_histogram(image)
    return torch.where(p > 0, -p * p.log2(), 0).sum(dim=1)


class Entropy(ImageMean):
    """Mean :func:`entropy` of the fused images."""

    name = "EN"
    long_name = "Entropy"
    convention = "log2, 256 bins, 8-bit levels rounded half to even"
    higher_is_better = True
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return entropy(fused)
