from types import SimpleNamespace

import pytest
from torch import nn

from fusionlab.networks import create_network
from fusionlab.training.batch_norm import HoldBatchNorm


@pytest.mark.parametrize(("step", "held"), [(0, False), (19, False), (20, True), (99, True)])
def test_batch_norm_and_nothing_else_is_held_from_its_step_on(step, held):
    network = create_network("ifcnn").train()
    trainer = SimpleNamespace(global_step=step, estimated_stepping_batches=100)
    HoldBatchNorm(0.2).on_train_batch_start(trainer, network, None, 0)
    for module in network.modules():
        expected = not held if isinstance(module, nn.BatchNorm2d) else True
        assert module.training == expected
