from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.networks import FusionNetwork, scale_features
from fusionlab.networks.base import Kept
from fusionlab.settings import TTD
from fusionlab.ttd import Encoded, TestTimeDynamicFusion, encoded
from fusionlab.ttd.encoded import Steps
from tests.conftest import bound
from tests.ttd.networks import Counting, Smooth

GRID = TTD(
    basis=["loss", "gradient"],
    compare=["components", "fused"],
    loss=["l1", "ssim"],
    temperature=[0.5, 1.0, 2.0, 5.0, 50.0],
)


@pytest.fixture
def sources() -> Tensor:
    return torch.rand(2, 3, 1, 8, 9, generator=torch.Generator().manual_seed(0))


def calls_of(settings: list[TTD], sources: Tensor) -> dict[str, int]:
    """How often a network encodes and decodes for the static image and these settings."""
    network = Counting()
    shared = Encoded(network, sources)
    assert shared.static.shape == (2, 1, 8, 9)
    for setting in settings:
        TestTimeDynamicFusion(network, setting).fuse(shared)
    return {part: network.calls.count(part) for part in ("encode", "decode")}


@torch.no_grad()
def test_forty_settings_encode_once_and_decode_once_each_beside_what_they_share(sources):
    """Shared: the static image, components, gradients of two losses of components and fused."""
    settings = GRID.combinations()
    assert len(settings) == 40
    assert calls_of(settings, sources) == {"encode": 1, "decode": 40 + 2 + 4}


@torch.no_grad()
def test_settings_that_share_features_fuse_as_if_each_were_alone(sources):
    torch.manual_seed(0)
    network = Smooth()
    shared = Encoded(network, sources)
    for setting in GRID.combinations():
        dynamic = TestTimeDynamicFusion(network, setting)
        for ours, alone in zip(dynamic.fuse(shared), dynamic(sources), strict=True):
            assert torch.equal(ours, alone)


@torch.no_grad()
def test_each_step_is_computed_when_it_is_first_asked_for(sources):
    network = Counting()
    one = Encoded(network, sources)
    assert network.calls == []
    losses = [one.losses("fused", "l1"), one.losses("fused", "l1"), one.losses("fused", "mse")]
    assert network.calls == ["encode", "decode"]
    assert losses[0] is losses[1]
    assert_close(losses[2], losses[0].square())
    assert one.compared("components") is one.components
    assert network.calls == ["encode", "decode", "decode"]


def test_only_the_last_gradients_are_kept(sources):
    network = Counting()
    one = Encoded(network, sources)

    def squared(images, sources):
        return (images - sources).square()

    first = one.gradients("components", "mse", squared)
    assert one.gradients("components", "mse", squared) is first
    assert network.calls == ["encode", "decode"]
    one.gradients("fused", "mse", squared)
    assert one.gradients("components", "mse", squared) is not first
    assert network.calls == ["encode", "decode", "decode", "decode"]


class Wide(FusionNetwork):
    """Pads by 2 pixels and to a multiple of 8; adds the padded width, so that it shows."""

    padding, size_multiple = 2, 8

    def encode(self, sources: Tensor) -> Tensor:
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined + sources.shape[-1]


def test_padding_is_gone_from_everything_that_comes_back():
    sources, network = torch.rand(1, 2, 1, 8, 9), Wide()
    one = Encoded(network, sources)
    assert one.encoded_size == (16, 16)  # 8 and 9 + 2 · 2
    assert_close(one.static, sources.mean(1) + 16)
    assert_close(one.components, sources + 16)
    gain = torch.rand(1, 2, 1, 8, 9)
    assert_close(one.fuse(gain), (gain * sources).mean(1) + 16)
    dynamic = TestTimeDynamicFusion(network, basis="gradient")
    assert dynamic.fuse(one).rd.shape == (1, 2, 1, 8, 9)


class First(Smooth):
    """Its first source is brighter: the order matters."""

    def encode(self, sources: Tensor) -> Tensor:
        features = super().encode(sources)
        return torch.cat([3 * features[:, :1], features[:, 1:]], 1)


@torch.no_grad()
def test_the_order_of_a_network_is_seen_by_it_alone(sources):
    """Each sample has its own; whatever comes back has the order of the sources."""
    torch.manual_seed(0)
    network, order = First(), torch.tensor([[2, 0, 1], [0, 1, 2]])
    turned = torch.stack([sources[0, [2, 0, 1]], sources[1]])  # what the network is given
    one, expected = Encoded(network, sources, order=order), Encoded(network, turned)
    assert torch.equal(one.static, expected.static)
    assert not torch.equal(one.static[0], network(sources)[0])
    settings = TTD(basis="gradient", temperature=50.0)
    found = TestTimeDynamicFusion(network, settings).fuse(one)
    theirs = TestTimeDynamicFusion(network, settings).fuse(expected)
    assert_close(found.fused, theirs.fused, rtol=0, atol=bound(0, 1e-6))
    for name in ("rd", "components", "losses"):
        ours, other = getattr(found, name), getattr(theirs, name)
        assert_close(ours[0, [2, 0, 1]], other[0], msg=name)  # sums over M in another order
        assert_close(ours[1], other[1], msg=name)
    assert found.rd.std() > 1e-3


@pytest.fixture
def network(monkeypatch) -> Counting:
    """Encoding takes 5 seconds and decoding 2, on a clock of its own."""
    network = Counting(encoding=5, decoding=2)
    monkeypatch.setattr(encoded, "time", SimpleNamespace(perf_counter=lambda: network.now))
    return network


def seconds(one: Encoded, ttd: TTD | None = None) -> float:
    """How long the static image, or fusing with TTD, is said to take."""
    with one.timed() as found:
        if ttd is None:
            assert one.static is not None
        else:
            TestTimeDynamicFusion(one.network, ttd).fuse(one)
    return found.value


