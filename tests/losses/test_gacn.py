"""GACN's objective against its authors' loss."""

import pytest
import torch

from fusionlab.losses import Step, create_objective
from fusionlab.losses.gacn import dice_loss, edge_loss, focus_of_first
from fusionlab.networks import create_network
from tests.networks import references


def test_the_terms_of_the_authors_loss(shared):
    given = references.read(shared / "reference" / "networks" / "gacn_losses.npz")
    sources, weights = given["sources"], given["map"]
    dice = dice_loss(given["decision"], given["target"])
    assert dice.item() == pytest.approx(given["dice"].item(), abs=1e-6)
    fused = weights * sources[:, 0] + (1 - weights) * sources[:, 1]
    edges = edge_loss(fused, sources)
    assert edges.item() == pytest.approx(given["qg"].item(), abs=1e-5)


def test_what_is_in_focus_is_what_is_near_to_the_sharp_photograph():
    sharp = torch.rand(1, 3, 20, 40)
    first, second = sharp.clone(), sharp.clone()
    first[..., 20:] += 0.1
    second[..., :20] += 0.1
    found = focus_of_first(torch.stack([first, second], 1), sharp)
    assert found[..., :15].all()
    assert not found[..., 25:].any()


def test_an_image_that_keeps_both_sources_loses_nothing():
    image = torch.rand(1, 1, 40, 40)  # its border is kept: zeros are around both
    best = edge_loss(image, torch.stack([image, image], 1)).item()
    assert best == pytest.approx(1 - 1 / (1 + 2.718281828**-5) ** 2, abs=1e-3)
    assert edge_loss(torch.full_like(image, 0.5), torch.stack([image, image], 1)).item() > 0.8


@pytest.mark.slow
def test_a_few_steps_lower_the_loss():
    torch.manual_seed(0)
    network, objective = create_network("gacn").train(), create_objective("gacn")
    sharp = torch.rand(2, 3, 24, 24)
    first, second = sharp.clone(), sharp.clone()
    first[..., 12:] = sharp[..., 12:].mean()
    second[..., :12] = sharp[..., :12].mean()
    batch = {"sources": torch.stack([first, second], 1), "reference": sharp}
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    found = []
    for _ in range(12):
        loss = sum(objective(network, batch, Step()).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    assert found[-1] < 0.99 * found[0]
