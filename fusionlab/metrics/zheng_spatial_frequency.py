"""Q_SF: whether the fused image has as much activity as the sources together."""

from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    precise,
    root,
)


def zheng_spatial_frequency(fused: Tensor, sources: Tensor) -> Tensor:
    """Ratio of spatial frequency error, (SF_F - SF_R) / SF_R.

    Convention: SF² is the sum of the squared first differences along rows, columns and both
    diagonals, the diagonal ones times 1 / sqrt(2), over H x W; SF_R takes at every place
    the largest absolute difference of the sources. Flat sources and a flat fused image score 0;
    flat sources and another fused image are not defined and score NaN.

    Args:
        fused: Fused images F, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from -1, without unit. 0 is best: less has lost activity,
        more has added noise or artefacts.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Zheng, Essock, Hansen and Haun, Information Fusion 8(2), 2007.
    """
    check_sources(fused, sources)
    check_size("Q_SF", 2, fused)
    own = [steps.square() for steps in _differences(precise(fused).squeeze(1))]
    most = [steps.square().amax(dim=1) for steps in _differences(precise(sources).squeeze(2))]
    frequency, reference = _frequency(own, fused), _frequency(most, fused)
    flat = reference == 0
    error = (frequency - reference) / reference.masked_fill(flat, 1)
    return error.masked_fill(flat & (frequency > 0), float("nan"))


def _differences(grey: Tensor) -> list[Tensor]:
    """First differences along rows, columns, main and secondary diagonals."""
    return [
        grey[..., 1:] - grey[..., :-1],
        grey[..., 1:, :] - grey[..., :-1, :],
        grey[..., 1:, 1:] - grey[..., :-1, :-1],
        grey[..., 1:, :-1] - grey[..., :-1, 1:],
    ]


def _frequency(squares: list[Tensor], image: Tensor) -> Tensor:
    """Root of the weighted sum over H x W of the squared differences in four directions."""
    weights = (1, 1, 0.5**0.5, 0.5**0.5)  # one over the distance of the pixels
    pixels = image[0].numel()
    energies = [
        weight * values[0].numel() / pixels * pixel_mean(values)
        for weight, values in zip(weights, squares, strict=True)
    ]
    return root(sum(energies[1:], energies[0]))


_PAPER = Convention("four directions, signed, relative to the largest source differences")


class ZhengSpatialFrequency(ImageMean):
    """Mean :func:`zheng_spatial_frequency` of the fused images."""

    bytes_per_pixel = 160
    name = "Q_SF"
    long_name = "Ratio of spatial frequency error"
    conventions: ClassVar = {
        "paper": _PAPER,
        "zhengliu": _PAPER,
        "thfylsty": _PAPER,
    }
    higher_is_better = None  # best is 0
    is_differentiable = True
    minimum_size = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return zheng_spatial_frequency(fused, sources, **self.options)
