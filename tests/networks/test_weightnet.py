import pytest
import torch

from fusionlab.networks import create_network
from fusionlab.networks.weightnet import WeightNet


@pytest.fixture
def network():
    torch.manual_seed(0)
    return WeightNet(width=4).eval()


@pytest.fixture
def sources():
    return torch.rand(2, 3, 1, 21, 26, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("task", ["mef", "mff"])
def test_every_pixel_lies_between_those_of_the_sources(network, sources, task):
    fused = network(sources, task=task)
    assert (sources.amin(1) - 1e-6 <= fused).all()
    assert (fused <= sources.amax(1) + 1e-6).all()


@pytest.mark.parametrize("task", ["mef", "mff"])
def test_the_order_of_the_sources_does_not_matter(network, sources, task):
    torch.testing.assert_close(network(sources.flip(1), task=task), network(sources, task=task))


def test_one_source_comes_back(network, sources):
    torch.testing.assert_close(network(sources[:, :1], task="mff"), sources[:, 0])


def test_colours_have_the_weights_of_their_luma(network):
    grey = torch.rand(1, 2, 1, 20, 20, generator=torch.Generator().manual_seed(2))
    coloured = network(grey.expand(-1, -1, 3, -1, -1), task="mef")
    torch.testing.assert_close(coloured, network(grey, task="mef").expand(-1, 3, -1, -1))


def test_rd_multiplies_the_weights(network, sources):
    weights = network.encode(sources, "mff")
    gain = torch.rand(2, 3, 1, 21, 26, generator=torch.Generator().manual_seed(3))
    expected = weights * gain / (weights * gain).sum(1, keepdim=True)
    torch.testing.assert_close(network.combine(weights, gain), expected)


def test_tasks_have_networks_of_their_own(network, sources):
    assert not torch.allclose(network(sources, task="mef"), network(sources, task="mff"))
    assert torch.equal(network(sources, task="vif"), network(sources, task="mef"))


def test_a_brighter_source_is_no_sharper(network, sources):
    """Focus is told by fine detail: what is added to a whole source changes no weight."""
    brighter = sources + torch.tensor([0.0, 0.2, 0.0]).view(1, 3, 1, 1, 1)
    seen = []
    network.focus.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(sources, task="mff")
    network(brighter, task="mff")
    torch.testing.assert_close(*seen, atol=1e-4, rtol=0)


def test_the_bundled_weights_are_there():
    assert create_network("weightnet", "bundled").checkpoint["sha256"]
