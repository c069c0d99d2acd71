import re
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from fusionlab.networks import FusionNetwork
from fusionlab.networks.base import (
    Kept,
    feature_tensors,
    gain_at,
    map_features,
    scale_features,
    share_gain,
    token_grid,
    weighted_mean,
)


class Halves(FusionNetwork):
    """Features are the sources, the rule adds, the decoder halves and adds the first source."""

    def encode(self, sources: Tensor) -> Tensor:
        return sources

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain))

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined / 2 + sources[:, 0]


def pixel(*values: float) -> Tensor:
    """M sources, or their RD, of one pixel."""
    return torch.tensor(values, dtype=torch.float32).view(1, -1, 1, 1, 1)


def scaled(features: Tensor, gain: Tensor | None) -> Tensor:
    return torch.stack(list(scale_features(features, gain)), 1)


def test_forward_encodes_combines_and_decodes():
    assert Halves()(pixel(2, 6)).item() == (2 + 6) / 2 + 2


def test_rd_scales_features_by_its_number_times_itself():
    dynamic = Halves()(pixel(2, 6), pixel(0.25, 0.75))
    assert dynamic.item() == (2 * 0.25 * 2 + 2 * 0.75 * 6) / 2 + 2
    assert share_gain(pixel(0.5, 0.25, 0.125, 0.125)).flatten().tolist() == [2, 1, 0.5, 0.5]


def test_features_are_multiplied_by_the_gain():
    features, gain = torch.rand(1, 4, 3, 1, 1), pixel(2, 1, 0.5, 0)
    assert torch.equal(scaled(features, gain), features * gain)
    assert torch.equal(scaled(features, None), features)


def test_each_pixel_and_sample_has_its_own_gain():
    features, gain = torch.rand(2, 2, 5, 3, 4), torch.rand(2, 2, 1, 3, 4)
    expected = gain[1, 0, 0, 2, 3] * features[1, 0, 4, 2, 3]
    assert scaled(features, gain)[1, 0, 4, 2, 3] == expected


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
        self, features: tuple[Tensor, Tensor], gain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        base, detail = (sum(scale_features(branch, gain)) for branch in features)
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


@pytest.mark.parametrize(
    "shape", [(2, 1, 8, 8), (1, 8, 8), (1, 0, 1, 8, 8), (1, 2, 3, 8, 8), (1, 2, 1, 0, 8)], ids=str
)
def test_sources_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=rf"sources must be .*got {re.escape(str(shape))}"):
        Halves()(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 8, 9), (1, 2, 1, 8, 9), (2, 1, 1, 8, 9), (2, 2, 3, 8, 9)])
def test_rd_of_another_shape_is_refused(shape):
    sources = torch.zeros(2, 2, 1, 8, 9)
    with pytest.raises(ValueError, match=rf"rd must be .*got {re.escape(str(shape))}"):
        Halves()(sources, torch.full(shape, 1 / 2))


def test_rd_of_another_size_than_the_sources_is_refused():
    """A gain may be larger than features, but RD is a map of the image."""
    with pytest.raises(ValueError, match=r"rd must have the size .* \(8, 9\), got \(4, 9\)"):
        Halves()(torch.zeros(1, 2, 1, 8, 9), torch.full((1, 2, 1, 4, 9), 1 / 2))


@pytest.mark.parametrize("shape", [(1, 3, 1, 8, 8), (1, 2, 4, 8, 8), (1, 2, 1, 8)], ids=str)
def test_a_gain_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=rf"gain must be .*got {re.escape(str(shape))}"):
        scale_features(torch.zeros(1, 2, 4, 8, 8), torch.ones(shape))


