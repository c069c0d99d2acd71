"""What every network keeps, whatever its options: the contract of fusionlab.networks.base."""

import re
from itertools import product

import pytest
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import NETWORKS, create_network, list_networks

OPTIONS = {  # every option set; a network that is not here has none
    "cddfuse": [{"residual": residual} for residual in ("first", "sum", "none")],
    "densefuse": [
        {"channels_in": channels, "rule": rule} for channels in (1, 3) for rule in ("mean", "l1")
    ],
    "ifcnn": [
        {"rule": rule, "normalize": normalize}
        for rule in ("max", "sum", "mean")
        for normalize in ("none", "imagenet")
    ],
}
ORDERED = [("cddfuse", {"residual": "first"}), ("piafusion", {})]  # they tell the sources apart
ALONE = {"cddfuse": {"residual": "none"}}  # options that make a component the network alone

CASES = [(name, options) for name in NETWORKS for options in OPTIONS.get(name, [{}])]
BUILT = [(name, options, create_network(name, **options)) for name, options in CASES]
SIZES = [(17, 23), (2, 3), (9, 1), (1, 1)]

each_name = pytest.mark.parametrize("name", NETWORKS)
each_case = pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(*case, id="-".join([case[0], *map(str, case[1].values())])) for case in CASES],
)


def each_shape(counts, sizes, *, but=(), also=()):
    """Every case with the shapes of sources, (M, C, H, W), that it takes.

    Args:
        counts: Numbers of sources, M.
        sizes: Heights and widths, each with every count.
        but: Cases that are left out.
        also: Further counts with one size each, (M, H, W).
    """
    extents = [*((count, *size) for count, size in product(counts, sizes)), *also]
    return pytest.mark.parametrize(
        ("name", "options", "shape"),
        [
            pytest.param(
                name,
                options,
                (count, channels, *size),
                id="-".join([name, *map(str, options.values()), f"M{count}C{channels}", f"{size}"]),
            )
            for name, options, network in BUILT
            for channels in network.channels
            for count, *size in extents
            if (name, options) not in but
            and network.source_count in (None, count)
            and min(size) >= network.smallest
        ],
    )


def assert_same_image(actual, expected):
    """Equal but for the order of sums: a convolution may add in another order in another batch.

    Sums of some hundred float32 terms then differ by a few units of 6e-8, relative to their size.
    """
    largest = expected.abs().max().item()
    assert_close(actual, expected, rtol=0, atol=1e-6 * max(1, largest))


def uniform_weights(sources):
    batch, count, _, *size = sources.shape
    return torch.full((batch, count, 1, *size), 1 / count)


@torch.no_grad()
@each_shape((1, 2, 3), SIZES, also=[(6, 2, 3), (41, 2, 3)])  # 41 · (1/41) is not 1
def test_uniform_weights_are_the_static_rule_bit_for_bit(name, options, shape, lively):
    network = lively(name, **options)
    sources = torch.rand(2, *shape)
    assert torch.equal(network(sources, uniform_weights(sources)), network(sources))


@each_shape((2, 3), [(8, 9)], also=[(41, 2, 3)])
def test_uniform_weights_are_the_static_rule_in_training_too(name, options, shape, lively):
    network = lively(name, **options).train()
    sources = torch.rand(2, *shape)
    assert torch.equal(network(sources, uniform_weights(sources)), network(sources))


@torch.no_grad()
@each_shape((2, 3), [(8, 9)], also=[(41, 2, 3)])
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
def test_uniform_weights_are_the_static_rule_in_half_precision(name, options, shape, half, lively):
    network = lively(name, **options)
    sources = torch.rand(1, *shape)
    uniform = uniform_weights(sources)
    with torch.autocast("cpu", dtype=half):
        static = network(sources.to(half))
        assert static.isfinite().all()
        assert torch.equal(network(sources.to(half), uniform), static)
        assert torch.equal(network(sources.to(half), uniform.to(half)), static)


@torch.no_grad()
@each_shape((2,), [(8, 9)])
def test_other_weights_are_not_the_static_rule(name, options, shape, lively):
    network = lively(name, **options)
    sources = torch.rand(1, *shape)
    weights = torch.tensor([0.3, 0.7]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 8, 9)
    assert (network(sources, weights) - network(sources)).abs().mean() > 1e-5  # rounding is 1e-7


@torch.no_grad()
@each_shape((1, 2, 3), SIZES)
def test_a_batch_fuses_like_its_members_alone(name, options, shape, lively):
    network = lively(name, **options)
    sources = torch.rand(3, *shape)
    fused = network(sources)
    assert fused.shape == (3, *shape[1:])
    for k in range(3):
        assert_same_image(fused[k], network(sources[k : k + 1])[0])


