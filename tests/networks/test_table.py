"""The table of networks."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fusionlab.networks import create_network
from fusionlab.networks.table import macs_per_pixel, networks_table


@pytest.fixture(scope="module")
def table() -> str:
    return networks_table()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        # by hand from the layers; IFCNN's and CDDFuse's ways to the same result are counted below
        ("densefuse", "74,193", 2 * 13_968 + 60_048),
        ("piafusion", "1,176,097", 1_175_104),
    ],
)
def test_parameters_and_products_of_the_papers_layers(name, parameters, macs, table):
    (row,) = (line for line in table.splitlines() if f"`{name}`" in line)
    assert [cell.strip() for cell in row.split("|")][3] == parameters
    with FakeTensorMode():
        assert macs_per_pixel(create_network(name)) == macs


def test_products_of_ifcnn_with_its_border_computed_twice():
    """Per source 3,136 + 36,864, once 36,864 + 64; four strips a pixel wide again, for M + 1."""
    with FakeTensorMode():
        macs = macs_per_pixel(create_network("ifcnn"), size=256)
    assert macs == 116_928 + 3 * 4 * 36_864 / 256


@pytest.mark.slow
def test_products_of_cddfuse_with_two_convolutions_as_one():
    """As published 1,798,368. Of its 15 attentions 10 are in the encoder, for two sources."""
    dense = 9 * 192 * 192 + 192 * 64 - 9 * 192 * 64  # saved in 3 base blocks
    heads = 2 * (64 * 64 - 64 * 8) - 64 * 64  # all heads at once; the projection is in the map
    once = 2 * 9 * 192 * 192 * 64 + 15 * 64**3  # on weights and maps, not on pixels
    with FakeTensorMode():
        macs = macs_per_pixel(create_network("cddfuse"), size=256)
    assert macs == 1_798_368 - 3 * dense + 15 * heads + once / 256**2


def test_products_are_counted_on_real_tensors_too():
    network = create_network("densefuse")
    assert macs_per_pixel(network, size=8) == 87_984
    assert torch.is_grad_enabled()
