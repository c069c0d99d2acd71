from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.networks import FusionNetwork, scale_features
from fusionlab.settings import TTD
from fusionlab.ttd import Encoded, TestTimeDynamicFusion, encoded
from fusionlab.ttd.encoded import Steps
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