@torch.no_grad()
def test_the_time_of_a_method_includes_its_share_of_what_others_computed_first(network, sources):
    """Each is charged what it would take alone: 5 to encode, 2 for each image of a batch."""
    one = Encoded(network, sources)
    assert seconds(one) == 5 + 2
    assert seconds(one) == 5 + 2  # computed before, counted all the same
    assert seconds(one, TTD("paper")) == 5 + 2 + 2
    assert seconds(one, TTD("authors")) == 5 + 2 + 2  # shares the components
    assert seconds(one, TTD("authors", compare="fused")) == 5 + 2 + 2  # shares the static image
    gradient = TTD(basis="gradient", loss="mse")
    assert seconds(one, gradient) == 5 + 2 + 2
    assert seconds(one, TTD(basis="gradient", loss="mse", temperature=3.0)) == 5 + 2 + 2
    assert network.now == 5 + 8 * 2  # nothing twice: 5 fused with TTD, 3 to compare with


@torch.no_grad()
def test_the_order_of_the_methods_does_not_change_their_times(network, sources):
    one = Encoded(network, sources)
    assert seconds(one, TTD("authors", compare="fused")) == 5 + 2 + 2
    assert seconds(one, TTD("paper")) == 5 + 2 + 2
    assert seconds(one) == 5 + 2


def test_inner_steps_count_once(monkeypatch):
    """c needs a and b, which needs a too: 1, 2 and 4 seconds."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(encoded, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    steps = Steps(torch.device("cpu"))

    def step(name: str, took: float, *needs: str) -> float:
        def compute() -> float:
            for one in needs:
                PLAN[one]()
            clock.now += took
            return took

        return steps.once(name, compute)

    PLAN = {
        "a": lambda: step("a", 1),
        "b": lambda: step("b", 2, "a"),
        "c": lambda: step("c", 4, "a", "b"),
    }
    for name, expected in (("c", 7), ("b", 3), ("a", 1), ("c", 7)):
        with steps.timed() as found:
            PLAN[name]()
        assert found.value == expected
    assert clock.now == 7


def test_a_step_that_fails_is_computed_again():
    steps = Steps(torch.device("cpu"))
    with pytest.raises(ZeroDivisionError):
        steps.once("a", lambda: 1 / 0)
    assert steps.once("a", lambda: 3) == 3


class FirstCounts(FusionNetwork):
    """The first source twice as much as the others; components are the sources plus their place."""

    def encode(self, sources: Tensor) -> Tensor:
        self.seen = sources
        return sources.clone()

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        first, *others = scale_features(features, gain)
        return 2 * first + sum(others)

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined + sources[:, 0]

    def components(self, features: Tensor, sources: Tensor) -> Tensor:
        places = torch.arange(sources.shape[1]).view(1, -1, 1, 1, 1)
        return features + places


@torch.no_grad()
def test_only_the_network_sees_its_own_order_of_the_sources(sources):
    """Each sample has one; what goes in and comes out has the order of the data."""
    network, order = FirstCounts(), torch.tensor([[2, 0, 1], [1, 2, 0]])
    one = Encoded(network, sources, order=order)
    ordered = torch.stack([sample[places] for sample, places in zip(sources, order, strict=True)])
    assert torch.equal(one.features, sources)
    assert torch.equal(network.seen, ordered)
    assert torch.equal(one.static, 2 * ordered[:, 0] + ordered[:, 1:].sum(1) + ordered[:, 0])
    places = torch.tensor([[1, 2, 0], [2, 0, 1]]).view(2, 3, 1, 1, 1)  # of each source in it
    assert torch.equal(one.components, sources + places)
    gain = torch.rand(2, 3, 1, 8, 9)
    moved = torch.stack([sample[places] for sample, places in zip(gain, order, strict=True)])
    expected = network.decode(network.combine(ordered, moved), ordered)
    assert torch.equal(one.fuse(gain), expected)


def test_gradients_come_in_the_order_of_the_data(sources):
    order = torch.tensor([[1, 2, 0], [2, 0, 1]])
    with torch.inference_mode():
        one = Encoded(FirstCounts(), sources, order=order)
        found = one.gradients("fused", "mse", lambda images, targets: (images - targets).square())
    (branch,) = found.branches
    ordered = torch.stack([sample[places] for sample, places in zip(sources, order, strict=True)])
    fused = 3 * ordered[:, :1] + ordered[:, 1:].sum(1, keepdim=True)
    is_first = torch.stack([places[0] == torch.arange(3) for places in order]).view(2, 3, 1, 1, 1)
    assert_close(branch, 2 * (fused - sources) * (1 + is_first.float()))


def test_what_is_kept_is_neither_scaled_nor_differentiated(sources):
    """Inference tensors cannot be kept for the way back: they are copied."""

    class Keeping(FirstCounts):
        def encode(self, sources: Tensor) -> Any:
            return {"own": sources.clone(), "kept": Kept([sources.mean(1)])}

        def combine(self, features: Any, gain: Tensor | None = None) -> Tensor:
            (kept,) = features["kept"].value
            return sum(scale_features(features["own"], gain)) * kept

        def components(self, features: Any, sources: Tensor) -> Tensor:
            return features["own"] * features["kept"].value[0].unsqueeze(1)

    with torch.inference_mode():
        one = Encoded(Keeping(), sources)
        assert_close(one.fuse(torch.full((2, 3, 1, 8, 9), 2.0)), 2 * one.fuse(None) - sources[:, 0])
        found = one.gradients("components", "l1", lambda images, targets: images - targets)
    (branch,) = found.branches
    assert_close(branch, sources.mean(1, keepdim=True).expand_as(branch))
