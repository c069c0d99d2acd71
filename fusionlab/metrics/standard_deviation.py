"""SD: the contrast of the fused image."""

from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_grey,
    check_range,
    pixel_mean,
    precise,
    root,
)


def standard_deviation(image: Tensor, *, unbiased: bool = False, saturate: bool = False) -> Tensor:
    """Root of the mean squared distance of the pixels from their mean.

    Convention: population form, divided by H x W; grey levels in [0, 255]; a flat image
    scores 0, with gradient 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255].
        unbiased: Divides by H x W - 1 instead.
        saturate: Distances are rounded, those below the mean become 0, and squares stop at 255:
            the 8-bit arithmetic of a program that forgot to convert.

    Returns:
        One value per image, (B,), in grey levels, from 0 to 127.5. Higher has more contrast.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or with ``saturate`` if a value leaves
            [0, 255].

    Source: Zhang, Ye and Xiao, VIFB, CVPR Workshops 2020.
    """
    check_grey(image=image)
    grey = precise(image).squeeze(1)
    if saturate:
        check_range(image=image)
        grey = grey.round()
    distance = grey - pixel_mean(grey)[:, None, None]
    squares = distance.square()
    if saturate:  # half a level is rounded away from 0
        squares = (distance + 0.5).floor().clamp(min=0).square().clamp(max=255)
    variance = pixel_mean(squares)
    pixels = grey[0].numel()
    if unbiased and pixels > 1:
        variance = variance * (pixels / (pixels - 1))
    return root(variance)


_PAPER = Convention("population, over H x W")
_SAMPLE = Convention("sample, over H x W - 1", {"unbiased": True})


class StandardDeviation(ImageMean):
    """Mean :func:`standard_deviation` of the fused images."""

    name = "SD"
    long_name = "Standard deviation"
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": _PAPER,
        "mefb": _PAPER,
        "vifb": _PAPER,
        "linfeng": _PAPER,
        "linfeng_uint8": Convention(
            f"{_PAPER.text}; distances below the mean become 0, squares stop at 255 (bug)",
            {"saturate": True},
        ),
        "thfylsty": _PAPER,
        "thfylsty_variance": _PAPER,
        "jileihou": _SAMPLE,
        "cddfuse": _PAPER,
        "ivif_zoo": _PAPER,
        "topanxal": _SAMPLE,
    }
    higher_is_better = True
    is_differentiable = True

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return standard_deviation(fused, **self.options)
