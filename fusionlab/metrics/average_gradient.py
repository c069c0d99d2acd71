"""AG: how steep the fused image is from pixel to pixel."""

from typing import ClassVar

import torch
from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_grey,
    check_size,
    pixel_mean,
    precise,
    root,
)
from fusionlab.metrics.shared import shared


def average_gradient(
    image: Tensor, *, difference: str = "central", divisor: str = "pixels"
) -> Tensor:
    """Mean over the pixels of sqrt((gx² + gy²) / 2).

    Convention: gx and gy are central differences, one-sided at the border; divided by
    H x W; a flat image scores 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.
        difference: "central", at every pixel, or "forward", at those that are neither in the
            last row nor in the last column.
        divisor: "pixels" for H x W, or "cells" for (H - 1)(W - 1); of the four combinations
            central / pixels and forward / cells are true means.

    Returns:
        One value per image, (B,), in grey levels per pixel. Higher is sharper.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or too small, or an option is unknown.

    Source: Cui et al., Optics Communications 341, 2015.
    """
    check_grey(image=image)
    check_size("AG", 2, image)
    if difference == "central":
        gy, gx = central_differences(image)
    elif difference == "forward":
        grey = precise(image)
        gy, gx = grey.diff(dim=-2)[..., :-1], grey.diff(dim=-1)[..., :-1, :]
    else:
        raise ValueError(f"difference must be central or forward, got {difference!r}")
    steepness = root((gx.square() + gy.square()) / 2)
    height, width = image.shape[-2:]
    divisors = {"pixels": height * width, "cells": (height - 1) * (width - 1)}
    if divisor not in divisors:
        raise ValueError(f"divisor must be pixels or cells, got {divisor!r}")
    terms = steepness[0].numel()
    return pixel_mean(steepness).squeeze(1) * (terms / divisors[divisor])


@shared
def central_differences(images: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives along the rows' and the columns' index, one-sided at the border."""
    gy, gx = torch.gradient(precise(images), dim=(-2, -1))
    return gy, gx


_PAPER = Convention("central differences, one-sided at the border, mean over H x W")
_CELLS = Convention(
    "central differences, one-sided at the border, sum divided by (H - 1)(W - 1)",
    {"divisor": "cells"},
)
_FORWARD = Convention("forward differences, sum divided by H x W", {"difference": "forward"})


class AverageGradient(ImageMean):
    """Mean :func:`average_gradient` of the fused images."""

    name = "AG"
    long_name = "Average gradient"
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": _PAPER,
        "mefb": _CELLS,
        "vifb": _CELLS,
        "linfeng": _CELLS,
        "thfylsty": _CELLS,
        "thfylsty_averagegradient": _FORWARD,
        "thfylsty_definition": Convention(
            "forward differences, mean over (H - 1)(W - 1)",
            {"difference": "forward", "divisor": "cells"},
        ),
        "jileihou": _CELLS,
        "cddfuse": _PAPER,
        "ivif_zoo": _PAPER,
        "topanxal": _CELLS,
        "topanxal_fd": _FORWARD,
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return average_gradient(fused, **self.options)
