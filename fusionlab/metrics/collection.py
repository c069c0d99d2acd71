"""Several metrics side by side: one row per image, one column per metric."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fusionlab.metrics.average_gradient import AverageGradient
from fusionlab.metrics.base import (
    ImageMean,
    check_range,
    check_sources,
    working_dtype,
)
from fusionlab.metrics.correlation_differences import SumOfCorrelationsOfDifferences
from fusionlab.metrics.cross_entropy import CrossEntropy
from fusionlab.metrics.edge_intensity import EdgeIntensity
from fusionlab.metrics.entropy import Entropy
from fusionlab.metrics.per_image import PerImageValues
from fusionlab.metrics.reference import TruthPSNR, TruthSSIM
from fusionlab.metrics.spatial_frequency import SpatialFrequency
from fusionlab.metrics.standard_deviation import StandardDeviation
from fusionlab.metrics.structural_similarity import StructuralSimilarity

TTD_PRESET: tuple[type[ImageMean], ...] = (
    Entropy,
    StandardDeviation,
    AverageGradient,
    EdgeIntensity,
    SpatialFrequency,
    SumOfCorrelationsOfDifferences,
    StructuralSimilarity,
    CrossEntropy,
)

TRUTH_PRESET: tuple[type[ImageMean], ...] = (TruthPSNR, TruthSSIM)


class FusionMetrics(PerImageValues):
    """The values of several metrics for every image, and their means over all processes.

    A metric that is not defined for the number of sources at hand (``source_count``) is NaN for
    that image and left out of its mean. An image whose index was seen before counts once.

    Args:
        metrics: The metrics, in the order of the table; the default is that of the TTD paper.

    Raises:
        ValueError: If there is no metric, or one is named twice.
    """

    def __init__(self, metrics: Sequence[type[ImageMean]] = TTD_PRESET) -> None:
        super().__init__([metric.name for metric in metrics])
        self.metrics = tuple(metric() for metric in metrics)

    @property
    def minimum_size(self) -> int:
        """Smallest height and width that every metric accepts."""
        return max(metric.minimum_size for metric in self.metrics)

    @property
    def conventions(self) -> dict[str, str]:
        """What each metric computes, in one line, by short name."""
        return {metric.name: metric.convention for metric in self.metrics}

    def update(  # type: ignore[override]  # one row per image, here made from images
        self, fused: Tensor, sources: Tensor, index: Tensor | None = None
    ) -> None:
        """Score and keep a batch.

        Args:
            fused: Fused images, (B, 1, H, W), in [0, 255].
            sources: Their sources, (B, M, 1, H, W), in [0, 255].
            index: Position of each image in the data set, (B,), int64 from 0. Without it
                images are numbered as they come and none is taken for a repetition.

        Raises:
            ValueError: If a shape does not fit, a value leaves [0, 255], or an image is smaller
                than a metric needs.
        """
        check_sources(fused, sources)
        check_range(fused=fused, sources=sources)
        batch, source_count = sources.shape[:2]
        undefined = torch.full(
            (batch,), torch.nan, dtype=working_dtype(fused.device), device=fused.device
        )
        columns = [
            metric.image_scores(fused, sources)
            if metric.source_count in (None, source_count)
            else undefined
            for metric in self.metrics
        ]
        super().update(torch.stack(columns, dim=1), index)
