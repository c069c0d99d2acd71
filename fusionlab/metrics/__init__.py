"""Fusion metrics: for each a function that is the mathematics and a class that averages it.

Images are luma in [0, 255]: ``fused`` (B, 1, H, W), ``sources`` (B, M, 1, H, W). A class takes the
convention by its name, a function takes the mathematics that make it.
"""

from fusionlab.metrics.average_gradient import (
    AverageGradient,
    average_gradient,
)
from fusionlab.metrics.base import (
    Convention,
    ImageMean,
)
from fusionlab.metrics.chen_blum import (
    ChenBlum,
    chen_blum,
)
from fusionlab.metrics.chen_varshney import (
    ChenVarshney,
    chen_varshney,
)
from fusionlab.metrics.collection import (
    FusionMetrics,
)
from fusionlab.metrics.correlation import (
    CorrelationCoefficient,
    correlation_coefficient,
)
from fusionlab.metrics.correlation_differences import (
    SumOfCorrelationsOfDifferences,
    sum_of_correlations_of_differences,
)
from fusionlab.metrics.cross_entropy import (
    CrossEntropy,
    cross_entropy,
)
from fusionlab.metrics.cvejic import (
    CovarianceSimilarity,
    similarity_by_covariance,
)
from fusionlab.metrics.edge_intensity import (
    EdgeIntensity,
    edge_intensity,
)
from fusionlab.metrics.entropy import (
    Entropy,
    entropy,
)
from fusionlab.metrics.exposure_similarity import (
    ExposureSimilarity,
    exposure_similarity,
)
from fusionlab.metrics.feature_mutual_information import (
    FeatureMutualInformation,
    feature_mutual_information,
)
from fusionlab.metrics.fusion_artefacts import (
    FusionArtefacts,
    FusionLoss,
    fusion_artefacts,
    fusion_loss,
)
from fusionlab.metrics.gradient_preservation import (
    GradientPreservation,
    gradient_preservation,
)
from fusionlab.metrics.multiscale_similarity import (
    MultiscaleStructuralSimilarity,
    multiscale_structural_similarity,
)
from fusionlab.metrics.mutual_information import (
    MutualInformation,
    NormalisedMutualInformation,
    mutual_information,
    normalised_mutual_information,
)
from fusionlab.metrics.nonlinear_correlation import (
    NonlinearCorrelation,
    nonlinear_correlation,
)
from fusionlab.metrics.per_channel import per_channel
from fusionlab.metrics.per_image import (
    PerImageValues,
)
from fusionlab.metrics.piella import (
    EdgeFusionQuality,
    FusionQuality,
    WeightedFusionQuality,
    edge_fusion_quality,
    fusion_quality,
    weighted_fusion_quality,
)
from fusionlab.metrics.presets import (
    PRESETS,
    open_metrics,
)
from fusionlab.metrics.reference import (
    TruthAffinePSNR,
    TruthPSNR,
    TruthSSIM,
    affine_psnr,
    psnr,
)
from fusionlab.metrics.spatial_frequency import (
    SpatialFrequency,
    spatial_frequency,
)
from fusionlab.metrics.squared_error import (
    MeanSquaredError,
    PeakSignalNoiseRatio,
    mean_squared_error,
    peak_signal_noise_ratio,
)
from fusionlab.metrics.standard_deviation import (
    StandardDeviation,
    standard_deviation,
)
from fusionlab.metrics.structural_similarity import (
    StructuralSimilarity,
    structural_similarity,
    structural_similarity_to_sources,
)
from fusionlab.metrics.tsallis import (
    TsallisEntropy,
    tsallis_entropy,
)
from fusionlab.metrics.visual_information import (
    VisualInformationFidelity,
    visual_information_fidelity,
)
from fusionlab.metrics.visual_information_fusion import (
    VisualInformationFidelityForFusion,
    visual_information_fidelity_for_fusion,
)
from fusionlab.metrics.yang import (
    AgreementSimilarity,
    similarity_by_agreement,
)
from fusionlab.metrics.zhao import (
    Zhao,
    zhao,
)
from fusionlab.metrics.zheng_spatial_frequency import (
    ZhengSpatialFrequency,
    zheng_spatial_frequency,
)
from fusionlab.registry import METRICS

__all__ = [
    "METRICS",
    "PRESETS",
    "AgreementSimilarity",
    "AverageGradient",
    "ChenBlum",
    "ChenVarshney",
    "Convention",
    "CorrelationCoefficient",
    "CovarianceSimilarity",
    "CrossEntropy",
    "EdgeFusionQuality",
    "EdgeIntensity",
    "Entropy",
    "ExposureSimilarity",
    "FeatureMutualInformation",
    "FusionArtefacts",
    "FusionLoss",
    "FusionMetrics",
    "FusionQuality",
    "GradientPreservation",
    "ImageMean",
    "MeanSquaredError",
    "MultiscaleStructuralSimilarity",
    "MutualInformation",
    "NonlinearCorrelation",
    "NormalisedMutualInformation",
    "PeakSignalNoiseRatio",
    "PerImageValues",
    "SpatialFrequency",
    "StandardDeviation",
    "StructuralSimilarity",
    "SumOfCorrelationsOfDifferences",
    "TruthAffinePSNR",
    "TruthPSNR",
    "TruthSSIM",
    "TsallisEntropy",
    "VisualInformationFidelity",
    "VisualInformationFidelityForFusion",
    "WeightedFusionQuality",
    "Zhao",
    "ZhengSpatialFrequency",
    "affine_psnr",
    "average_gradient",
    "chen_blum",
    "chen_varshney",
    "correlation_coefficient",
    "cross_entropy",
    "edge_fusion_quality",
    "edge_intensity",
    "entropy",
    "exposure_similarity",
    "feature_mutual_information",
    "fusion_artefacts",
    "fusion_loss",
    "fusion_quality",
    "gradient_preservation",
    "mean_squared_error",
    "multiscale_structural_similarity",
    "mutual_information",
    "nonlinear_correlation",
    "normalised_mutual_information",
    "open_metrics",
    "peak_signal_noise_ratio",
    "per_channel",
    "psnr",
    "similarity_by_agreement",
    "similarity_by_covariance",
    "spatial_frequency",
    "standard_deviation",
    "structural_similarity",
    "structural_similarity_to_sources",
    "sum_of_correlations_of_differences",
    "tsallis_entropy",
    "visual_information_fidelity",
    "visual_information_fidelity_for_fusion",
    "weighted_fusion_quality",
    "zhao",
    "zheng_spatial_frequency",
]
