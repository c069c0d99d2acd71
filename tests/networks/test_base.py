import pytest
import torch
from torch import Tensor

from fusionlab.networks import FusionNetwork
from fusionlab.networks.base import scale_features


class Halves(FusionNetwork):
    """Features are the sources, the rule adds, the decoder halves and adds the first source."""

    def encode(self, sources: Tensor) -> Tensor:
        return sources

    def combine(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, weights))

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined / 2 + sources[:, 0]


def pixel(*values: float) -> Tensor:
    """M sources, or weights, of one pixel."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1, 1)


def test_forward_encodes_combines_and_decodes():
    assert Halves()(pixel(2, 6)).item() == (2 + 6) / 2 + 2


def test_weights_scale_features_by_their_number_times_the_weight():
    weighted = Halves()(pixel(2, 6), pixel(0.25, 0.75))
    assert weighted.item() == (2 * 0.25 * 2 + 2 * 0.75 * 6) / 2 + 2
    features = torch.ones(1, 4, 3, 1, 1)
    weights = pixel(0.5, 0.25, 0.125, 0.125)
    scaled = torch.stack(list(scale_features(features, weights)), 1)
    assert scaled.tolist() == (features * pixel(2, 1, 0.5, 0.5)).tolist()


def test_each_pixel_and_sample_has_its_own_weight():
    features = torch.rand(2, 2, 5, 3, 4)
    weights = torch.rand(2, 2, 1, 3, 4)
    scaled = torch.stack(list(scale_features(features, weights)), 1)
    expected = 2 * weights[1, 0, 0, 2, 3] * features[1, 0, 4, 2, 3]
    assert scaled[1, 0, 4, 2, 3].item() == pytest.approx(expected.item())


def test_components_decode_each_source_with_itself():
    """The decoder adds the first of its sources: that of a component is its own."""
    sources = pixel(2, 6)
    components = Halves().components(sources, sources)
    assert components.flatten().tolist() == [2 / 2 + 2, 6 / 2 + 6]


def test_components_keep_samples_and_sources_apart():
    sources = torch.rand(3, 4, 1, 2, 5)
    assert torch.equal(Halves().components(sources, sources), 1.5 * sources)


class Branches(FusionNetwork):
    """Two branches: the sources, and their squares times the first source."""

    source_count = 2

    def encode(self, sources: Tensor) -> tuple[Tensor, Tensor]:
        return sources, sources.square()

    def combine(
        self, features: tuple[Tensor, Tensor], weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        base, detail = (sum(scale_features(branch, weights)) for branch in features)
        return base, detail

    def decode(self, combined: tuple[Tensor, Tensor], sources: Tensor) -> Tensor:
        return combined[0] + combined[1] * sources[:, 0]


def test_a_network_may_have_two_branches():
    sources = pixel(2, 3)
    network = Branches()
    assert network(sources).item() == (2 + 3) + (4 + 9) * 2
    assert network(sources, pixel(0.25, 0.75)).item() == (1 + 4.5) + (2 + 13.5) * 2
    components = network.components(network.encode(sources), sources)
    assert components.flatten().tolist() == [2 + 4 * 2, 3 + 9 * 3]


@pytest.mark.parametrize("count", [1, 3])
def test_a_network_may_take_a_fixed_number_of_sources(count):
    with pytest.raises(ValueError, match=f"Branches takes exactly 2 sources, got {count}"):
        Branches()(torch.zeros(1, count, 1, 4, 4))


@pytest.mark.parametrize("weights", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("features", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_scaled_features_keep_their_type(features, weights):
    """In half precision a wider type would be rounded elsewhere than without weights."""
    ones = torch.ones(1, 3, 2, 1, 1, dtype=features)
    uniform = torch.full((1, 3, 1, 1, 1), 1 / 3, dtype=weights)
    scaled = torch.stack(list(scale_features(ones, uniform)), 1)
    assert scaled.dtype == features
    assert torch.equal(scaled, ones)


@pytest.mark.parametrize("part", ["encode", "combine"])
def test_a_network_must_say_how_it_works(part):
    with pytest.raises(NotImplementedError):
        getattr(FusionNetwork(), part)(pixel(1))
