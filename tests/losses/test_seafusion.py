"""SeAFusion's objective against its authors' loss."""

import pytest
import torch

from fusionlab.losses import Step, create_objective
from fusionlab.losses.seafusion import fusion_terms
from fusionlab.networks import create_network
from tests.networks import references


def test_the_terms_of_the_authors_loss(shared):
    given = references.read(shared / "reference" / "networks" / "seafusion_losses.npz")
    sources = torch.stack([given["visible"], given["infrared"]], 1)
    terms = fusion_terms(given["fused"], sources)
    assert terms["intensity"].item() == pytest.approx(given["intensity"].item(), rel=1e-5)
    assert terms["gradient"].item() == pytest.approx(10 * given["gradient"].item(), rel=1e-5)
    assert sum(terms.values()).item() == pytest.approx(given["total"].item(), rel=1e-5)


def test_the_terms_are_of_the_fused_image():
    torch.manual_seed(0)
    network, objective = create_network("seafusion"), create_objective("seafusion")
    sources = torch.rand(2, 2, 1, 16, 17)
    terms = objective(network.train(), {"sources": sources}, Step())
    expected = fusion_terms(network(sources), sources)
    assert {k: v.item() for k, v in terms.items()} == {k: v.item() for k, v in expected.items()}
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in network.parameters())
