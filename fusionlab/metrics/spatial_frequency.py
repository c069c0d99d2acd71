"""SF: how much activity the fused image has along rows and columns."""

from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_grey,
    check_range,
    check_size,
    pixel_mean,
    precise,
    root,
)
from fusionlab.metrics.per_channel import side_by_side


def spatial_frequency(
    image: Tensor,
    *,
    divisor: str = "differences",
    saturate: bool = False,
    is_unit_range: bool = False,
) -> Tensor:
    """Root of the summed row and column gradient energies.

    Convention: first differences without padding; each energy is the mean over its own
    differences, H x (W - 1) and (H - 1) x W; a flat image scores 0, with gradient 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.
        divisor: "differences", or "pixels" for H x W in both energies.
        saturate: Differences and their squares are cut to [0, 255], the 8-bit arithmetic of a
            program that forgot to convert; the values are rounded first.
        is_unit_range: Whether grey levels are divided by 255 first.

    Returns:
        One value per image, (B,), in grey levels. Higher is sharper.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or too small, or ``divisor`` is unknown, or
            with ``saturate`` if a value leaves [0, 255].

    Source: Eskicioglu and Fisher, IEEE Trans. Commun. 43(12), 1995.
    """
    check_grey(image=image)
    check_size("SF", 2, image)
    if divisor not in ("differences", "pixels"):
        raise ValueError(f"divisor must be differences or pixels, got {divisor!r}")
    grey = precise(image).squeeze(1)
    if saturate:
        check_range(image=image)
        grey = grey.round()
    energy = grey.new_zeros(len(grey))
    for dim in (1, 2):
        steps = grey.diff(dim=dim)
        squares = steps.clamp(min=0).square().clamp(max=255) if saturate else steps.square()
        share = 1 if divisor == "differences" else steps.shape[dim] / grey.shape[dim]
        energy = energy + share * pixel_mean(squares)
    return root(energy) / 255 if is_unit_range else root(energy)


_PAPER = Convention("first differences, mean over H x (W - 1) and (H - 1) x W")
_PIXELS = Convention("first differences, both sums divided by H x W", {"divisor": "pixels"})


class SpatialFrequency(ImageMean):
    """Mean :func:`spatial_frequency` of the fused images."""

    name = "SF"
    long_name = "Spatial frequency"
    of_colour: ClassVar = {"vifb": side_by_side}
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": _PAPER,
        "mefb": _PIXELS,
        "vifb": _PIXELS,
        "linfeng": _PAPER,
        "linfeng_unit_range": Convention(
            f"{_PAPER.text}, of images in [0, 1]", {"is_unit_range": True}
        ),
        "thfylsty": _PIXELS,
        "jileihou": _PAPER,
        "jileihou_uint8": Convention(
            f"{_PAPER.text}, differences and squares saturate at 0 and 255 (bug)",
            {"saturate": True},
        ),
        "cddfuse": _PAPER,
        "ivif_zoo": _PAPER,
        "topanxal": _PIXELS,
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return spatial_frequency(fused, **self.options)
