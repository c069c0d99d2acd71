"""What every network keeps, as assertions about one network: fusionlab.networks.base."""

from contextlib import nullcontext

import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.networks import FusionNetwork
from fusionlab.networks.base import feature_tensors
from fusionlab.ttd import Encoded, feature_gain
from tests.conftest import bound

COUNTS = (1, 2, 3, 41)  # 41 · (1/41) is not 1 in float32
GAINS = ("share", "largest")


def counts_of(network: FusionNetwork, wanted: tuple[int, ...] = COUNTS) -> list[int]:
    """The numbers of sources that a network takes."""
    return [network.source_count] if network.source_count else list(wanted)


def task_of(network: FusionNetwork) -> str:
    """A task that a network is for."""
    return (*network.tasks, "vif")[0]


def least_size(network: FusionNetwork) -> tuple[int, int]:
    """The smallest height that a network takes, and one pixel more."""
    return network.minimum_size, network.minimum_size + 1


def odd_size(network: FusionNetwork) -> tuple[int, int]:
    """A size that is a multiple of nothing."""
    return max(17, network.minimum_size), max(23, network.minimum_size)


def make_sources(
    network: FusionNetwork,
    count: int,
    size: tuple[int, int],
    batch: int = 2,
    channels: int | None = None,
) -> Tensor:
    """Random sources, (B, M, C, H, W), the same each time."""
    generator = torch.Generator().manual_seed(0)
    channels = channels or network.channels[0]
    return torch.rand(batch, count, channels, *size, generator=generator)


def fuse(network: FusionNetwork, sources: Tensor, rd: Tensor | None = None) -> Tensor:
    """The same random numbers each time, for networks that draw some."""
    torch.manual_seed(0)
    return network(sources, rd, task=task_of(network))


def assert_same_image(actual: Tensor, expected: Tensor) -> None:
    """Equal but for the order of sums: a convolution may add in another order in another batch.

    Sums of some hundred float32 terms then differ by a few units of 6e-8, relative to their size.
    """
    largest = expected.abs().max().item()
    assert_close(actual, expected, rtol=0, atol=bound(1e-6, 1.1e-6) * max(1, largest))


def assert_uniform_rd_is_static(
    network: FusionNetwork, sources: Tensor, half: torch.dtype | None = None
) -> None:
    """Bit for bit, by RD and by every gain that is made of it."""
    batch, count, _, *size = sources.shape
    rd = torch.full((batch, count, 1, *size), 1 / count)
    context = nullcontext() if half is None else torch.autocast("cpu", dtype=half)
    with context:
        sources = sources if half is None else sources.to(half)
        static = fuse(network, sources)
        assert static.shape == (batch, sources.shape[2], *size)
        assert static.isfinite().all()
        assert torch.equal(fuse(network, sources, rd), static)
        if half is not None:
            assert torch.equal(fuse(network, sources, rd.to(half)), static)
        for gain in GAINS:
            torch.manual_seed(0)
            encoded = Encoded(network, sources, task_of(network))
            assert torch.equal(encoded.fuse(feature_gain(rd, gain)), static), gain


def assert_rd_matters(network: FusionNetwork, sources: Tensor) -> None:
    """Rounding changes an image by 1e-7, RD that is not uniform by more."""
    rd = torch.arange(1.0, 1 + sources.shape[1]).view(1, -1, 1, 1, 1).softmax(1)
    rd = rd.expand(len(sources), -1, 1, *sources.shape[3:])
    difference = fuse(network, sources, rd) - fuse(network, sources)
    assert difference.abs().mean() > 1e-5


def assert_a_batch_is_its_members(network: FusionNetwork, sources: Tensor) -> None:
    """Fused images, and components."""
    task = task_of(network)
    fused = fuse(network, sources)
    components = Encoded(network, sources, task).components
    assert components.shape == sources.shape
    for k in range(len(sources)):
        alone = sources[k : k + 1]
        assert_same_image(fused[k], fuse(network, alone)[0])
        assert_same_image(components[k], Encoded(network, alone, task).components[0])


def assert_components_are_the_network_alone(network: FusionNetwork, sources: Tensor) -> None:
    """Of networks that take one source."""
    components = Encoded(network, sources, task_of(network)).components
    for m in range(sources.shape[1]):
        assert_same_image(components[:, m], fuse(network, sources[:, m : m + 1]))


def assert_sources_and_features_stay(network: FusionNetwork, sources: Tensor) -> None:
    """Test-time dynamic fusion uses the features twice, and the sources three times."""
    padded = network.pad(sources)
    features = network.encode_for(padded, task_of(network))
    kept = [padded, *feature_tensors(features)]
    copies = [tensor.clone() for tensor in kept]
    network.components_for(features, padded, task_of(network))
    network.decode(network.combine(features), padded)
    assert all(map(torch.equal, kept, copies))


def assert_every_parameter_learns(network: FusionNetwork, sources: Tensor) -> None:
    """Each that is trainable gets a gradient, but for those it says are beside the fused image."""
    trainable = {
        key: p
        for key, p in network.named_parameters()
        if p.requires_grad and not key.startswith(network.auxiliary)
    }
    for task in network.tasks if network.uses_task else [task_of(network)]:
        network(sources, task=task).square().mean().backward()
    unmoved = [key for key, p in trainable.items() if p.grad is None or not p.grad.any()]
    assert unmoved == []
    assert all(p.grad.isfinite().all() for p in trainable.values())


def assert_order_does_not_matter(network: FusionNetwork, sources: Tensor) -> None:
    """Statically, nor with RD in the same order."""
    batch, count, _, *size = sources.shape
    rd = torch.rand(batch, count, 1, *size).softmax(1)
    assert_same_image(fuse(network, sources.flip(1)), fuse(network, sources))
    assert_same_image(fuse(network, sources.flip(1), rd.flip(1)), fuse(network, sources, rd))
