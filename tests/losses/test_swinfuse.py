"""SwinFuse's objective against its authors' loss."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.fusing import network_objective
from fusionlab.losses import Step, create_objective
from fusionlab.losses.densefuse import ms_ssim
from fusionlab.losses.swinfuse import reconstruction_terms
from fusionlab.networks import create_network
from tests.networks import references


def test_the_terms_of_the_authors_loss(shared):
    given = references.read(shared / "reference" / "networks" / "swinfuse_losses.npz")
    terms = reconstruction_terms(given["output"], given["input"], as_published=True)
    count = len(given["output"])
    assert count * terms["l1"].item() == pytest.approx(given["l1"].item(), rel=1e-5)
    assert count * terms["ms_ssim"].item() == pytest.approx(1000 * given["ssim"].item(), rel=1e-5)
    total = sum(terms.values()).item()
    assert total == pytest.approx(given["total_as_coded"].item(), rel=1e-5)


@pytest.mark.slow
def test_a_photograph_is_held_against_its_own_reconstruction():
    """Not against the rule's, which weighs it twice."""
    torch.manual_seed(0)
    network = create_network("swinfuse", tile=14, dim=8)
    photographs = torch.rand(2, 1, 1, 176, 176)
    terms = create_objective("swinfuse")(network, {"sources": photographs}, Step())
    padded = network.pad(photographs)
    decoded = network.decode(network.encode(padded)[:, 0], padded)[..., :176, :176]
    decoded, photographs = 2 * decoded - 1, 2 * photographs[:, 0] - 1
    expected = {
        "l1": (decoded - photographs).abs().mean().item(),
        "ms_ssim": 1000 * (1 - ms_ssim(255 / 2 * decoded, 255 / 2 * photographs)).item(),
    }
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_a_few_steps_lower_the_loss():
    torch.manual_seed(0)
    network = create_network("swinfuse", tile=91, dim=4).train()
    columns = torch.linspace(0.2, 0.8, 176).expand(1, 1, 1, 176, 176)
    batch = {"sources": columns + 0.1 * torch.rand(columns.shape)}
    adam, losses = torch.optim.Adam(network.parameters(), 1e-2), []
    for _ in range(5):
        losses.append(sum(create_objective("swinfuse")(network, batch, Step()).values()))
        adam.zero_grad()
        losses[-1].backward()
        adam.step()
    assert losses[-1] < 0.9 * losses[0]


def test_gradients_may_follow_it():
    sources = torch.rand(2, 2, 1, 176, 176)
    components = sources.clone()
    components[:, 1] += 0.1
    losses = network_objective(create_network("swinfuse", tile=14, dim=8))(components, sources)
    assert losses.shape == (2, 2)
    assert losses[:, 0].abs().max() < 1e-2
    assert losses[:, 1].min() > 0.2


def test_unusable_choice():
    with pytest.raises(InputError, match=r"training\.options\.as_published must be"):
        create_objective("swinfuse", as_published="no")
