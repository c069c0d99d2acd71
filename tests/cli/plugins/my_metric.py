"""A metric outside the package: the mean grey level."""

from torch import Tensor

from fusionlab.metrics import Convention, ImageMean
from fusionlab.registry import METRICS


class MeanLevel(ImageMean):
    """Mean grey level of the fused images."""

    name = "Level"
    long_name = "Mean grey level"
    higher_is_better = None
    conventions = {"paper": Convention("grey levels in [0, 255]")}  # noqa: RUF012

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        return fused.mean((1, 2, 3))


METRICS["level"] = MeanLevel