@pytest.mark.parametrize("gain", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("features", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_scaled_features_keep_their_type(features, gain):
    """In half precision a wider type would be rounded elsewhere than without a gain."""
    ones = torch.ones(1, 3, 2, 1, 1, dtype=features)
    uniform = share_gain(torch.full((1, 3, 1, 1, 1), 1 / 3, dtype=gain))
    assert scaled(ones, uniform).dtype == features
    assert torch.equal(scaled(ones, uniform), ones)


def test_a_weighted_mean_is_by_the_gain_whatever_its_own_mean():
    """2 and 6, the second counting half as much."""
    for largest in (1.0, 0.25, 3.0):
        mean = weighted_mean(pixel(2, 6), pixel(largest, largest / 2))
        assert mean.item() == pytest.approx((2 + 6 / 2) / 1.5)
    features = torch.rand(2, 41, 3, 4, 5)
    static = weighted_mean(features, None)
    assert torch.equal(weighted_mean(features, torch.ones(2, 41, 1, 4, 5)), static)


@pytest.mark.parametrize("part", ["encode", "combine"])
def test_a_network_must_say_how_it_works(part):
    with pytest.raises(NotImplementedError):
        getattr(FusionNetwork(), part)(pixel(1))


GAIN = torch.tensor(
    [
        [0.0, 2.0, 1.0, 1.0],
        [4.0, 2.0, 1.0, 3.0],
        [0.0, 0.0, 8.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
    ]
).view(1, 1, 1, 4, 4)


def test_a_coarse_feature_has_the_mean_gain_of_its_area():
    assert gain_at(GAIN, (2, 2)).flatten().tolist() == [2, 1.5, 0.25, 2]
    assert gain_at(GAIN, (1, 1)).item() == 23 / 16
    assert gain_at(GAIN, (4, 4)) is GAIN
    assert gain_at(GAIN[..., :1, :3], (1, 2)).flatten().tolist() == [1, 1.5]  # areas may overlap
    features = torch.ones(1, 1, 5, 2, 2)
    assert scaled(features, GAIN)[0, 0, 4].flatten().tolist() == [2, 1.5, 0.25, 2]


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (6, 12), (17, 23)], ids=str)
def test_a_gain_of_one_is_one_at_every_size(size):
    ones = torch.ones(2, 3, 1, 17, 23)
    assert torch.equal(gain_at(ones, size), torch.ones(2, 3, 1, *size))


def test_tokens_lie_in_rows_and_have_the_mean_gain_of_their_patch():
    tokens = torch.ones(1, 1, 4, 3)
    assert scaled(tokens, GAIN).shape == (1, 1, 4, 3)
    assert scaled(tokens, GAIN)[0, 0, :, 2].tolist() == [2, 1.5, 0.25, 2]
    assert scaled(torch.ones(1, 1, 2, 3), GAIN[..., :2, :])[0, 0, :, 0].tolist() == [2, 1.5]


@pytest.mark.parametrize(
    ("count", "size", "grid"),
    [
        (16, (32, 32), (4, 4)),
        (8, (16, 32), (2, 4)),
        (6, (6, 4), (3, 2)),
        (1, (8, 8), (1, 1)),
        (7, (4, 28), (1, 7)),
        (300, (480, 640), (15, 20)),
        (20, (17, 23), (4, 5)),  # patches of 4, the rest left out
        (30, (17, 23), (5, 6)),  # patches of 4, the rest filled up
    ],
)
def test_tokens_make_a_grid_of_the_images_proportions(count, size, grid):
    assert token_grid(count, size) == grid


@pytest.mark.parametrize(("count", "size"), [(17, (32, 32)), (301, (480, 640))])
def test_a_class_token_among_the_tokens_is_refused(count, size):
    height, width = size
    with pytest.raises(ValueError, match=f"{count} tokens make no grid on .* {height} x {width}"):
        token_grid(count, size)


class Pair(NamedTuple):
    """A structure of features."""

    base: Tensor
    detail: list[Tensor]


def test_a_structure_of_features_keeps_its_form():
    one, two, three = (torch.tensor(float(k)) for k in (1, 2, 3))
    given = {"a": Pair(one, [two]), "b": (three,)}
    assert feature_tensors(given) == (one, two, three)
    doubled = map_features(lambda x: 2 * x, given)
    assert doubled == {"a": Pair(2 * one, [2 * two]), "b": (2 * three,)}
    assert isinstance(doubled["a"], Pair)


def test_what_is_kept_is_passed_on_and_is_no_feature():
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    given = (one, Kept([two]))
    assert feature_tensors(given) == (one,)
    assert map_features(lambda x: 2 * x, given) == (2 * one, Kept([two]))
    assert map_features(lambda x: 2 * x, given, lambda x: 5 * x) == (2 * one, Kept([5 * two]))
