"""Fusion metrics: for each a function that is the mathematics and a class that averages it.

Images are luma in [0, 255]: ``fused`` (B, 1, H, W), ``sources`` (B, M, 1, H, W).
"""

from fusionlab.metrics.average_gradient import AverageGradient, average_gradient
from fusionlab.metrics.base import ImageMean
from fusionlab.metrics.collection import TRUTH_PRESET, TTD_PRESET, FusionMetrics
from fusionlab.metrics.correlation_differences import (
    SumOfCorrelationsOfDifferences,
    sum_of_correlations_of_differences,
)
from fusionlab.metrics.cross_entropy import CrossEntropy, cross_entropy
from fusionlab.metrics.edge_intensity import EdgeIntensity, edge_intensity
from fusionlab.metrics.entropy import Entropy, entropy
from fusionlab.metrics.per_image import PerImageValues
from fusionlab.metrics.reference import TruthPSNR, TruthSSIM, psnr
from fusionlab.metrics.spatial_frequency import SpatialFrequency, spatial_frequency
from fusionlab.metrics.standard_deviation import StandardDeviation, standard_deviation
from fusionlab.metrics.structural_similarity import (
    StructuralSimilarity,
    structural_similarity,
    structural_similarity_to_sources,
)

METRICS: dict[str, type[ImageMean]] = {
    "en": Entropy,
    "sd": StandardDeviation,
    "ag": AverageGradient,
    "ei": EdgeIntensity,
    "sf": SpatialFrequency,
    "scd": SumOfCorrelationsOfDifferences,
    "ssim": StructuralSimilarity,
    "ce": CrossEntropy,
}

__all__ = [
    "METRICS",
    "TRUTH_PRESET",
    "TTD_PRESET",
    "AverageGradient",
    "CrossEntropy",
    "EdgeIntensity",
    "Entropy",
    "FusionMetrics",
    "ImageMean",
    "PerImageValues",
    "SpatialFrequency",
    "StandardDeviation",
    "StructuralSimilarity",
    "SumOfCorrelationsOfDifferences",
    "TruthPSNR",
    "TruthSSIM",
    "average_gradient",
    "cross_entropy",
    "edge_intensity",
    "entropy",
    "psnr",
    "spatial_frequency",
    "standard_deviation",
    "structural_similarity",
    "structural_similarity_to_sources",
    "sum_of_correlations_of_differences",
]
