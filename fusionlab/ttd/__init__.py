"""Test-time dynamic fusion (TTD): weigh each source by how well it reconstructs itself.

Cao, Xia, Ding, Zhang, Hu: Test-Time Dynamic Image Fusion, NeurIPS 2024.
"""

from fusionlab.ttd.channel import ChannelChoice, cached_choice, choose_channel
from fusionlab.ttd.dominability import reconstruction_loss, relative_dominability
from fusionlab.ttd.fusion import DynamicFusion, TestTimeDynamicFusion
from fusionlab.ttd.gradient import feature_gradients, gradient_magnitude
from fusionlab.ttd.hooks import HookedDynamicFusion
from fusionlab.ttd.temperature import automatic_temperature, image_temperatures
from fusionlab.ttd.theorem import (
    Bound,
    fusion_error,
    generalisation_bound,
    truth_bound,
    weight_shares,
)

__all__ = [
    "Bound",
    "ChannelChoice",
    "DynamicFusion",
    "HookedDynamicFusion",
    "TestTimeDynamicFusion",
    "automatic_temperature",
    "cached_choice",
    "choose_channel",
    "feature_gradients",
    "fusion_error",
    "generalisation_bound",
    "gradient_magnitude",
    "image_temperatures",
    "reconstruction_loss",
    "relative_dominability",
    "truth_bound",
    "weight_shares",
]
