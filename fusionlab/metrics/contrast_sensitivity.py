"""Images as the contrast sensitivity of the eye passes them, for the metrics of Chen."""

from collections.abc import Callable

import torch
from torch import Tensor

from fusionlab.metrics.base import precise, rounded
from fusionlab.metrics.shared import shared
from fusionlab.metrics.windows import check_option

LEVELS = ("8 bit", "8 bit of unit range", "unit range")


@shared
def stretched(images: Tensor, *, levels: str = "8 bit") -> Tensor:
    """Every image from its smallest to its largest value; a flat image becomes 0.

    Args:
        images: Images, (..., H, W).
        levels: "8 bit", to [0, 255] and rounded, half up; "8 bit of unit range", the same of the
            images divided by 255, which moves some of the halves to the other side; or "unit
            range", to [0, 1] and not rounded.
    """
    check_option("levels", levels, LEVELS)
    images = precise(images)
    if levels == "8 bit of unit range":
        images = images / 255
    low, high = images.amin(dim=(-2, -1), keepdim=True), images.amax(dim=(-2, -1), keepdim=True)
    unit = (images - low) / (high - low).masked_fill(high == low, 1)
    return unit if levels == "unit range" else (255 * unit + 0.5).floor()


def passed(
    images: Tensor,
    response: Callable[[Tensor], Tensor],
    *,
    cycles: float,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The images, continued periodically, with every frequency multiplied by the response to it.

    Args:
        images: Images, (..., H, W).
        response: Of the distance from frequency 0.
        cycles: How many cycles per image are a frequency of 1.
        dtype: In which the response is computed; that of the images if None.
    """
    height, width = images.shape[-2:]
    like = {"dtype": dtype or images.dtype, "device": images.device}
    rows = torch.fft.fftfreq(height, **like) * (height / cycles)
    columns = torch.fft.rfftfreq(width, **like) * (width / cycles)
    gain = response(rounded(torch.sqrt, rows[:, None].square() + columns.square()))
    return torch.fft.irfft2(torch.fft.rfft2(images) * gain, s=(height, width))
