"""Dual-tree complex wavelets: fusionlab.networks.wavelet."""

import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import create_network
from fusionlab.networks.base import feature_tensors

coeffs = pytest.importorskip("torchwavelets.dtcwt.coeffs", reason="torchwavelets is not installed")
LEVELS = 3


def mirrored(place, size):
    """Index of a place outside a signal whose outermost samples are repeated in the mirror."""
    return min(place % (2 * size), 2 * size - 1 - place % (2 * size))


def first_level(kernel, size):
    """The filter of odd length as a matrix; nothing is left out."""
    matrix, half = np.zeros((size, size)), len(kernel) // 2
    for row in range(size):
        for k, weight in enumerate(kernel.ravel()[::-1]):
            matrix[row, mirrored(row + k - half, size)] += weight
    return matrix


def next_level(even, odd, size, is_high):
    """The filters of both trees, each on every second sample, with their outputs in turn."""
    matrix, length = np.zeros((size // 2, size)), len(even)
    for tree, kernel in enumerate((even, odd)):
        for n in range(size // 4):
            row = 2 * n + (1 - tree if is_high else tree)
            for k, weight in enumerate(kernel.ravel()[::-1]):
                matrix[row, mirrored(2 + tree + 4 * n + 2 * k - length, size)] += weight
    return matrix


def quads_to_complex(x):
    """Of each 2 x 2 samples two complex coefficients, (2, H/2, W/2)."""
    a, b, c, d = x[::2, ::2], x[::2, 1::2], x[1::2, ::2], x[1::2, 1::2]
    return np.stack(((a - d) + 1j * (b + c), (a + d) + 1j * (b - c))) / 2**0.5


def complex_to_quads(z):
    x = np.empty([2 * n for n in z.shape[1:]])
    (p, q), (r, s) = z.real, z.imag
    x[::2, ::2], x[::2, 1::2], x[1::2, ::2], x[1::2, 1::2] = p + q, r + s, r - s, q - p
    return x / 2**0.5


def strongest(bands):
    coefficients = np.stack([quads_to_complex(band) for band in bands])
    place = abs(coefficients).argmax(0)
    return complex_to_quads(np.take_along_axis(coefficients, place[None], 0)[0])


def fused_with_numpy(sources, level=1):
    """The base is the mean, of each coefficient the strongest is kept; on (M, H, W)."""
    if level > LEVELS:
        return np.mean(sources, 0)
    sizes = sources[0].shape
    if level == 1:
        h0, g0, h1, g1 = coeffs.level1("near_sym_b", compact=True)
        low, high = ([first_level(kernel, n) for n in sizes] for kernel in (h0, h1))
        low_back, high_back = ([first_level(kernel, n) for n in sizes] for kernel in (g0, g1))
    else:
        h0a, h0b, _, _, h1a, h1b, _, _ = coeffs.qshift("qshift_b")
        low = [next_level(h0b, h0a, n, is_high=False) for n in sizes]
        high = [next_level(h1b, h1a, n, is_high=True) for n in sizes]
        back = [np.linalg.inv(np.concatenate(both)) for both in zip(low, high, strict=True)]
        low_back = [one[:, : len(one) // 2] for one in back]
        high_back = [one[:, len(one) // 2 :] for one in back]
    found = 0
    for rows, rows_back in ((low, low_back), (high, high_back)):
        for columns, columns_back in ((low, low_back), (high, high_back)):
            bands = [rows[0] @ source @ columns[1].T for source in sources]
            is_base = rows is low and columns is low
            band = fused_with_numpy(bands, level + 1) if is_base else strongest(bands)
            found = found + rows_back[0] @ band @ columns_back[1].T
    return found


def make_sources(count=2, size=(32, 48), channels=1):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, count, channels, *size, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_is_the_rule_of_the_paper(count):
    sources = make_sources(count)
    fused = create_network("wavelet", levels=LEVELS)(sources)[0, 0]
    expected = fused_with_numpy(sources[0, :, 0].numpy())
    assert np.allclose(fused, expected, rtol=0, atol=1e-9)


def test_a_detail_keeps_its_source_in_all_channels():
    """Red is weaker in the second source, its colour as a whole stronger."""
    network, details = create_network("wavelet", levels=1), torch.zeros(1, 2, 3, 6, 2, 4, 4)
    details[0, 0, :, 2, 0, 1, 1] = torch.tensor([0.5, 0.1, 0.1])
    details[0, 1, :, 2, 1, 1, 1] = torch.tensor([-0.4, 0.4, 0.2])
    chosen, _ = network.combine((details.flatten(2, 4), torch.zeros(1, 2, 3, 8, 8)))
    assert torch.equal(chosen[0], details[0, 1].flatten(0, 2))


def test_the_gain_decides_and_the_winner_stays_scaled():
    network, details = create_network("wavelet", levels=1), torch.zeros(1, 2, 12, 1, 1)
    details[0, :, 0] = torch.tensor([0.4, -0.5]).view(2, 1, 1)
    gain = torch.tensor([1.0, 0.5]).view(1, 2, 1, 1, 1)
    base = torch.tensor([0.2, 0.8]).view(1, 2, 1, 1, 1)
    chosen, mean = network.combine((details, base), gain)
    assert chosen[0, 0].item() == pytest.approx(0.4)
    assert mean.item() == pytest.approx((0.2 + 0.5 * 0.8) / 1.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (5, 3), (17, 23)])
def test_any_size_comes_back(size):
    sources = make_sources(1, size, 3)
    assert_close(create_network("wavelet")(sources), sources[:, 0], rtol=0, atol=1e-6)


def test_features_have_gradients_after_inference_mode():
    """The library keeps indices from one call to the next."""
    network, sources = create_network("wavelet"), make_sources(2, (18, 22))
    with torch.inference_mode():
        network(sources)
    features = network.encode(sources.requires_grad_())
    image = network.decode(network.combine(features), sources)
    found = torch.autograd.grad(image.square().sum(), feature_tensors(features))
    assert all(gradient.any() for gradient in found)
    with torch.no_grad():
        assert not network(sources).requires_grad


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchwavelets", None)
    with pytest.raises(InputError, match=r'pip install "fusionlab\[wavelet\]"'):
        create_network("wavelet")


@pytest.mark.parametrize("levels", [0, 1.5, "4"])
def test_levels_that_cannot_be_are_refused(levels):
    with pytest.raises(InputError, match="wavelet: levels must be a number from 1, got"):
        create_network("wavelet", levels=levels)
