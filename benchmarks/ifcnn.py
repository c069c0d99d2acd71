"""IFCNN as its authors' demo runs it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from fusionlab.networks import IFCNN, FusionNetwork
from fusionlab.networks.ifcnn import ConvUnit


class AuthorsIFCNN:
    """One encoder pass per source on three copies of the luma, the default memory layout, max rule.

    Batch norm is a layer of its own.
    """

    def __init__(self, network: FusionNetwork) -> None:
        assert isinstance(network, IFCNN)
        self.network = network

    def __call__(self, sources: Tensor) -> Tensor:
        """(B, M, 1, H, W) to (B, 3, H, W)."""
        maps = []
        for source in sources.unbind(1):
            x = source.expand(-1, 3, -1, -1).contiguous()
            x = self.network.conv1(F.pad(x, (3, 3, 3, 3), mode="replicate"))
            maps.append(_plain(self.network.conv2, x))
        fused = maps[0]
        for other in maps[1:]:
            fused = torch.max(fused, other)
        return self.network.conv4(_plain(self.network.conv3, fused))


def _plain(unit: ConvUnit, x: Tensor) -> Tensor:
    return F.relu(unit.bn(unit.conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))), inplace=True)
