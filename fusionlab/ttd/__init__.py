"""Test-time dynamic fusion (TTD): weigh each source by how well it reconstructs itself.

Cao, Xia, Ding, Zhang, Hu: Test-Time Dynamic Image Fusion, NeurIPS 2024.
"""

from fusionlab.ttd.dominability import reconstruction_loss, relative_dominability
from fusionlab.ttd.fusion import DynamicFusion, TestTimeDynamicFusion

__all__ = [
    "DynamicFusion",
    "TestTimeDynamicFusion",
    "reconstruction_loss",
    "relative_dominability",
]
