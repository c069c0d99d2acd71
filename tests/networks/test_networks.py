"""What every network keeps, whatever its options: the contract of fusionlab.networks.base."""

import re

import pytest
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import NETWORKS, create_network, list_networks

OPTIONS = {  # every option set; a network that is not here has none
    "densefuse": [
        {"channels_in": channels, "rule": rule} for channels in (1, 3) for rule in ("mean", "l1")
    ],
    "ifcnn": [
        {"rule": rule, "normalize": normalize}
        for rule in ("max", "sum", "mean")
        for normalize in ("none", "imagenet")
    ],
}
SYMMETRIC = {"densefuse", "ifcnn"}  # the order of their sources does not matter

CASES = [
    pytest.param(name, options, id="-".join([name, *map(str, options.values())]))
    for name in NETWORKS
    for options in OPTIONS.get(name, [{}])
]
CHANNELS = [
    pytest.param(*case.values, channels, id=f"{case.id}-C{channels}")
    for case in CASES
    for channels in create_network(case.values[0], **case.values[1]).channels
]
each_case = pytest.mark.parametrize(("name", "options"), CASES)
each_channels = pytest.mark.parametrize(("name", "options", "channels"), CHANNELS)


def each_count(*counts, channels=True):
    """Every case, perhaps with every number of channels, with the counts of sources it takes."""
    return pytest.mark.parametrize(
        ("name", "options", "channels", "count") if channels else ("name", "options", "count"),
        [
            pytest.param(*case.values, count, id=f"{case.id}-M{count}")
            for case in (CHANNELS if channels else CASES)
            for count in counts
            if NETWORKS[case.values[0]].source_count in (None, count)
        ],
    )


each_size = pytest.mark.parametrize(
    "size", [(17, 23), (2, 3), (9, 1), (1, 1)], ids="{0[0]}x{0[1]}".format
)


def assert_same_image(actual, expected):
    """Equal but for the order of sums: a convolution may add in another order in another batch.

    Sums of some hundred float32 terms then differ by a few units of 6e-8, relative to their size.
    """
    largest = expected.abs().max().item()
    assert_close(actual, expected, rtol=0, atol=1e-6 * max(1, largest))


@each_count(1, 2, 3, 6, 41)  # 41 · (1/41) is not 1
@each_size
def test_uniform_weights_are_the_static_rule_bit_for_bit(
    name, options, channels, count, size, lively
):
    network = lively(name, **options)
    sources = torch.rand(2, count, channels, *size)
    uniform = torch.full((2, count, 1, *size), 1 / count)
    assert torch.equal(network(sources, uniform), network(sources))


@each_count(2, 3, 41, channels=False)
def test_uniform_weights_are_the_static_rule_in_training_too(name, options, count, lively):
    network = lively(name, **options).train()
    sources = torch.rand(2, count, network.channels[0], 8, 9)
    uniform = torch.full((2, count, 1, 8, 9), 1 / count)
    assert torch.equal(network(sources, uniform), network(sources))


@each_count(2, 3, 41, channels=False)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
def test_uniform_weights_are_the_static_rule_in_half_precision(name, options, count, half, lively):
    network = lively(name, **options)
    sources = torch.rand(2, count, network.channels[0], 8, 9).to(half)
    uniform = torch.full((2, count, 1, 8, 9), 1 / count)
    with torch.autocast("cpu", dtype=half):
        static = network(sources)
        assert torch.equal(network(sources, uniform), static)
        assert torch.equal(network(sources, uniform.to(half)), static)


@each_case
def test_other_weights_are_not_the_static_rule(name, options, lively):
    network = lively(name, **options)
    sources = torch.rand(1, 2, network.channels[0], 8, 9)
    weights = torch.tensor([0.3, 0.7]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 8, 9)
    assert (network(sources, weights) - network(sources)).abs().mean() > 1e-5  # rounding is 1e-7


@each_count(1, 2, 3, 6)
@each_size
def test_a_batch_fuses_like_its_members_alone(name, options, channels, count, size, lively):
    network = lively(name, **options)
    sources = torch.rand(3, count, channels, *size)
    fused = network(sources)
    assert fused.shape == (3, channels, *size)
    for k in range(3):
        assert_same_image(fused[k], network(sources[k : k + 1])[0])


