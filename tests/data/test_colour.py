import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.data.colour import (
    grey_levels,
    is_grey,
    merge_chroma,
    to_chroma,
    to_levels,
    to_luma,
    to_rgb,
    with_chroma,
)

TASKS = ("vif", "mif", "mef", "mff")


def random_image(channels, seed=0):
    return torch.rand(channels, 6, 8, generator=torch.Generator().manual_seed(seed))


def pixel(*values):
    """One pixel, (C, 1, 1)."""
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def of_chroma(blue, red, luma=0.5):
    """One RGB pixel of a chroma, worked out from Y = 0.299 R + 0.587 G + 0.114 B alone."""
    r, b = luma + 1.402 * red, luma + 1.772 * blue
    return pixel(r, (luma - 0.299 * r - 0.114 * b) / 0.587, b)


def test_grey_levels_are_those_of_pillow_for_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    np.testing.assert_array_equal(grey_levels(image[None])[0, 0].numpy(), expected)


def test_every_level_survives_8_bits():
    levels = torch.arange(256, dtype=torch.uint8)
    assert to_levels(levels / 255).equal(levels)
    grey = (levels / 255).reshape(1, 1, 1, 256)
    assert grey_levels(grey).equal(levels.reshape(1, 1, 1, 256))
    assert grey_levels(grey.expand(1, 3, 1, 256)).equal(levels.reshape(1, 1, 1, 256))


