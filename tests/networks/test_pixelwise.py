"""Average and maximum: fusionlab.networks.pixelwise."""

import torch
from torch.testing import assert_close

from fusionlab.networks import create_network
from fusionlab.ttd import feature_gain

SOURCES = torch.tensor([[0.2, 0.9], [0.6, 0.3], [0.4, 0.0]]).view(1, 3, 1, 1, 2)
RD = torch.tensor([[0.5, 0.25], [0.25, 0.25], [0.25, 0.5]]).view(1, 3, 1, 1, 2)


def test_the_average_is_the_mean_and_with_rd_the_mean_weighted_by_it():
    network = create_network("average")
    assert_close(network(SOURCES).flatten(), torch.tensor([0.4, 0.4]))
    weighted = torch.tensor([0.5 * 0.2 + 0.25 * 0.6 + 0.25 * 0.4, 0.25 * 0.9 + 0.25 * 0.3])
    assert_close(network(SOURCES, RD).flatten(), weighted)


def test_the_maximum_is_that_of_the_scaled_sources():
    network = create_network("maximum")
    assert torch.equal(network(SOURCES).flatten(), torch.tensor([0.6, 0.9]))
    largest = network.combine(SOURCES, feature_gain(RD, "largest"))
    assert_close(largest.flatten(), torch.tensor([0.6 * 0.5, 0.9 * 0.5]))


def test_each_channel_is_treated_by_itself():
    sources = torch.tensor([[0.1, 0.5, 0.9], [0.3, 0.3, 0.3]]).view(1, 2, 3, 1, 1)
    for name, expected in (("average", [0.2, 0.4, 0.6]), ("maximum", [0.3, 0.5, 0.9])):
        assert_close(create_network(name)(sources).flatten(), torch.tensor(expected))
