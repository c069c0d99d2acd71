"""Q_S, Q_W and Q_E: similarity with that source that is the more salient, window by window."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import pad

from fusionlab.metrics.base import (
    Convention,
    ImageMean,
    check_size,
    check_sources,
    pixel_mean,
    precise,
    root,
)
from fusionlab.metrics.shared import shared
from fusionlab.metrics.structural_similarity import similarity_map
from fusionlab.metrics.windows import check_option, contrast_variance, window_variance

WINDOW = 11


def fusion_quality(fused: Tensor, sources: Tensor, *, flat_windows: str = "even") -> Tensor:
    """Mean over the windows of Σ λ_k SSIM(source_k, fused), λ_k = σ²_k / Σ σ²: Q_S.

    Convention: Gaussian windows of 11 x 11 pixels, σ = 1.5, that fit into the image; SSIM with
    its constants for a range of 255, where Piella and Heijmans take Q0, without constants;
    where all sources are flat, λ_k = 1 / M.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 11 x 11 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        flat_windows: ``even``: as above; ``rounding``: where sources are flat but not black, λ
            is the ratio of two rounding errors, those of Octave.

    Returns:
        One value per image, (B,), from -1 to 1, without unit. Higher is more faithful;
        identical images score 1.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Piella and Heijmans, ICIP 2003.
    """
    check_sources(fused, sources)
    check_size("Qs", WINDOW, fused)
    return pixel_mean(_salient_similarity(fused, sources, flat_windows)[0]).squeeze(1)


def weighted_fusion_quality(
    fused: Tensor, sources: Tensor, *, on_edges: bool = False, flat_windows: str = "even"
) -> Tensor:
    """:func:`fusion_quality` with windows weighted by max σ²_k over the sources: Q_W.

    Convention: as there; where all sources are flat the weight is 1 / M, so that images without
    any contrast have a value.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 11 x 11 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        on_edges: Whether Prewitt magnitudes, zero padded, take the place of the images.
        flat_windows: As there.

    Returns:
        One value per image, (B,), from -1 to 1, without unit. Higher is more faithful;
        identical images score 1.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Piella and Heijmans, ICIP 2003.
    """
    check_sources(fused, sources)
    check_size("Qw", WINDOW, fused)
    if on_edges:
        fused, sources = prewitt(fused), prewitt(sources)
    values, weights = _salient_similarity(fused, sources, flat_windows)
    return (pixel_mean(weights * values) / pixel_mean(weights)).squeeze(1)


def edge_fusion_quality(
    fused: Tensor, sources: Tensor, *, edges_only: bool = False, flat_windows: str = "even"
) -> Tensor:
    """Q_W of the images times Q_W of their edges: Q_E, with α = 1.

    Convention: :func:`weighted_fusion_quality`; edges are Prewitt magnitudes, zero padded.

    Args:
        fused: Fused images, (B, 1, H, W), in [0, 255], at least 11 x 11 pixels.
        sources: Their sources, (B, M, 1, H, W), in [0, 255].
        edges_only: Whether the first factor is left out.
        flat_windows: As in :func:`fusion_quality`.

    Returns:
        One value per image, (B,), from -1 to 1, without unit. Higher is more faithful;
        identical images score 1.

    Raises:
        ValueError: If a shape does not fit, an option is unknown, or the images are too small.

    Source: Piella and Heijmans, ICIP 2003.
    """
    check_sources(fused, sources)
    check_size("Qe", WINDOW, fused)
    on_edges = weighted_fusion_quality(fused, sources, on_edges=True, flat_windows=flat_windows)
    if edges_only:
        return on_edges
    return on_edges * weighted_fusion_quality(fused, sources, flat_windows=flat_windows)


@shared
def _salient_similarity(fused: Tensor, sources: Tensor, flat_windows: str) -> tuple[Tensor, Tensor]:
    """Σ λ SSIM and the largest variance in every window, both (B, 1, h, w)."""
    check_option("flat_windows", flat_windows, ("even", "rounding"))
    exact = flat_windows == "even"
    variance = contrast_variance(sources) if exact else window_variance(sources, "octave")
    flat = variance.sum(dim=1, keepdim=True) == 0
    variance = variance + flat / variance.shape[1]
    share = variance / variance.sum(dim=1, keepdim=True)
    return (share * similarity_map(fused, sources)).sum(dim=1), variance.amax(dim=1)


@shared
def prewitt(image: Tensor) -> Tensor:
    """Prewitt magnitude of (..., H, W), zeros beyond the border."""
    image = precise(image)
    stack = pad(image.reshape(-1, 1, *image.shape[-2:]), (1, 1, 1, 1))
    columns = stack[..., :-2, :] + stack[..., 1:-1, :] + stack[..., 2:, :]
    rows = stack[..., :-2] + stack[..., 1:-1] + stack[..., 2:]
    across = columns[..., 2:] - columns[..., :-2]
    down = rows[..., 2:, :] - rows[..., :-2, :]
    return root(across.square() + down.square()).view(image.shape)


_ROUNDING = {"flat_windows": "rounding"}
_COPY = Convention("as paper, but flat windows are weighted by rounding errors (bug)", _ROUNDING)
_EDGES = "MEFB's Qw: Q_W of the Prewitt edges in place of the images (bug)"


class FusionQuality(ImageMean):
    """Mean :func:`fusion_quality` of the fused images."""

    bytes_per_pixel = 350
    name = "Qs"
    long_name = "Piella's fusion quality"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Piella's Q_S with SSIM, Gaussian 11 x 11, valid, L 255"),
        "zhengliu": _COPY,
        "thfylsty": _COPY,
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = WINDOW

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return fusion_quality(fused, sources, **self.options)


class WeightedFusionQuality(ImageMean):
    """Mean :func:`weighted_fusion_quality` of the fused images."""

    bytes_per_pixel = 350
    name = "Qw"
    long_name = "Piella's weighted fusion quality"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Piella's Q_W with SSIM, Gaussian 11 x 11, valid, L 255"),
        "zhengliu": _COPY,
        "thfylsty": _COPY,
        "mefb": Convention(_EDGES, {"on_edges": True, **_ROUNDING}),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = WINDOW

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return weighted_fusion_quality(fused, sources, **self.options)


class EdgeFusionQuality(ImageMean):
    """Mean :func:`edge_fusion_quality` of the fused images."""

    bytes_per_pixel = 620
    name = "Qe"
    long_name = "Piella's edge-dependent fusion quality"
    conventions: ClassVar[Mapping[str, Convention]] = {
        "paper": Convention("Piella's Q_E, α 1, with SSIM, Gaussian 11 x 11, valid, L 255"),
        "mefb": Convention(
            f"{_EDGES}, without the first factor", {"edges_only": True, **_ROUNDING}
        ),
    }
    higher_is_better = True
    is_differentiable = True
    minimum_size = WINDOW

    def score(self, fused: Tensor, sources: Tensor) -> Tensor:
        """One value per fused image, (B,)."""
        return edge_fusion_quality(fused, sources, **self.options)