@torch.no_grad()
@each_shape((1, 2, 3), SIZES)
def test_components_are_the_network_on_each_source_alone(name, options, shape, lively):
    network = lively(name, **options)
    sources = torch.rand(2, *shape)
    components = network.components(network.encode(sources), sources)
    assert components.shape == sources.shape
    on_one = lively(name, **{**options, **ALONE.get(name, {})})
    times = network.source_count or 1  # where it takes two, both are that source
    for m in range(shape[0]):
        alone = sources[:, m : m + 1].expand(-1, times, -1, -1, -1)
        assert_same_image(components[:, m], on_one(alone))


@torch.no_grad()
@each_shape((2, 3, 6), [(8, 9)], but=ORDERED)
def test_the_order_of_the_sources_does_not_matter(name, options, shape, lively):
    network = lively(name, **options)
    sources = torch.rand(2, *shape)
    weights = torch.rand(2, shape[0], 1, 8, 9).softmax(1)
    assert_same_image(network(sources.flip(1)), network(sources))
    assert_same_image(network(sources.flip(1), weights.flip(1)), network(sources, weights))


@each_shape((2,), [(17, 23)])
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_every_trainable_parameter_gets_a_gradient(name, options, shape, train, lively):
    network = lively(name, **options).train(train)
    network(torch.rand(2, *shape)).square().mean().backward()
    trainable = {key: p.grad for key, p in network.named_parameters() if p.requires_grad}
    assert [key for key, grad in trainable.items() if grad is None or not grad.any()] == []
    assert all(grad.isfinite().all() for grad in trainable.values())


@each_shape((1, 2), [(8, 9)])
@pytest.mark.parametrize("gradients", [True, False], ids=["gradients", "no gradients"])
def test_sources_and_features_stay_as_they_are(name, options, shape, gradients, lively):
    """Test-time dynamic fusion uses the features twice, and the sources three times."""
    network = lively(name, **options)
    sources = torch.rand(1, *shape)
    with torch.set_grad_enabled(gradients):
        features = network.encode(sources)
        branches = features if isinstance(features, tuple) else (features,)
        copies = [tensor.clone() for tensor in (sources, *branches)]
        network.components(features, sources)
        network.decode(network.combine(features), sources)
    assert all(map(torch.equal, (sources, *branches), copies))


@each_name
@pytest.mark.parametrize(
    "shape", [(2, 1, 8, 8), (1, 8, 8), (1, 0, 1, 8, 8), (1, 2, 1, 0, 8)], ids=str
)
def test_sources_of_another_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match=rf"sources must be .*got {re.escape(str(shape))}"):
        create_network(name)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "options", "channels"),
    [
        pytest.param(name, options, channels, id=f"{name}-{list(options.values())}-C{channels}")
        for name, options, network in BUILT
        for channels in {1, 2, 3, 4} - set(network.channels)
    ],
)
def test_another_number_of_channels_is_refused(name, options, channels):
    network = create_network(name, **options)
    takes = " or ".join(map(str, network.channels))
    with pytest.raises(ValueError, match=rf"C = {takes} and .*got \(1, 2, {channels}, 8, 9\)"):
        network(torch.zeros(1, 2, channels, 8, 9))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(name, size, id=f"{name}-{size}")
        for name in NETWORKS
        for size in [(1, 1), (1, 8), (8, 1), (0, 8)]
        if min(size) < NETWORKS[name].smallest
    ],
)
def test_images_below_the_smallest_are_refused(name, size):
    network = create_network(name)
    with pytest.raises(ValueError, match=rf"H, W ≥ {network.smallest}, got"):
        network(torch.zeros(1, 2, network.channels[0], *size))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        (name, count)
        for name in NETWORKS
        for count in (1, 2, 3)
        if NETWORKS[name].source_count not in (None, count)
    ],
)
def test_another_number_of_sources_is_refused(name, count):
    network = create_network(name)
    message = f"{name} takes exactly {network.source_count} sources, got {count}"
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(1, count, network.channels[0], 8, 9))


@each_case
@pytest.mark.parametrize("shape", [(2, 8, 9), (1, 2, 1, 8, 9), (2, 1, 1, 8, 9), (2, 2, 3, 8, 9)])
def test_weights_of_another_shape_are_refused(name, options, shape):
    network = create_network(name, **options)
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


@each_name
def test_an_unknown_option_lists_the_options(name):
    takes = ", ".join(create_network(name).options)
    with pytest.raises(InputError, match=f"network '{name}' has no option 'rul'; .*{takes}"):
        create_network(name, rul="max")


def test_networks_are_listed_in_order():
    assert list_networks() == sorted(NETWORKS)
    assert "ifcnn" in list_networks()
