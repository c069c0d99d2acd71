"""Q_CV: how visible the differences between the fused image and its sources are."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import Convention, ImageMean, check_size, check_sources
from fusionlab.metrics.contrast_sensitivity import passed, stretched

BLOCK = 16  # side of the regions, in pixels
SMALLEST = 2  # a single pixel is flat
SALIENCY = 5  # exponent of the gradient


def chen_varshney(fused: Tensor, sources: Tensor) -> Tensor:
    """Mean over the regions of the filtered differences to the sources, weighted by saliency.

    Per source, D is the mean square of its difference to the fused image, filtered with the
    contrast sensitivity of the eye, and λ the sum of the fifth powers of its gradient, both per
    region; the value is Σ λ D / Σ λ over sources and regions.

    Convention: every image is stretched to [0, 255] and rounded to levels first, a flat one to 0;
    sensitivity 2.6 (0.0192 + 0.144 f) exp(-(0.144 f)^1.1) (Mannos and Sakrison) at f, a quarter of
    the cycles per image; Sobel gradient with zeros around the image, whose frame counts as an
    edge; regions of 16 x 16 pixels, the last ones filled up with zeros. A flat source counts
    nothing.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 2 x 2 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), in squared grey levels, from 0. Lower is more faithful; NaN if
        all sources are flat.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Chen and Varshney, Information Fusion 8(2), 2007; constants of Liu et al., IEEE
    Trans. Pattern Anal. Mach. Intell. 34(1), 2012.
    """
    check_sources(fused, sources)
    check_size("Qcv", SMALLEST, fused)
    reference = stretched(sources, levels="8 bit").squeeze(2)  # (B, M, H, W)
    difference = passed(reference - stretched(fused, levels="8 bit"), _sensitivity, cycles=4)
    distortion = _region_sum(difference.square()) / BLOCK**2
    saliency = _region_sum(_gradient_energy(reference) ** (SALIENCY / 2))
    return _total(saliency * distortion) / _total(saliency)


def _sensitivity(frequency: Tensor) -> Tensor:
    angular = 0.144 * frequency
    return 2.6 * (0.0192 + angular) * (-(angular**1.1)).exp()


def _gradient_energy(images: Tensor) -> Tensor:
    padded = pad(images, (1, 1, 1, 1))
    dx = padded[..., 2:] - padded[..., :-2]
    dy = padded[..., 2:, :] - padded[..., :-2, :]
    sx = dx[..., :-2, :] + 2 * dx[..., 1:-1, :] + dx[..., 2:, :]
    sy = dy[..., :-2] + 2 * dy[..., 1:-1] + dy[..., 2:]
    return sx.square() + sy.square()


def _region_sum(values: Tensor) -> Tensor:
    """(B, M, ⌈H / 16⌉, ⌈W / 16⌉)."""
    height, width = values.shape[-2:]
    padded = pad(values, (0, -width % BLOCK, 0, -height % BLOCK))
    regions = padded.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK))
    return regions.sum(dim=-1).sum(dim=-2)


def _total(values: Tensor) -> Tensor:
    """Sum over all but the first dimension, rows first; the sources last, in either order alike."""
    return values.sum(dim=-1).sum(dim=-1).sum(dim=-1)


class ChenVarshney(ImageMean):
    """Mean :func:`chen_varshney` of the fused images."""

    bytes_per_pixel = 210
    name = "Qcv"
    long_name = "Chen and Varshney's visible difference"
    conventions: ClassVar = {
        "paper": Convention("stretched images, 16 x 16 regions, saliency the sum of |Sobel|^5"),
        "mefb": Convention("as paper"),
        "vifb": Convention("as paper"),
        "zhengliu": Convention("as paper"),
        "thfylsty": Convention("as paper"),
    }
    higher_is_better = False
    is_differentiable = False
    minimum_size = SMALLEST

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return chen_varshney(fused, sources, **self.options)
