"""SF: how much activity the fused image has along rows and columns."""

from torch import Tensor

from fusionlab.metrics.base import ImageMean, check_grey, check_size, pixel_mean, precise, root


def spatial_frequency(image: Tensor) -> Tensor:
    """Root of the summed row and column gradient energies.

    Convention: first differences without padding; each energy is the mean over its own
    differences, H x (W - 1) and (H - 1) x W, where VIFB and MEFB divide both by H x W;
    a flat image scores 0, with gradient 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.

    Returns:
        One value per image, (B,), in grey levels. Higher is sharper.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or too small.

    Source: Eskicioglu and Fisher, IEEE Trans. Commun. 43(12), 1995.
    """
    check_grey(image=image)
    check_size("SF", 2, image)
    grey = precise(image).squeeze(1)
    rows = pixel_mean(grey.diff(dim=2).square())
    columns = pixel_mean(grey.diff(dim=1).square())
    return root(rows + columns)


class SpatialFrequency(ImageMean):
    """Mean :func:`spatial_frequency` of the fused images."""

    name = "SF"
    long_name = "Spatial frequency"
    convention = "first differences, mean over H x (W - 1) and (H - 1) x W"
    higher_is_better = True
    is_differentiable = True
    minimum_size = 2

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return spatial_frequency(fused)
