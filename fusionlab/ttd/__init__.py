"""Test-time dynamic fusion (TTD): weigh each source by how well it reconstructs itself.

Cao, Xia, Ding, Zhang, Hu: Test-Time Dynamic Image Fusion, NeurIPS 2024.
"""

from fusionlab.ttd.calibration import automatic_temperature, calibrate, channel_scores
from fusionlab.ttd.dominability import feature_gain, relative_dominability
from fusionlab.ttd.encoded import Encoded
from fusionlab.ttd.fusion import DynamicFusion, TestTimeDynamicFusion
from fusionlab.ttd.gradient import feature_gradients, gradient_magnitude
from fusionlab.ttd.hooks import HookedDynamicFusion
from fusionlab.ttd.losses import PixelLoss, reconstruction_loss
from fusionlab.ttd.theorem import Bound, fusion_error, generalisation_bound, truth_bound
from fusionlab.ttd.tiles import TiledEncoded

__all__ = [
    "Bound",
    "DynamicFusion",
    "Encoded",
    "HookedDynamicFusion",
    "PixelLoss",
    "TestTimeDynamicFusion",
    "TiledEncoded",
    "automatic_temperature",
    "calibrate",
    "channel_scores",
    "feature_gain",
    "feature_gradients",
    "fusion_error",
    "generalisation_bound",
    "gradient_magnitude",
    "reconstruction_loss",
    "relative_dominability",
    "truth_bound",
]
