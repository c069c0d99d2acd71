"""A loss of TTD outside the package: the distance to the power of four."""

from torch import Tensor

from fusionlab.registry import TTD_LOSSES
from fusionlab.ttd.losses import PixelLoss


def fourth_power(images: Tensor, sources: Tensor) -> Tensor:
    """Per pixel."""
    return (images - sources) ** 4


FOURTH = PixelLoss(fourth_power, convex=True)
TTD_LOSSES["fourth"] = FOURTH
