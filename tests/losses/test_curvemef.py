"""CurveMEF's objective, worked out by hand."""

import pytest
import torch

from fusionlab.losses import Step, create_objective
from fusionlab.losses.curvemef import fusion_terms
from fusionlab.networks import create_network


def test_flat_images_by_hand():
    """SSIM of flat images is their luminance term, (2ab + c) / (a² + b² + c), c = 0.01²."""
    sources = torch.tensor([0.9, 0.3]).view(1, 2, 1, 1, 1).expand(2, -1, -1, 16, 20)
    terms = fusion_terms(torch.full((2, 1, 16, 20), 0.5), sources)
    assert terms["intensity"].item() == pytest.approx(2 * (0.4 + 0.2), rel=1e-5)
    similar = [(2 * 0.5 * b + 1e-4) / (0.25 + b * b + 1e-4) for b in (0.9, 0.3)]
    assert terms["structure"].item() == pytest.approx(2 - sum(similar), abs=1e-3)


def test_nothing_is_left_to_learn_where_all_images_are_the_same():
    image = torch.rand(1, 1, 24, 24)
    terms = fusion_terms(image, image.unsqueeze(1).expand(-1, 2, -1, -1, -1))
    assert terms["intensity"].item() == 0
    assert terms["structure"].item() == pytest.approx(0, abs=1e-6)


def test_the_loss_falls_in_a_few_steps():
    torch.manual_seed(0)
    network, objective = create_network("curvemef"), create_objective("curvemef")
    batch = {"sources": torch.rand(2, 2, 1, 24, 24) * torch.tensor([1.0, 0.3]).view(2, 1, 1, 1)}
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss = torch.stack(list(objective(network, batch, Step()).values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.99 * losses[0]
