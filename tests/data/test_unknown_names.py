"""Names that do not tell what a source is: never a picture in the colours of the wrong one."""

import pytest
import torch

from fusionlab.data.dataset import check_colours
from fusionlab.errors import InputError
from fusionlab.fusing import order_notes
from fusionlab.networks import create_network

COLOURED = torch.tensor([0.8, 0.4, 0.1])[:, None, None].expand(3, 8, 8)
GREY = torch.full((3, 8, 8), 0.5)


@pytest.mark.parametrize("names", [("left", "T640"), ("1", "2")])
def test_two_coloured_sources_that_are_not_told_apart_are_refused(names):
    with pytest.raises(InputError, match=r"both have colours.*name the sources vi and ir"):
        check_colours([COLOURED, COLOURED], names, "vif")


@pytest.mark.parametrize(
    ("images", "names", "task"),
    [
        ([COLOURED, GREY], ("left", "T640"), "vif"),  # three channels, and none of colour
        ([COLOURED, COLOURED], ("left", "thermal"), "vif"),
        ([COLOURED, COLOURED], ("1", "2"), "mff"),
    ],
)
def test_colours_that_are_told_or_do_not_matter_are_taken(images, names, task):
    check_colours(images, names, task)


class Pair:
    """A data set of one pair, by its names."""

    name, task = "pair", "vif"

    def __init__(self, *names):
        self.source_names = [names]


@pytest.mark.parametrize("network", ["piafusion", "cddfuse", "seafusion"])
def test_a_network_of_two_encoders_says_if_it_cannot_tell_its_sources(network):
    network = create_network(network)
    assert order_notes(network, Pair("T640_x", "ir")) == []
    (line,) = order_notes(network, Pair("left", "T640"))
    assert "takes vi, ir in this order; left, T640 of pair are given in theirs" in line
