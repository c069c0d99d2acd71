import math

import pytest
import torch

from fusionlab.metrics.contrast_sensitivity import passed, stretched

IMAGE = torch.tensor([[[10.0, 12.0], [13.0, 14.0]]])


def test_an_image_is_stretched_to_its_range_and_rounded_half_up():
    assert stretched(IMAGE).tolist() == [[[0, 128], [191, 255]]]  # 127.5 and 191.25


def test_dividing_by_255_first_moves_a_half():
    image = torch.arange(0.0, 103).expand(1, 1, 103)  # 255 / 102 = 2.5 per level
    difference = stretched(image) - stretched(image, levels="8 bit of unit range")
    assert difference.abs().max() == 1
    assert (stretched(image, levels="unit range") * 102 - image).abs().max() < 1e-13


def test_a_flat_image_becomes_black():
    for levels in ("8 bit", "8 bit of unit range", "unit range"):
        assert not stretched(torch.full((1, 3, 3), 100.0), levels=levels).any()


def test_unknown_levels_are_refused():
    with pytest.raises(ValueError, match="levels must be one of 8 bit, "):
        stretched(IMAGE, levels="16 bit")


@pytest.mark.parametrize("width", [24, 25])
def test_a_wave_is_multiplied_with_the_response_to_its_frequency(width):
    phase = 2 * math.pi * 3 * torch.arange(width, dtype=torch.float64) / width
    wave = phase.cos().expand(1, 7, width)  # 3 cycles per image

    def response(frequency):
        return 1 + frequency

    torch.testing.assert_close(passed(wave, response, cycles=4), (1 + 3 / 4) * wave)
    single = passed(wave, response, cycles=4, dtype=torch.float32)
    assert single.dtype == torch.float64
    torch.testing.assert_close(single, (1 + 3 / 4) * wave, rtol=1e-6, atol=1e-6)
