"""The contract of every network, each built once for a test, by its small options."""

import re
from typing import get_args

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.networks import NETWORKS, FusionNetwork, create_network, list_networks
from fusionlab.registry import OBJECTIVES
from fusionlab.settings import Task
from tests.networks import contract

# a rule of the maximum, attention, tokens, pixels that are chosen, joint features
HALVES = ("ifcnn", "cddfuse", "swinfuse", "stackmff", "defusion")


LARGE = ("cddfuse", "ddfm", "stackmff", "tcmoa")  # even by their small options


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in LARGE else ())
        for name in list_networks()
    ]
)
def network(request, lively) -> FusionNetwork:
    """Each network, with batch norms that are not the identity."""
    try:
        return lively(request.param, **NETWORKS[request.param].small)
    except InputError as reason:
        if "pip install" not in str(reason):
            raise
        pytest.skip(str(reason))  # an optional package


@torch.no_grad()
@pytest.mark.parametrize(
    "training",
    [
        pytest.param(False, id="evaluation"),
        pytest.param(True, id="training", marks=pytest.mark.slow),
    ],
)
def test_uniform_rd_is_the_static_network_bit_for_bit(training, network):
    network.train(training)
    for count in contract.counts_of(network, (2, 41) if training else contract.COUNTS):
        size = contract.odd_size(network) if count == 2 else contract.least_size(network)
        size = (size[0] + training, size[1])  # batch norm needs two values
        sources = contract.make_sources(network, count, size)
        contract.assert_uniform_rd_is_static(network, sources, None)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", HALVES)
def test_uniform_rd_is_the_static_network_in_half_precision(half, name, lively):
    network = lively(name, **NETWORKS[name].small)
    for count in contract.counts_of(network, (2, 41)):
        size = contract.odd_size(network) if count == 2 else contract.least_size(network)
        sources = contract.make_sources(network, count, size)
        contract.assert_uniform_rd_is_static(network, sources, half)


@torch.no_grad()
def test_other_rd_is_not_the_static_network(network):
    for count in contract.counts_of(network, (2, 3)):
        sources = contract.make_sources(network, count, contract.odd_size(network))
        contract.assert_rd_matters(network, sources)


@torch.no_grad()
def test_a_batch_fuses_like_its_members_alone(network):
    for size in (contract.odd_size(network), contract.least_size(network)):
        for count in contract.counts_of(network, (3,)):
            sources = contract.make_sources(network, count, size)
            contract.assert_a_batch_is_its_members(network, sources)


@torch.no_grad()
def test_components_are_the_network_on_each_source_alone_unless_it_says_otherwise(network):
    if type(network).components is not FusionNetwork.components:
        return  # its own test says what they are
    for size in (contract.odd_size(network), contract.least_size(network)):
        sources = contract.make_sources(network, 3, size)
        contract.assert_components_are_the_network_alone(network, sources)


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_every_trainable_parameter_gets_a_gradient(train, network):
    if not any(parameter.requires_grad for parameter in network.parameters()):
        return
    (count,) = contract.counts_of(network, (2,))
    sources = contract.make_sources(network, count, contract.odd_size(network))
    contract.assert_every_parameter_learns(network.train(train), sources)


@pytest.mark.parametrize("gradients", [True, False], ids=["gradients", "no gradients"])
def test_sources_and_features_stay_as_they_are(gradients, network):
    for count in contract.counts_of(network, (1, 2)):
        sources = contract.make_sources(network, count, contract.odd_size(network))
        with torch.set_grad_enabled(gradients):
            contract.assert_sources_and_features_stay(network, sources)


def test_what_it_does_not_take_is_refused(network):
    least, (count,) = network.minimum_size, contract.counts_of(network, (2,))
    taken = (1, count, network.channels[0], least, least)
    for place, value in ((2, 5), (1, 0), (3, least - 1), (4, least - 1)):
        shape = tuple(value if k == place else n for k, n in enumerate(taken))
        with pytest.raises(ValueError, match=rf"sources must be .*got {re.escape(str(shape))}"):
            network(torch.zeros(shape))
    with pytest.raises(ValueError, match="sources must be floating point"):
        network(torch.zeros(taken, dtype=torch.uint8))
    if network.source_count:
        with pytest.raises(ValueError, match=f"{network.name} takes exactly {count} sources, got"):
            network(torch.zeros(1, count + 1, *taken[2:]))


def test_what_it_declares_can_be(network):
    assert set(network.channels) <= {1, 3}
    assert set(network.tasks) <= set(get_args(Task))
    assert network.rgb_tasks <= set(get_args(Task))
    assert not network.rgb_tasks or 3 in network.channels
    assert not network.repeats_luma or 3 in network.channels
    assert not network.objective or network.objective in OBJECTIVES
    assert network.trainable == bool(list(network.parameters()))
    for count in (network.minimum_size, network.size_multiple, network.reduction):
        assert count >= 1


def test_it_is_ready_to_fuse_and_says_what_it_is(network):
    again = create_network(network.name, **NETWORKS[network.name].small)
    assert not any(module.training for module in again.modules())
    description = again.describe()
    assert description["options"].items() >= NETWORKS[network.name].small.items()
    assert (description["name"], description["checkpoint"]) == (network.name, {})


def test_options_not_given_are_stated_with_their_defaults():
    assert create_network("ifcnn", rule="sum").options == {"rule": "sum", "normalize": "none"}
    assert create_network("ifcnn").options == {"rule": "max", "normalize": "none"}


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'ifccn'; known: .*; did you mean ifcnn") as refused:
        create_network("ifccn")
    listed = re.split("known: |; did", str(refused.value))[1].split(", ")
    assert sorted(listed) == list_networks()


def test_an_unknown_option_lists_the_options():
    with pytest.raises(InputError, match=r"network 'ifcnn' has no option 'rul'; .*rule, normalize"):
        create_network("ifcnn", rul="max")


def test_networks_are_listed_in_order():
    assert list_networks() == sorted(NETWORKS)
    assert "ifcnn" in list_networks()


def test_titles_are_the_papers_spelling():
    found = {name: NETWORKS[name].title() for name in ("ifcnn", "defusionpp", "tcmoa", "seafusion")}
    assert list(found.values()) == ["IFCNN", "DeFusion++", "TC-MoA", "SeAFusion"]
