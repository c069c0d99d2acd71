"""SCD: how well what each source added to the fused image correlates with that source."""

from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_range, check_sources, precise
from fusionlab.metrics.correlation import pearson


def sum_of_correlations_of_differences(
    fused: Tensor, sources: Tensor, *, saturate: bool = False
) -> Tensor:
    """Sum of the correlations r(F - B, A) + r(F - A, B).

    Convention: Pearson correlation r over all pixels; a correlation with a constant image
    counts as 0, where published toolboxes return NaN; defined for two sources only.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255].
        sources: Their sources A and B, (B, 2, 1, H, W), in [0, 255].
        saturate: Negative differences become 0, the 8-bit arithmetic of a program that forgot
            to convert; the values are rounded first.

    Returns:
        One value per image, (B,), from -2 to 2, without unit. Higher is better.

    Raises:
        ValueError: If a shape does not fit, or the sources are not two, or with ``saturate`` if a
            value leaves [0, 255].

    Source: Aslantas and Bendes, AEU Int. J. Electron. Commun. 69(12), 2015.
    """
    check_sources(fused, sources)
    if sources.shape[1] != 2:
        raise ValueError(f"SCD is defined for two sources, got {sources.shape[1]}")
    f, (a, b) = precise(fused), precise(sources).unbind(dim=1)
    if saturate:
        check_range(fused=fused, sources=sources)
        f, a, b = f.round(), a.round(), b.round()
        return (pearson((f - b).clamp(min=0), a) + pearson((f - a).clamp(min=0), b)).squeeze(1)
    return (pearson(f - b, a) + pearson(f - a, b)).squeeze(1)


_PAPER = Convention("two sources, Pearson correlation, 0 with a constant image")


class SumOfCorrelationsOfDifferences(ImageMean):
    """Mean :func:`sum_of_correlations_of_differences` of the fused images."""

    name = "SCD"
    long_name = "Sum of the correlations of differences"
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": _PAPER,
        "linfeng": _PAPER,
        "thfylsty": _PAPER,
        "jileihou": _PAPER,
        "jileihou_uint8": Convention(
            f"{_PAPER.text}, negative differences become 0 (bug)", {"saturate": True}
        ),
        "cddfuse": _PAPER,
        "ivif_zoo": _PAPER,
        "topanxal": _PAPER,
    }
    higher_is_better = True
    is_differentiable = True
    source_count = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return sum_of_correlations_of_differences(fused, sources, **self.options)
