"""SSIM: how much of the local structure of the sources the fused image keeps."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_grey,
    check_size,
    check_sources,
    pixel_mean,
    precise,
)
from fusionlab.metrics.shared import shared
from fusionlab.metrics.windows import (
    check_option,
    similarity,
    window_covariance,
    window_mean,
    window_variance,
)

WINDOW = 7
K1, K2 = 0.01, 0.03


def structural_similarity(image: Tensor, reference: Tensor) -> Tensor:
    """Mean structural similarity of two images.

    Convention: uniform 7 x 7 window at the positions where it fits, no padding; covariances
    unbiased, n / (n - 1); K1 = 0.01, K2 = 0.03, data range 255: the defaults of scikit-image.

    Args:
        image: Images, (B, 1, H, W), in [0, 255], at least 7 x 7 pixels.
        reference: What they are compared with, (B, 1, H, W), in [0, 255].

    Returns:
        One value per image, (B,), from -1 to 1, without unit; 1 for identical images.

    Raises:
        ValueError: If a shape does not fit, or the images are too small.

    Source: Wang et al., IEEE Trans. Image Process. 13(4), 2004.
    """
    check_grey(image=image, reference=reference)
    return structural_similarity_to_sources(image, reference.unsqueeze(1))


def structural_similarity_to_sources(
    fused: Tensor,
    sources: Tensor,
    *,
    window: str = "uniform",
    window_size: int = WINDOW,
    border: str = "valid",
    is_unbiased: bool = True,
    data_range: float = 255.0,
    gain: float = 1.0,
    reduction: str = "sum",
) -> Tensor:
    """Sum over the sources of their mean structural similarity with the fused image.

    (2 μx μy + C1)(2 σxy + C2) / (μx² + μy² + C1)(σx² + σy² + C2), C1 = (0.01 L)²,
    C2 = (0.03 L)², in every window.

    Convention: the defaults are those of :func:`structural_similarity`. Wang et al. take a
    Gaussian window of 11 x 11 pixels and σ = 1.5, and biased covariances. Grey levels are
    always those of 0 to 255: with a smaller ``data_range`` the constants all but vanish, and
    flat regions that differ by a grey level score near 0 instead of 1.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], not smaller than a window.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        window: ``uniform``; ``gaussian``, of σ = 1.5; or ``single``, that in single precision.
        window_size: Height and width of the window, odd.
        border: ``valid``: only windows that fit; ``replicate`` or ``zero``: one window for
            every pixel, the image continued so.
        is_unbiased: Whether covariances are multiplied with n / (n - 1), n the pixels of the
            window.
        data_range: L of the constants.
        gain: What grey levels are multiplied with first.
        reduction: ``sum`` or ``mean`` over the sources.

    Returns:
        One value per image, (B,), from -M to M (``mean``: -1 to 1), without unit. Higher is
        more faithful; identical images score M.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Wang et al., IEEE Trans. Image Process. 13(4), 2004; Zhang, Ye and Xiao, VIFB,
    CVPR Workshops 2020, for the sum.
    """
    check_sources(fused, sources)
    check_size("SSIM", window_size, fused)
    check_option("reduction", reduction, ("sum", "mean"))
    scale = window_size**2 / (window_size**2 - 1) if is_unbiased else 1.0
    values = similarity_map(
        fused if gain == 1 else gain * precise(fused),
        sources if gain == 1 else gain * precise(sources),
        window=window,
        size=window_size,
        border=border,
        scale=scale,
        c1=(K1 * data_range) ** 2,
        c2=(K2 * data_range) ** 2,
    )
    each = pixel_mean(precise(values).squeeze(2))  # (B, M)
    return each.sum(dim=1) if reduction == "sum" else each.mean(dim=1)


@shared
def similarity_map(
    fused: Tensor,
    sources: Tensor,
    window: str = "gaussian",
    size: int = 11,
    border: str = "valid",
    scale: float = 1.0,
    c1: float = (K1 * 255) ** 2,
    c2: float = (K2 * 255) ** 2,
) -> Tensor:
    """Structural similarity with every source at every position, (B, M, 1, h, w).

    Variances and covariances are multiplied with ``scale``.
    """
    area = (window, size, border)
    fused_mean = window_mean(fused, *area).unsqueeze(1)
    fused_variance = window_variance(fused, *area).unsqueeze(1)
    return similarity(
        (fused_mean, window_mean(sources, *area)),
        (scale * fused_variance, scale * window_variance(sources, *area)),
        scale * window_covariance(fused, sources, *area),
        c1,
        c2,
    )


GAUSSIAN = {"window": "gaussian", "window_size": 11, "is_unbiased": False}
MATLAB = {**GAUSSIAN, "border": "replicate", "reduction": "mean"}


class StructuralSimilarity(ImageMean):
    """Mean :func:`structural_similarity_to_sources` of the fused images."""

    bytes_per_pixel = 280
    name = "SSIM"
    long_name = "Structural similarity"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention(
            "sum over the sources, Gaussian 11 x 11 window, valid, L 255", GAUSSIAN
        ),
        "ttd": Convention(
            "sum over the sources, uniform 7 x 7 window, unbiased, valid, L 255",
            minimum_size=WINDOW,
        ),
        "vifb": Convention("as paper", GAUSSIAN),
        "linfeng": Convention(
            "MATLAB ssim of doubles in 0 to 255: its default L is 1 (bug); Gaussian 11 x 11, "
            "borders replicated, mean over the sources; built from its description, not compared",
            {**MATLAB, "data_range": 1.0},
        ),
        "thfylsty": Convention(
            "MATLAB ssim: Gaussian 11 x 11, borders replicated, L 255, mean over the sources; "
            "built from its description, not compared",
            MATLAB,
        ),
        "jileihou": Convention(
            "MATLAB ssim: Gaussian 11 x 11, borders replicated, L 255, mean over the sources; "
            "built from its description, not compared",
            MATLAB,
        ),
        "cddfuse": Convention(
            "as ttd, but L 2 for grey levels of 0 to 255 (bug: scikit-image's old default)",
            {"data_range": 2.0},
            minimum_size=WINDOW,
        ),
        "ivif_zoo": Convention(
            "as paper, but images of 0 to 255 are multiplied by 255 once more (bug), as if L were "
            "1; in single precision, whose rounding is what flat regions are rated by",
            {**GAUSSIAN, "window": "single", "gain": 255.0},
        ),
        "topanxal": Convention(
            "sum over the sources, uniform 11 x 11 window, zero padded, L 255",
            {"window_size": 11, "border": "zero", "is_unbiased": False},
        ),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = 11

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return structural_similarity_to_sources(fused, sources, **self.options)
