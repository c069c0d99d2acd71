"""EI: how strong the edges of the fused image are."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import Convention, ImageMean, check_grey, pixel_mean, precise, root

PAD_MODES = {"replicate": "replicate", "zeros": "constant"}


def edge_intensity(image: Tensor, *, scale: float = 1.0, padding: str = "replicate") -> Tensor:
    """Mean magnitude of the Sobel gradient.

    Convention: kernel [1 2 1] times [1 0 -1]; replicated border; magnitude sqrt(sx² + sy²); a
    flat image scores 0, but with zeros around it its frame counts as an edge.

    Args:
        image: Fused images, (B, 1, H, W), in [0, 255].
        scale: Factor of the kernel; 1/4 gives the Sobel operator of scikit-image and the
            tables of the TTD paper.
        padding: "replicate" or "zeros".

    Returns:
        One value per image, (B,), in eighths of a grey level per pixel. Higher has stronger edges.

    Raises:
        ValueError: If ``image`` is not (B, 1, H, W), or ``padding`` is unknown.

    Source: Rajalingam and Priya, Int. J. Eng. Sci. Invent., 2018; Cao et al., Test-Time
    Dynamic Image Fusion, NeurIPS 2024, for the scale that its tables imply.
    """
    check_grey(image=image)
    if padding not in PAD_MODES:
        raise ValueError(f"padding must be replicate or zeros, got {padding!r}")
    # kornia's spatial_gradient agrees, but takes several times as long
    padded = pad(precise(image), (1, 1, 1, 1), mode=PAD_MODES[padding]).squeeze(1)
    dx = padded[:, :, 2:] - padded[:, :, :-2]
    dy = padded[:, 2:] - padded[:, :-2]
    sx = scale * (dx[:, :-2] + 2 * dx[:, 1:-1] + dx[:, 2:])
    sy = scale * (dy[:, :, :-2] + 2 * dy[:, :, 1:-1] + dy[:, :, 2:])
    return pixel_mean(root(sx.square() + sy.square()))


_PAPER = Convention("Sobel, replicated border")


class EdgeIntensity(ImageMean):
    """Mean :func:`edge_intensity` of the fused images."""

    name = "EI"
    long_name = "Edge intensity"
    conventions: ClassVar = {
        "paper": _PAPER,
        "ttd": Convention("Sobel / 4, replicated border", {"scale": 1 / 4}),
        "mefb": _PAPER,
        "vifb": _PAPER,
        "thfylsty": _PAPER,
        "ivif_zoo": Convention(
            "Sobel, zeros around the image, whose frame counts as an edge (bug)",
            {"padding": "zeros"},
        ),
        "topanxal": _PAPER,
    }
    higher_is_better = True
    is_differentiable = True

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return edge_intensity(fused, **self.options)
