"""SD: the contrast of the fused image."""

from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import Convention, ImageMean, check_grey, pixel_mean, precise, root


def standard_deviation(image: Tensor, *, unbiased: bool = False) -> Tensor:
    """Root of the mean squared distance of the pixels from their mean.

    Convention: population form, divided by H x W; grey levels in [0, 255]; a flat image
    scores 0, with gradient 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255].
        unbiased: Divides by H x W - 1 instead.

    Returns:
        One value per image, (B,), in grey levels, from 0 to 127.5. Higher has more contrast.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W).

    Source: Zhang, Ye and Xiao, VIFB, CVPR Workshops 2020.
    """
    check_grey(image=image)
    grey = precise(image).squeeze(1)
    distance = grey - pixel_mean(grey)[:, None, None]
    variance = pixel_mean(distance.square())
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
