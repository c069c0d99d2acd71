"""FFMEF's objective against its authors' loss."""

import pytest
import torch

from fusionlab.data.colour import to_luma
from fusionlab.losses import Step, create_objective
from fusionlab.losses.ffmef import (
    colour_weights,
    fidelity_terms,
    scharr_magnitude,
    source_gradients,
)
from fusionlab.networks import create_network
from fusionlab.networks.ffmef import to_studio
from tests.networks import references


@pytest.fixture
def given(shared):
    return references.read(shared / "reference" / "networks" / "ffmef_losses.npz")


def stacked(given, name):
    return torch.stack([given[f"{name}_a"], given[f"{name}_b"]], 1)


def studio_luma(rgb):
    luma = torch.stack([to_luma(image) for image in rgb.flatten(0, 1)])
    return to_studio(luma.unflatten(0, rgb.shape[:2]))


def test_the_authors_loss(given):
    sources = studio_luma(stacked(given, "rgb"))
    gradients, weights = stacked(given, "gradient"), stacked(given, "weight")
    terms = fidelity_terms(given["fused"], sources, gradients, weights)
    assert sum(terms.values()).item() == pytest.approx(given["total"].item(), rel=1e-5)


def test_weights_and_gradients_of_the_authors_code(given):
    """Two of 8,192 gradients of the sources fall on the other side of a level."""
    rgb = stacked(given, "rgb")
    weights = colour_weights(rgb)
    torch.testing.assert_close(weights, stacked(given, "weight"), rtol=0, atol=1e-6)
    found = scharr_magnitude(given["fused"], "replicate")
    torch.testing.assert_close(found, given["fused_gradient"], rtol=0, atol=1e-5)
    off = (source_gradients(studio_luma(rgb)) - stacked(given, "gradient")).abs()
    assert (off > 1e-6).sum() <= 2
    assert off.max() < 1.001 / 255


def test_gradients_by_hand():
    """A ramp of 1/255 per column responds with 32 across, half of which is the mean."""
    ramp = torch.arange(5.0).expand(1, 1, 4, 5) / 255
    inside = 255 * scharr_magnitude(ramp, "reflect")[..., 1:-1]
    torch.testing.assert_close(inside, torch.full((1, 1, 4, 3), 16.0))
    steep = 255 * scharr_magnitude(20 * ramp, "reflect")[..., 1:-1]
    torch.testing.assert_close(steep, torch.full((1, 1, 4, 3), 127.5))  # 255 at most


def test_the_terms_are_of_the_fused_image_in_the_studio_range():
    torch.manual_seed(0)
    network, objective = create_network("ffmef").train(), create_objective("ffmef")
    rgb = torch.rand(2, 2, 3, 16, 17)
    sources = torch.stack([to_luma(image) for image in rgb.flatten(0, 1)]).unflatten(0, (2, 2))
    terms = objective(network, {"sources": sources, "rgb": rgb}, Step())
    fused = to_studio(network(sources)).clamp(0, 1)
    gradients = source_gradients(to_studio(sources))
    expected = fidelity_terms(fused, to_studio(sources), gradients, colour_weights(rgb))
    assert {k: v.item() for k, v in terms.items()} == {k: v.item() for k, v in expected.items()}
