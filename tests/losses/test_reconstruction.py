import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.fusing import network_objective
from fusionlab.losses.cddfuse import ssim_loss
from fusionlab.registry import NETWORKS


def test_cddfuse_s_is_its_first_phase_source_by_source():
    """The infrared source has SSIM and squared error; the visible one its edges too."""
    components, sources = torch.rand(2, 2, 1, 16, 17), torch.rand(2, 2, 1, 16, 17)
    losses = network_objective(NETWORKS["cddfuse"])(components, sources)
    infrared = components[1:, 1], sources[1:, 1]
    assert_close(losses[1, 1], 5 * ssim_loss(*infrared) + F.mse_loss(*infrared))
    visible = components[1:, 0], sources[1:, 0]
    assert losses[1, 0] > 5 * ssim_loss(*visible) + F.mse_loss(*visible) + 0.1


def test_densefuse_s_is_its_objective_with_the_default_weight():
    sources = torch.rand(1, 2, 1, 176, 177)
    components = sources.clone()
    components[:, 1] += 0.1
    losses = network_objective(NETWORKS["densefuse"])(components, sources)
    assert losses[0, 0].item() == pytest.approx(0, abs=1e-3)
    assert 25.5**2 < losses[0, 1].item() < 25.5**2 + 100


@pytest.mark.parametrize("network", ["ifcnn", "piafusion"])
def test_networks_that_learn_from_a_truth_have_none(network):
    assert network_objective(NETWORKS[network]) is None
