"""Every metric by its name."""

from __future__ import annotations

from fusionlab.metrics.average_gradient import AverageGradient
from fusionlab.metrics.base import ImageMean
from fusionlab.metrics.chen_blum import ChenBlum
from fusionlab.metrics.chen_varshney import ChenVarshney
from fusionlab.metrics.correlation import CorrelationCoefficient
from fusionlab.metrics.correlation_differences import SumOfCorrelationsOfDifferences
from fusionlab.metrics.cross_entropy import CrossEntropy
from fusionlab.metrics.cvejic import CovarianceSimilarity
from fusionlab.metrics.edge_intensity import EdgeIntensity
from fusionlab.metrics.entropy import Entropy
from fusionlab.metrics.exposure_similarity import ExposureSimilarity
from fusionlab.metrics.feature_mutual_information import FeatureMutualInformation
from fusionlab.metrics.fusion_artefacts import FusionArtefacts, FusionLoss
from fusionlab.metrics.gradient_preservation import GradientPreservation
from fusionlab.metrics.multiscale_similarity import MultiscaleStructuralSimilarity
from fusionlab.metrics.mutual_information import MutualInformation, NormalisedMutualInformation
from fusionlab.metrics.nonlinear_correlation import NonlinearCorrelation
from fusionlab.metrics.piella import EdgeFusionQuality, FusionQuality, WeightedFusionQuality
from fusionlab.metrics.spatial_frequency import SpatialFrequency
from fusionlab.metrics.squared_error import MeanSquaredError, PeakSignalNoiseRatio
from fusionlab.metrics.standard_deviation import StandardDeviation
from fusionlab.metrics.structural_similarity import StructuralSimilarity
from fusionlab.metrics.tsallis import TsallisEntropy
from fusionlab.metrics.visual_information import VisualInformationFidelity
from fusionlab.metrics.visual_information_fusion import VisualInformationFidelityForFusion
from fusionlab.metrics.yang import AgreementSimilarity
from fusionlab.metrics.zhao import Zhao
from fusionlab.metrics.zheng_spatial_frequency import ZhengSpatialFrequency

METRICS: dict[str, type[ImageMean]] = {
    "en": Entropy,
    "ce": CrossEntropy,
    "mi": MutualInformation,
    "nmi": NormalisedMutualInformation,
    "te": TsallisEntropy,
    "qncie": NonlinearCorrelation,
    "fmi": FeatureMutualInformation,
    "sd": StandardDeviation,
    "cc": CorrelationCoefficient,
    "scd": SumOfCorrelationsOfDifferences,
    "mse": MeanSquaredError,
    "psnr": PeakSignalNoiseRatio,
    "ag": AverageGradient,
    "ei": EdgeIntensity,
    "sf": SpatialFrequency,
    "q_sf": ZhengSpatialFrequency,
    "qabf": GradientPreservation,
    "labf": FusionLoss,
    "nabf": FusionArtefacts,
    "ssim": StructuralSimilarity,
    "ms_ssim": MultiscaleStructuralSimilarity,
    "mef_ssim": ExposureSimilarity,
    "qs": FusionQuality,
    "qw": WeightedFusionQuality,
    "qe": EdgeFusionQuality,
    "qc": CovarianceSimilarity,
    "qy": AgreementSimilarity,
    "vif": VisualInformationFidelity,
    "viff": VisualInformationFidelityForFusion,
    "qp": Zhao,
    "qcb": ChenBlum,
    "qcv": ChenVarshney,
}
"""By short name, case-folded, in the order of a table."""
