"""DeepFuse's objective against its port's loss."""

import pytest
import torch

from fusionlab.losses import Step, create_objective
from fusionlab.losses.deepfuse import structure_loss, wanted_image
from fusionlab.networks import create_network
from tests.networks import references


def test_the_image_and_the_loss_of_the_port(shared):
    given = references.read(shared / "reference" / "networks" / "deepfuse_losses.npz")
    wanted = wanted_image(torch.stack([given["y_1"], given["y_2"]], 1))
    torch.testing.assert_close(wanted, given["y_hat"], rtol=0, atol=1e-5)
    loss = structure_loss(given["fused"], given["y_hat"])
    assert loss.item() == pytest.approx(given["loss"].item(), abs=5e-6)


def test_the_contrast_is_that_of_the_sources_by_hand():
    """Half of their difference, beside the mean of the second and the mean of both."""
    first, second = torch.rand(2, 3, 1, 5, 6)
    wanted = wanted_image(torch.stack([first, second], 1))
    detail = (second - first) / 2
    base = (second + (first + second) / 2) / 2
    sign = 1 if second.norm() > first.norm() else -1
    torch.testing.assert_close(wanted, sign * detail + base, rtol=0, atol=1e-4)


def test_the_network_is_seen_in_the_range_of_the_port():
    torch.manual_seed(0)
    network, objective = create_network("deepfuse", version="port"), create_objective("deepfuse")
    sources = torch.rand(2, 2, 1, 16, 17)
    terms = objective(network, {"sources": sources}, Step())
    expected = structure_loss(2 * network(sources) - 1, wanted_image(2 * sources - 1))
    assert terms["mef_ssim"].item() == expected.item()