@each_count(1, 2, 3, 6)
@each_size
def test_components_are_the_network_on_each_source_alone(
    name, options, channels, count, size, lively
):
    network = lively(name, **options)
    sources = torch.rand(2, count, channels, *size)
    components = network.components(network.encode(sources), sources)
    assert components.shape == sources.shape
    times = network.source_count or 1  # where it takes two, both are that source
    for m in range(count):
        alone = sources[:, m : m + 1].expand(-1, times, -1, -1, -1)
        assert_same_image(components[:, m], network(alone))


@each_count(2, 3, 6)
def test_the_order_of_the_sources_does_not_matter(name, options, channels, count, lively):
    if name not in SYMMETRIC:
        pytest.skip("its rule tells the sources apart")
    network = lively(name, **options)
    sources = torch.rand(2, count, channels, 8, 9)
    weights = torch.rand(2, count, 1, 8, 9).softmax(1)
    order = list(reversed(range(count)))
    assert_same_image(network(sources[:, order]), network(sources))
    assert_same_image(network(sources[:, order], weights[:, order]), network(sources, weights))


@each_channels
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_every_trainable_parameter_gets_a_gradient(name, options, channels, train, lively):
    network = lively(name, **options).train(train)
    network(torch.rand(2, 2, channels, 17, 23)).square().mean().backward()
    trainable = {key: p.grad for key, p in network.named_parameters() if p.requires_grad}
    assert [key for key, grad in trainable.items() if grad is None or not grad.any()] == []


@each_count(1, 2)
def test_sources_and_features_stay_as_they_are(name, options, channels, count, lively):
    """Test-time dynamic fusion uses the features twice, and the sources three times."""
    network = lively(name, **options)
    sources = torch.rand(1, count, channels, 8, 9)
    features = network.encode(sources)
    branches = features if isinstance(features, tuple) else (features,)
    copies = [tensor.clone() for tensor in (sources, *branches)]
    network.components(features, sources)
    network.decode(network.combine(features), sources)
    assert all(map(torch.equal, (sources, *branches), copies))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "shape",
    [(2, 1, 8, 8), (1, 8, 8), (1, 0, 1, 8, 8), (1, 2, 2, 8, 8), (1, 2, 4, 8, 8), (1, 2, 1, 0, 8)],
    ids=str,
)
def test_sources_of_another_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match=rf"sources must be .*got {re.escape(str(shape))}"):
        create_network(name)(torch.zeros(shape))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(2, 8, 9), (1, 2, 1, 8, 9), (2, 1, 1, 8, 9), (2, 2, 3, 8, 9)])
def test_weights_of_another_shape_are_refused(name, shape):
    network = create_network(name)
    sources = torch.zeros(2, 2, network.channels[0], 8, 9)
    with pytest.raises(ValueError, match=rf"weights must be .*got {re.escape(str(shape))}"):
        network(sources, torch.full(shape, 1 / 2))


@each_case
def test_a_new_network_is_ready_to_fuse_and_says_what_it_is(name, options):
    network = create_network(name, **options)
    assert not any(module.training for module in network.modules())
    assert network.describe() == {"name": name, "options": options, "checkpoint": {}}


def test_options_not_given_are_stated_with_their_defaults():
    assert create_network("ifcnn", rule="sum").options == {"rule": "sum", "normalize": "none"}
    assert create_network("ifcnn").options == {"rule": "max", "normalize": "none"}


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(InputError, match=f"'ifccn'; known: {', '.join(list_networks())}"):
        create_network("ifccn")


@pytest.mark.parametrize("name", NETWORKS)
def test_an_unknown_option_lists_the_options(name):
    takes = ", ".join(create_network(name).options)
    with pytest.raises(InputError, match=f"network '{name}' has no option 'rul'; .*{takes}"):
        create_network(name, rul="max")


def test_networks_are_listed_in_order():
    assert list_networks() == sorted(NETWORKS)
    assert "ifcnn" in list_networks()
