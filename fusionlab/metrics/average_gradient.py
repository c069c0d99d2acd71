"""AG: how steep the fused image is from pixel to pixel."""

import torch
from torch import Tensor

from fusionlab.metrics.base import ImageMean, check_grey, check_size, pixel_mean, precise, root


def average_gradient(image: Tensor) -> Tensor:
    """Mean over the pixels of sqrt((gx² + gy²) / 2).

    Convention: gx and gy are central differences, one-sided at the border; divided by
    H x W, where VIFB and MEFB divide the same sum by (H - 1)(W - 1); a flat image scores 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.

    Returns:
        One value per image, (B,), in grey levels per pixel. Higher is sharper.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or too small.

    Source: Cui et al., Optics Communications 341, 2015.
    """
    check_grey(image=image)
    check_size("AG", 2, image)
    gy, gx = torch.gradient(precise(image).squeeze(1), dim=(1, 2))
    return pixel_mean(root((gx.square() + gy.square()) / 2))


class AverageGradient(ImageMean):
    """Mean :func:`average_gradient` of the fused images."""

    name = "AG"
    long_name = "Average gradient"
    convention = "central differences, one-sided at the border, mean over H x W"
    higher_is_better = True
    is_differentiable = True
    minimum_size = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return average_gradient(fused)
