"""The Laplacian pyramid: fusionlab.networks.laplacian."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d, uniform_filter
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import create_network
from fusionlab.networks.base import scale_features, weighted_mean
from fusionlab.networks.laplacian import LaplacianPyramid
from fusionlab.ttd import feature_gain

BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16


def smoothed(image, factor=1):
    for axis in (0, 1):
        image = correlate1d(image, factor * BINOMIAL, axis, mode="mirror")
    return image


def enlarged(image, size):
    """Smoothed with zeros in between; mirrored at the start, the last pixel repeated at the end."""
    for axis in (0, 1):
        image = np.concatenate([image.take([1], axis), image, image.take([-1], axis)], axis)
    spread = np.zeros([2 * n for n in image.shape])
    spread[::2, ::2] = image
    return smoothed(spread, 2)[2 : 2 + size[0], 2 : 2 + size[1]]


def fused_with_numpy(sources, levels, window=5):
    """Burt and Kolczynski's rule without match measure, on one channel; (M, H, W)."""
    if not levels:
        return np.mean(sources, 0)
    small = [smoothed(source)[::2, ::2] for source in sources]
    size = sources[0].shape
    details = np.stack([x - enlarged(y, size) for x, y in zip(sources, small, strict=True)])
    energy = [uniform_filter(detail**2, window, mode="constant") for detail in details]
    chosen = np.take_along_axis(details, np.argmax(energy, 0)[None], 0)[0]
    return chosen + enlarged(fused_with_numpy(small, levels - 1, window), size)


def make_sources(count=2, size=(33, 46), channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, count, channels, *size, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_is_the_rule_of_the_paper(count, window):
    sources = make_sources(count)
    network = create_network("laplacian", levels=2, window=window)
    expected = fused_with_numpy(sources[0, :, 0].numpy(), 2, window)
    assert np.allclose(network(sources)[0, 0], expected, rtol=0, atol=1e-12)


def test_the_level_count_is_the_smaller_of_what_fits_and_what_is_wanted():
    sources = make_sources(size=(64, 100))
    for levels, expected in ((None, 3), (2, 2), (0, 0), (9, 3)):
        features = create_network("laplacian", levels=levels).encode(sources)
        assert len(features) == expected + 1
    assert features[-1].shape == (1, 2, 1, 8, 13)


def test_without_levels_it_is_the_average():
    sources = make_sources(3)
    assert_close(create_network("laplacian", levels=0)(sources), sources.mean(1))


def test_a_detail_keeps_its_sign_and_its_source_in_all_channels():
    weak, strong = torch.tensor([0.5, 0.1, 0.1]), torch.tensor([-0.4, 0.4, 0.2])
    detail = torch.stack((weak, strong)).view(1, 2, 3, 1, 1)
    network = create_network("laplacian", window=1)
    chosen, _ = network.combine((detail, torch.zeros_like(detail)))
    assert torch.equal(chosen.flatten(), strong)  # though red is weaker


def test_the_gain_decides_and_the_winner_stays_scaled():
    detail = torch.tensor([0.4, -0.5]).view(1, 2, 1, 1, 1)
    gain = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1, 1)
    network = create_network("laplacian", window=1)
    chosen, base = network.combine((detail, torch.tensor([0.2, 0.8]).view_as(detail)), gain)
    assert chosen.item() == pytest.approx(0.4)
    assert base.item() == pytest.approx((0.2 + 0.5 * 0.8) / 1.5)


def test_with_the_largest_gain_no_detail_grows_and_no_base_darkens():
    network = create_network("laplacian", levels=2)
    sources = make_sources(3).float()
    rd = torch.rand(1, 3, 1, 33, 46, generator=torch.Generator().manual_seed(1)).softmax(1)
    gain, features = feature_gain(rd, "largest"), network.encode(sources)
    for level, static in zip(network.combine(features, gain)[:-1], features[:-1], strict=True):
        assert level.abs().max() <= static.abs().max()
    for name in ("largest", "share"):
        base = network.combine(network.encode(sources * 0 + 0.6), feature_gain(rd, name))[-1]
        assert_close(base, torch.full_like(base, 0.6))


def test_the_weighted_mean_of_rd_is_that_of_its_shares():
    features = torch.rand(2, 3, 4, 5, 6)
    gain = feature_gain(torch.rand(2, 3, 1, 5, 6).softmax(1))
    expected = sum(scale_features(features, gain)) / 3
    assert_close(weighted_mean(features, gain), expected)
    assert_close(weighted_mean(features, 7 * gain), expected)


def test_the_sharp_halves_of_two_photographs_are_put_together():
    place = torch.arange(64.0)
    texture = 0.5 + 0.2 * torch.sin(place)[:, None] * torch.sin(1.3 * place)
    blurred = torch.full_like(texture, 0.5)
    left = torch.where(place < 32, texture, blurred)
    right = torch.where(place < 32, blurred, texture)
    fused = create_network("laplacian")(torch.stack((left, right))[None, :, None])[0, 0]
    assert (fused - texture)[:, 8:24].abs().max() < 0.02
    assert (fused - texture)[:, 40:56].abs().max() < 0.02


@pytest.mark.parametrize("options", [{"levels": -1}, {"levels": 1.5}, {"window": 4}, {"window": 0}])
def test_an_option_that_cannot_be_is_refused(options):
    (name,) = options
    with pytest.raises(InputError, match=f"laplacian: {name} must be .*, got"):
        LaplacianPyramid(**options)
