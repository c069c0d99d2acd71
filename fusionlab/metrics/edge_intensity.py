"""EI: how strong the edges of the fused image are."""

from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import ImageMean, check_grey, pixel_mean, precise, root


def edge_intensity(image: Tensor) -> Tensor:
    """Mean magnitude of the Sobel gradient.

    Convention: kernel [1 2 1] / 4 times [1 0 -1], a quarter of what VIFB and MEFB use;
    replicated border; magnitude sqrt(sx² + sy²); a flat image scores 0.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), in grey levels per two pixels. Higher has stronger edges.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W).

    Source: Cao et al., Test-Time Dynamic Image Fusion, NeurIPS 2024 (the tables imply the
    scale); Rajalingam and Priya, Int. J. Eng. Sci. Invent., 2018.
    """
    check_grey(image=image)
    padded = pad(precise(image), (1, 1, 1, 1), mode="replicate").squeeze(1)
    dx = padded[:, :, 2:] - padded[:, :, :-2]
    dy = padded[:, 2:] - padded[:, :-2]
    sx = (dx[:, :-2] + 2 * dx[:, 1:-1] + dx[:, 2:]) / 4
    sy = (dy[:, :, :-2] + 2 * dy[:, :, 1:-1] + dy[:, :, 2:]) / 4
    return pixel_mean(root(sx.square() + sy.square()))


class EdgeIntensity(ImageMean):
    """Mean :func:`edge_intensity` of the fused images."""

    name = "EI"
    long_name = "Edge intensity"
    convention = "Sobel / 4, replicated border"
    higher_is_better = True
    is_differentiable = True

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return edge_intensity(fused)
