"""Networks that a wrong formula cannot hide in."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from fusionlab.networks import FusionNetwork, create_network


@pytest.fixture
def lively() -> Callable[..., FusionNetwork]:
    """``create_network`` from a fixed seed, with batch norms that are not the identity."""

    def build(name: str, **options: str) -> FusionNetwork:
        torch.manual_seed(0)
        network = create_network(name, **options)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
                nn.init.normal_(module.running_mean, 0, 0.2)
                nn.init.uniform_(module.running_var, 0.5, 2)
        return network

    return build