def test_16_bits_are_rounded_to_the_nearest_of_8():
    """65535 / 255 = 257 is odd: no level lies half way."""
    deep = torch.arange(65536)
    assert to_levels(deep / 65535).equal(((deep + 128) // 257).byte())


def test_levels_beyond_the_range_are_clamped():
    assert to_levels(torch.tensor([-0.2, 1.7, 0.4999 / 255, 0.5001 / 255])).tolist() == [
        0,
        255,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("rgb", "luma", "chroma"),
    [
        ((1, 0, 0), 0.299, (-0.299 / 1.772, 0.5)),
        ((0, 1, 0), 0.587, (-0.587 / 1.772, -0.587 / 1.402)),
        ((0, 0, 1), 0.114, (0.5, -0.114 / 1.402)),
        ((1, 1, 0), 0.886, (-0.5, 0.114 / 1.402)),
        ((0.3, 0.3, 0.3), 0.3, (0, 0)),
    ],
)
def test_luma_and_chroma_of_bt_601(rgb, luma, chroma):
    """Cb = (B - Y) / 1.772 and Cr = (R - Y) / 1.402 by definition."""
    torch.testing.assert_close(to_luma(pixel(*rgb)), pixel(luma))
    torch.testing.assert_close(to_chroma(pixel(*rgb)), pixel(*chroma))


def test_luma_and_chroma_are_those_of_a_jpeg_file():
    """Pillow's YCbCr, whole levels with 128 for neutral: off by rounding, 255 and 256 apart."""
    pixels = np.random.default_rng(1).integers(0, 256, (60, 70, 3), np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    ours = torch.cat([to_luma(image), to_chroma(image) + 128 / 255]) * 255
    theirs = torch.from_numpy(np.array(Image.fromarray(pixels).convert("YCbCr"))).permute(2, 0, 1)
    torch.testing.assert_close(ours, theirs.float(), atol=1.01, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_luma_and_chroma_give_the_image_back(dtype):
    images = torch.stack([random_image(3, seed).to(dtype) for seed in (0, 1)])
    luma = torch.stack([to_luma(image) for image in images])
    chroma = torch.stack([to_chroma(image) for image in images])
    torch.testing.assert_close(with_chroma(luma, chroma), images)


def test_chroma_changes_no_luma_and_luma_no_chroma():
    image, luma = random_image(3), random_image(1, seed=1)
    coloured = with_chroma(luma[None], to_chroma(image)[None])[0]
    torch.testing.assert_close(to_luma(coloured), luma)
    torch.testing.assert_close(to_chroma(coloured), to_chroma(image), atol=1e-6, rtol=0)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_equal_channels_are_grey_and_lose_nothing(channel):
    grey = random_image(1)
    unequal = grey.repeat(3, 1, 1)
    unequal[channel, 2, 3] += 1 / 65535
    assert is_grey(grey)
    assert is_grey(to_rgb(grey))
    assert not is_grey(unequal)
    assert to_luma(grey).equal(grey)
    assert to_luma(to_rgb(grey)).equal(grey)
    assert to_luma(unequal)[0, 2, 3] > grey[0, 2, 3]


def test_a_colour_image_stays_as_it_is_in_rgb():
    image = random_image(3)
    assert to_rgb(image).equal(image)
    assert to_rgb(image[:1]).equal(image[:1].repeat(3, 1, 1))


@pytest.mark.parametrize("task", ["vif", "mif"])
@pytest.mark.parametrize("coloured", [0, 1])
def test_the_coloured_source_gives_its_chroma_wherever_it_stands(task, coloured):
    images = [random_image(1, seed=2)] * 2
    images[coloured] = random_image(3)
    assert merge_chroma(images, task).equal(to_chroma(images[coloured]))


@pytest.mark.parametrize("task", ["vif", "mif"])
@pytest.mark.parametrize("order", [1, -1])
def test_channels_that_compression_made_unequal_do_not_spoil_the_chroma(task, order):
    """Infrared saved as a colour JPEG; in places it is more coloured than the visible image."""
    visible = 0.5 + 0.2 * (random_image(3) - 0.5)
    visible[:, :3] = 0.5
    infrared = random_image(1, seed=1) + 0.004 * random_image(3, seed=2)
    assert not is_grey(infrared)
    images = [visible, infrared][::order]
    assert merge_chroma(images, task).equal(to_chroma(visible))


@pytest.mark.parametrize("task", ["vif", "mif"])
def test_the_most_coloured_source_is_so_on_average(task):
    """A marker that a thermal camera drew in red does not make its image the coloured one."""
    visible = 0.5 + 0.4 * (random_image(3) - 0.5)
    infrared = to_rgb(random_image(1, seed=1)).clone()
    infrared[:, 2, 3] = torch.tensor([1.0, 0.0, 0.0])
    assert to_chroma(infrared).abs().max() > to_chroma(visible).abs().max()
    assert merge_chroma([infrared, visible], task).equal(to_chroma(visible))


@pytest.mark.parametrize("task", ["mef", "mff"])
@pytest.mark.parametrize(
    ("chromas", "expected"),
    [
        # (0.2 x 0.2 - 0.1 x 0.1) / (0.2 + 0.1) = 0.1 and (0.1 x 0.1 + 0.3 x 0.3) / 0.4 = 0.25
        ([(0.2, 0.1), (-0.1, 0.3)], (0.1, 0.25)),
        ([(0.2, 0.0), (0.0, -0.1)], (0.2, -0.1)),
        # (0.2 x 0.2 + 0.1 x 0.1 + 0.1 x 0.1) / 0.4 = 0.15
        ([(0.2, 0.2), (0.1, 0.1), (0.1, 0.1)], (0.15, 0.15)),
        ([(0.15, -0.2), (-0.15, -0.2)], (0, -0.2)),
        ([(0.1, -0.1), (0.0, 0.0)], (0.1, -0.1)),
    ],
)
def test_the_chroma_of_exposures_is_weighted_by_its_distance_from_neutral(task, chromas, expected):
    images = [of_chroma(*chroma) for chroma in chromas]
    torch.testing.assert_close(merge_chroma(images, task), pixel(*expected), atol=1e-9, rtol=0)
    backwards = merge_chroma(images[::-1], task)
    torch.testing.assert_close(backwards, pixel(*expected), atol=1e-9, rtol=0)


@pytest.mark.parametrize("task", ["mef", "mff"])
def test_chroma_is_weighted_pixel_by_pixel(task):
    images = [random_image(3, seed) for seed in range(3)]
    merged = merge_chroma(images, task)
    alone = merge_chroma([image[:, 2:3, 5:6] for image in images], task)
    torch.testing.assert_close(merged[:, 2:3, 5:6], alone)


@pytest.mark.parametrize("task", ["mef", "mff"])
def test_a_grey_source_adds_no_chroma_and_a_repeated_one_changes_nothing(task):
    image, grey = random_image(3), random_image(1, seed=1)
    torch.testing.assert_close(merge_chroma([grey, image, to_rgb(grey)], task), to_chroma(image))
    torch.testing.assert_close(merge_chroma([image, image], task), to_chroma(image))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("channels", [(1, 1), (3, 3), (1, 3, 1)])
def test_grey_sources_give_a_grey_image(task, channels):
    images = [random_image(1, seed).expand(c, -1, -1) for seed, c in enumerate(channels)]
    chroma = merge_chroma(images, task)
    assert chroma.shape == (2, 6, 8)
    assert (chroma == 0).all()
    fused = random_image(1, seed=9)
    assert with_chroma(fused[None], chroma[None])[0].equal(to_rgb(fused))


@pytest.mark.parametrize("task", TASKS)
def test_a_neutral_pixel_of_coloured_sources_stays_neutral(task):
    """0/0 in the weights; the three coefficients of a chroma sum to zero only up to rounding."""
    images = [random_image(3, seed) for seed in (0, 1)]
    for image in images:
        image[:, 1, 2] = 0
        image[:, 3, 4] = 0.7
    chroma = merge_chroma(images, task)
    assert chroma[:, 1, 2].tolist() == [0, 0]
    assert chroma[:, 3, 4].abs().max() < 1e-7
