"""DIVFusion's objectives: terms by hand, and both stages that learn."""

import math

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.divfusion import Decoders, angle, fusion_terms, mutual_consistency, smoothness
from fusionlab.networks import create_network
from fusionlab.networks.divfusion import gradients
from tests.losses.vgg import save_vgg


def test_gradients_by_hand():
    """Differences of the next row and of the next column; zeros lie below and to the right."""
    along_x, along_y = gradients(torch.tensor([[0.0, 0.5], [0.0, 1.0]])[None, None])
    torch.testing.assert_close(along_x, torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]]) / 1.0001)
    torch.testing.assert_close(along_y, torch.tensor([[[[0.5, 0.0], [1.0, 0.0]]]]) / 1.0001)


def test_angles_by_hand():
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert angle(east, north).item() == pytest.approx(math.pi / 2, abs=1e-6)
    assert angle(east, east + north / 2).item() == pytest.approx(math.pi / 4, abs=1e-6)
    assert angle(north, 3 * north).item() < 2e-3


def test_edges_of_the_illumination_cost_where_the_image_has_none():
    ramp = torch.arange(16.0).view(1, 1, 4, 4) / 15
    flat = torch.full((1, 1, 4, 4), 0.5)
    assert smoothness(ramp, ramp) < smoothness(ramp, flat)


def test_middling_edges_cost_most():
    """G exp(-10 g) is largest at g = 0.1, 0.1 / e."""
    light = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert 0 < mutual_consistency(light) < 2 * 0.1 / math.e


def test_a_fused_image_that_is_all_of_its_sources_costs_only_rounding():
    grey = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    terms = fusion_terms(grey, torch.stack([grey, grey], 1), grey.expand(-1, 3, -1, -1))
    assert terms["gradient"].item() == 0
    assert terms["colour"].item() < 3 * 1.1 * 2e-3
    assert terms["infrared"].item() < 2.5 * 2e-3


def test_the_decoders_have_the_widths_of_the_paper():
    with torch.device("meta"):
        decoders = Decoders(256)
    kernels = {
        name: [tuple(layer.conv.weight.shape[:2]) for layer in getattr(decoders, name)]
        for name in ("infrared", "reflectance", "illumination")
    }
    branch = [(128, 256), (64, 128), (32, 64), (1, 32)]
    assert kernels == {
        "infrared": branch,
        "reflectance": branch,
        "illumination": [(128, 256), (64, 256), (32, 64), (1, 64)],
    }


@pytest.mark.slow
def test_both_stages_learn(tmp_path):
    torch.manual_seed(0)
    network = create_network("divfusion", dim=16).train()
    sources = torch.rand(2, 2, 1, 16, 20)
    batch = {"sources": sources, "rgb": sources.expand(-1, -1, 3, -1, -1)}
    path = save_vgg(tmp_path / "vgg.pth", 16)
    for objective in (
        create_objective("divfusion_decomposition", vgg=path),
        create_objective("divfusion"),
    ):
        objective.prepare(network)
        groups = objective.parameter_groups(network)
        parameters = [x for group in groups for x in group.parameters]
        optimizer = torch.optim.Adam(parameters, 1e-3)
        losses = []
        for _ in range(12):
            optimizer.zero_grad()
            loss = sum(objective(network, batch, Step()).values())
            loss.backward()
            assert all(x.grad is not None and x.grad.isfinite().all() for x in parameters)
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.97 * losses[0]


def test_the_first_stage_says_that_it_needs_a_vgg():
    with pytest.raises(InputError, match=r"learns with a VGG-16, got None; give training\.options"):
        create_objective("divfusion_decomposition")
