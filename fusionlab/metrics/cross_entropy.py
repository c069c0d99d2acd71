"""CE: how badly the grey levels of the fused image describe those of the sources."""

from torch import Tensor

from fusionlab.metrics.base import ImageMean, check_range, check_sources, level_histogram

FLOOR = 1e-7  # implied by the tables of the TTD paper; a lost level costs log2(1e7) bits


def cross_entropy(fused: Tensor, sources: Tensor) -> Tensor:
    """Cross entropy of grey levels, -Σ p_source(k) log2(p_fused(k) + 1e-7).

    Convention: full cross entropy over 256 bins, not the divergence over common levels that
    VIFB and MEFB print under this name; values rounded half to even; logarithm to base 2;
    mean over the sources. Identical images score their entropy; the 1e-7 lets two equal flat
    images score -1.4e-7.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255].
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), in bits, from 0 to 23.25. Lower is more faithful.

    Raises:
        ValueError: If a shape does not fit, or a value leaves [0, 255].

    Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024 (the tables imply it);
    Bulanon, Burks and Alchanatis, Biosystems Engineering 103(1), 2009.
    """
    check_sources(fused, sources)
    check_range(fused=fused, sources=sources)
    cost = -(level_histogram(fused) + FLOOR).log2()  # (B, 256)
    p = level_histogram(sources.flatten(0, 1)).unflatten(0, sources.shape[:2])  # (B, M, 256)
    return (p * cost[:, None]).sum(dim=2).mean(dim=1)


class CrossEntropy(ImageMean):
    """Mean :func:`cross_entropy` of the fused images."""

    name = "CE"
    long_name = "Cross entropy"
    convention = "full, log2, 256 bins, 1e-7 inside the logarithm, mean over the sources"
    higher_is_better = False
    is_differentiable = False

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return cross_entropy(fused, sources)
