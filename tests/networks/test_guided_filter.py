"""Guided filtering: fusionlab.networks.guided_filter."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate, uniform_filter
from torch.testing import assert_close

from fusionlab.networks import create_network
from fusionlab.networks.guided_filter import refined, saliency, window_mean

LUMA = np.array([0.299, 0.587, 0.114])


def window_mean_with_loops(image, radius):
    mean = np.empty_like(image)
    for y, x in np.ndindex(image.shape):
        rows = slice(max(0, y - radius), y + radius + 1)
        mean[y, x] = image[rows, max(0, x - radius) : x + radius + 1].mean()
    return mean


def guided_with_loops(guide, target, radius, epsilon):
    """He, Sun and Tang, Algorithm 1."""
    mean_i, mean_p, corr_i, corr_ip = (
        window_mean_with_loops(image, radius)
        for image in (guide, target, guide * guide, guide * target)
    )
    a = (corr_ip - mean_i * mean_p) / (corr_i - mean_i**2 + epsilon)
    b = mean_p - a * mean_i
    return window_mean_with_loops(a, radius) * guide + window_mean_with_loops(b, radius)


def fused_with_numpy(sources):
    """Li, Kang and Hu, Eq. 3 to 12; (M, H, W, C)."""
    grey = [source @ LUMA if source.shape[2] == 3 else source[..., 0] for source in sources]
    place = np.arange(-5, 6)
    gaussian = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 5**2))
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    activity = [
        correlate(
            abs(correlate(g, laplacian, mode="nearest")), gaussian / gaussian.sum(), mode="nearest"
        )
        for g in grey
    ]
    wanted = (np.stack(activity) == np.max(activity, 0)).astype(float)
    fused = 0
    bases = np.stack([uniform_filter(x, (31, 31, 1), mode="nearest") for x in sources])
    for layers, radius, epsilon in ((bases, 45, 0.3), (sources - bases, 7, 1e-6)):
        found = [
            guided_with_loops(g, p, radius, epsilon) for g, p in zip(grey, wanted, strict=True)
        ]
        weights = np.clip(found, 0, 1)
        fused = fused + (layers * (weights / weights.sum(0))[..., None]).sum(0)
    return fused


def make_sources(count=2, size=(33, 40), channels=1):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, count, channels, *size, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize(("count", "channels"), [(2, 1), (3, 1), (2, 3)])
def test_it_is_the_rule_of_the_paper(count, channels):
    sources = make_sources(count, channels=channels)
    fused = create_network("guided_filter")(sources)[0].movedim(0, -1)
    expected = fused_with_numpy(sources[0].movedim(1, -1).numpy())
    assert np.allclose(fused, expected, rtol=0, atol=1e-9)  # of TINY


def test_single_precision_is_as_good_as_8_bits():
    """Noise-free areas, whose variance is below epsilon, are where precision would be lost."""
    ramp = torch.linspace(0, 1, 64, dtype=torch.float64).expand(48, 64)
    sources = torch.stack((ramp, (ramp * 32).round() / 32))[None, :, None]
    network = create_network("guided_filter")
    assert_close(network(sources.float()).double(), network(sources), rtol=0, atol=1e-5)


@pytest.mark.parametrize("radius", [1, 7, 45])
def test_a_window_is_clipped_at_the_borders(radius):
    image = make_sources(1, (9, 14))[0, 0, 0]
    expected = window_mean_with_loops(image.numpy(), radius)
    assert np.allclose(window_mean(image, radius), expected, rtol=0, atol=1e-12)


def test_the_saliency_of_an_impulse_is_the_smoothed_laplacian():
    image = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    image[0, 0, 16, 16] = 1
    found = saliency(image)[0, 0]
    assert found.sum().item() == pytest.approx(8)  # |-4| + 4 |1|, whatever the smoothing
    assert found.argmax() == 16 * 33 + 16
    assert found[16, 16 - 7] == 0  # the Gaussian ends after 5 pixels, the Laplacian after 1
    assert found[16, 16 - 6] > 0


def test_weights_follow_the_edges_of_the_guide():
    """A boundary that lies 2 pixels off an edge is drawn to it."""
    guide, wanted = torch.zeros(1, 1, 1, 40, 40), torch.zeros(1, 1, 1, 40, 40)
    guide[..., 20:], wanted[..., 22:] = 1, 1
    weights = refined(wanted, guide, 7, 1e-6)[0, 0, 0]
    assert (weights[10:30, 20:22] > 0.6).all()
    assert (weights[10:30, 18:20] < 0.2).all()


def test_sources_of_one_saliency_share():
    flat = torch.tensor([0.2, 0.6]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 20, 20)
    network = create_network("guided_filter")
    assert_close(network(flat), torch.full((1, 1, 20, 20), 0.4))
    rd = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 20, 20)
    assert_close(network(flat, rd), torch.full((1, 1, 20, 20), 0.5))  # a mean weighted by RD


def test_rd_weighs_both_layers_before_weights_sum_to_one():
    network = create_network("guided_filter")
    sources = make_sources()
    rd = make_sources(2, (33, 40)).softmax(1)
    features = network.encode(sources)
    base, detail = network.combine(features, rd)  # whatever its scale
    for found, layer, weights in (
        (base, features.base, features.base_weights),
        (detail, features.detail, features.detail_weights),
    ):
        assert_close(found, (weights * rd * layer).sum(1) / (weights * rd).sum(1))
    assert_close(network(sources, rd), base + detail)


def test_the_sharp_halves_of_two_photographs_are_put_together():
    place = torch.arange(96.0)
    texture = 0.5 + 0.2 * torch.sin(place)[:, None] * torch.sin(1.3 * place)
    blurred = torch.full_like(texture, 0.5)
    left = torch.where(place < 48, texture, blurred)
    right = torch.where(place < 48, blurred, texture)
    fused = create_network("guided_filter")(torch.stack((left, right))[None, :, None])[0, 0]
    assert (fused - texture)[:, :36].abs().max() < 0.01
    assert (fused - texture)[:, 60:].abs().max() < 0.01
