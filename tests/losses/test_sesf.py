"""SESF-Fuse's objective against its authors' loss."""

import pytest
import torch

from fusionlab.losses import Step, create_objective
from fusionlab.losses.sesf import reconstruction_terms
from fusionlab.networks import create_network
from fusionlab.networks.sesf import DEVIATION, MEAN
from tests.networks import references


def test_what_the_objective_sees():
    torch.manual_seed(0)
    network, objective = create_network("sesf").train(), create_objective("sesf")
    sources = torch.rand(2, 1, 1, 16, 17)
    terms = objective(network, {"sources": sources}, Step())
    images = (sources[:, 0] - MEAN) / DEVIATION
    expected = reconstruction_terms(network.decoded(network.encoded(images)), images)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, rel=1e-4
    )


def test_the_distance_is_that_of_the_whole_batch():
    images = torch.rand(2, 1, 8, 8)
    terms = reconstruction_terms(images + 0.5, images)
    assert terms["distance"].item() == pytest.approx((0.25 * 128) ** 0.5)
    assert reconstruction_terms(images, images)["ssim"].item() == pytest.approx(0, abs=1e-3)


def test_the_terms_of_the_authors_loss(shared):
    given = references.read(shared / "reference" / "networks" / "sesf_losses.npz")
    # a thousand times an SSIM in single precision
    terms = reconstruction_terms(given["output"], given["input"])
    assert terms["distance"].item() == pytest.approx(given["l2"].item(), rel=1e-5)
    assert terms["ssim"].item() == pytest.approx(given["ssim"].item(), abs=5e-4)
