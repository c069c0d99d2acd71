"""PMGI's objective against its authors' loss."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.laplacian import laplacian
from fusionlab.losses.pmgi import WEIGHTS, fusion_terms
from fusionlab.networks import create_network
from tests.networks import references


@pytest.fixture(scope="module")
def given(shared):
    return references.read(shared / "reference" / "networks" / "pmgi_losses.npz")


@pytest.mark.parametrize("task", WEIGHTS)
def test_the_terms_of_the_authors_loss(task, given):
    sources = torch.stack([given["source_1"], given["source_2"]], 1)
    terms = fusion_terms(given["fused"], sources, WEIGHTS[task])
    names = ("int_1", "int_2", "grad_1", "grad_2")
    for name, weight, found in zip(names, WEIGHTS[task], terms.values(), strict=True):
        assert found.item() == pytest.approx(100 * weight * given[name].item(), rel=1e-5)
    total = sum(terms.values()).item()
    assert total == pytest.approx(given[f"total_{task}"].item(), rel=1e-6)


def test_the_laplacian_by_hand():
    """A dot at the border: zeros lie around the image."""
    dot = torch.zeros(1, 1, 3, 4)
    dot[0, 0, 0, 1] = 1
    assert laplacian(dot)[0, 0].tolist() == [[1, -4, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_the_objective_works_in_the_range_of_the_network():
    torch.manual_seed(0)
    network, objective = create_network("pmgi").train(), create_objective("pmgi", task="mef")
    sources = torch.rand(2, 2, 1, 16, 17)
    terms = objective(network, {"sources": sources}, Step())
    expected = fusion_terms(2 * network(sources) - 1, 2 * sources - 1, WEIGHTS["mef"])
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, rel=1e-5
    )


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match=r"training\.options\.task must be one of vif, mif"):
        create_objective("pmgi", task="ivf")
