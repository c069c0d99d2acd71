"""Exposure fusion: fusionlab.networks.exposure_fusion."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import correlate, correlate1d
from torch.testing import assert_close

from fusionlab.networks import create_network
from fusionlab.networks.exposure_fusion import contrast, pixel_weights

BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16
LUMA = np.array([0.299, 0.587, 0.114])


def smoothed(image, factor=1):
    for axis in (0, 1):
        image = correlate1d(image, factor * BINOMIAL, axis, mode="mirror")
    return image


def enlarged(image, size):
    """Smoothed with zeros in between; mirrored at the start, the last pixel repeated at the end."""
    for axis in (0, 1):
        second = image.take([min(1, image.shape[axis] - 1)], axis)
        image = np.concatenate([second, image, image.take([-1], axis)], axis)
    spread = np.zeros([2 * n for n in image.shape])
    spread[::2, ::2] = image
    return smoothed(spread, 2)[2 : 2 + size[0], 2 : 2 + size[1]]


def blended(images, weights, levels):
    """One channel, (M, H, W): Laplacian pyramids of images, Gaussian ones of weights."""
    if not levels:
        return (images * weights).sum(0)
    small = np.stack([smoothed(x)[::2, ::2] for x in images])
    details = images - np.stack([enlarged(x, images.shape[1:]) for x in small])
    coarse = blended(small, np.stack([smoothed(w)[::2, ::2] for w in weights]), levels - 1)
    return (details * weights).sum(0) + enlarged(coarse, images.shape[1:])


def fused_with_numpy(images):
    """Mertens et al., Eq. 1 to 6 with exponents of 1; (M, H, W, C)."""
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    weights = []
    for image in images:
        grey = image @ LUMA if image.shape[2] == 3 else image[..., 0]
        sharp = abs(correlate(grey, laplacian, mode="mirror"))
        colourful = image.std(2) if image.shape[2] == 3 else 1
        weights.append(sharp * colourful * np.exp(-((image - 0.5) ** 2) / 0.08).prod(2) + 1e-12)
    weights = np.stack(weights) / np.sum(weights, 0)
    levels = int(np.log2(min(images.shape[1:3])))
    channels = [blended(images[..., c], weights, levels) for c in range(images.shape[3])]
    return np.stack(channels, -1)


def make_sources(count=3, size=(33, 46), channels=3):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, count, channels, *size, dtype=torch.float64, generator=generator)


def with_opencv(images):
    """(M, H, W, 3) uint8, RGB: OpenCV takes the channels in the order of its grey levels."""
    make = getattr(cv2, "createMergeMertens", None)
    if make is None:
        pytest.skip("this OpenCV has no MergeMertens")
    return make(1, 1, 1).process(list(images))


@pytest.mark.parametrize(("count", "channels"), [(1, 3), (2, 1), (3, 3)])
@pytest.mark.parametrize("size", [(33, 46), (8, 16)])
def test_it_is_the_rule_of_the_paper(size, count, channels):
    sources = make_sources(count, size, channels)
    fused = create_network("exposure_fusion")(sources)[0].movedim(0, -1)
    expected = fused_with_numpy(sources[0].movedim(1, -1).numpy())
    assert np.allclose(fused, expected, rtol=0, atol=1e-10)


def test_opencv_fuses_random_images_alike():
    levels = np.random.default_rng(0).integers(0, 256, (3, 33, 46, 3), dtype=np.uint8)
    sources = torch.from_numpy(levels).movedim(3, 1)[None].float() / 255
    fused = create_network("exposure_fusion")(sources)[0].movedim(0, -1)
    assert np.allclose(fused, with_opencv(levels), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["artist_palette", "ben_jerry_s", "devil_s_bathtub"])
def test_opencv_fuses_photographs_alike(shared, name):
    """But at pixels that are grey in every source: only rounding tells their weights apart."""
    folder = shared / "data" / "mef" / "HDRPS"
    paths = [folder / place / f"{name}.png" for place in ("under", "gt", "over")]
    levels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    sources = torch.from_numpy(levels).movedim(3, 1)[None].float() / 255
    fused = create_network("exposure_fusion")(sources)[0].movedim(0, -1).numpy()
    difference = abs(fused - with_opencv(levels))
    assert difference.mean() < 1e-4
    assert (difference > 1 / 255).mean() < 1e-3


def test_weights_worked_out_by_hand():
    image = torch.full((1, 3, 3, 3), 0.5, dtype=torch.float64)
    image[0, 0, 1, 1] = 0.7  # red
    weights = pixel_weights(image)[0, 0]
    sharp, colourful = 4 * 0.299 * 0.2, 0.2 * 2**0.5 / 3
    assert weights[1, 1].item() == pytest.approx(sharp * colourful * np.exp(-(0.2**2) / 0.08))
    assert weights[0, 0].item() == pytest.approx(1e-12)  # grey has no saturation
    grey = image[:, :1]
    assert pixel_weights(grey)[0, 0, 1, 1].item() == pytest.approx(0.8 * np.exp(-(0.2**2) / 0.08))


def test_contrast_of_an_impulse_and_of_one_pixel():
    impulse = torch.zeros(1, 3, 3)
    impulse[0, 1, 1] = 1
    assert torch.equal(contrast(impulse)[0], torch.tensor([[0.0, 2, 0], [2, 4, 2], [0, 2, 0]]))
    assert contrast(torch.ones(1, 1, 1)).item() == 0


def test_where_nothing_has_weight_all_sources_have_the_same():
    flat = torch.tensor([0.2, 0.6]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 20, 20)
    network = create_network("exposure_fusion")
    assert_close(network(flat), torch.full((1, 1, 20, 20), 0.4))
    rd = torch.tensor([0.25, 0.75]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 20, 20)
    assert_close(network(flat, rd), torch.full((1, 1, 20, 20), 0.5))  # a mean weighted by RD


def test_rd_scales_the_weights_before_they_sum_to_one():
    network, sources = create_network("exposure_fusion"), make_sources()
    rd = make_sources(channels=1).softmax(1)
    weights, *levels = network.encode(sources)
    expected = network.decode(network.combine((weights * rd, *levels)), sources)
    assert_close(network(sources, rd), expected)
    assert_close(network.decode(network.combine((weights, *levels), rd), sources), expected)
