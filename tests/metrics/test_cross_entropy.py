import math

import pytest
import torch

from fusionlab.metrics import cross_entropy, entropy


def image(*levels):
    return torch.tensor(levels, dtype=torch.float64).view(1, 1, 2, 2)


def test_value_worked_out_by_hand():
    fused = image(0, 0, 0, 1)
    source = image(0, 0, 1, 1)
    expected = -(0.5 * math.log2(0.75) + 0.5 * math.log2(0.25))
    assert cross_entropy(fused, source[:, None]).item() == pytest.approx(expected, rel=1e-6)


def test_a_level_the_fused_image_lost_costs_the_logarithm_of_the_floor():
    flat, other = image(10, 10, 10, 10), image(20, 20, 20, 20)
    assert cross_entropy(flat, other[:, None]).item() == pytest.approx(math.log2(1e7))


def test_the_value_is_the_mean_over_any_number_of_sources():
    fused = image(0, 0, 0, 1)
    sources = [image(0, 0, 1, 1), image(0, 0, 0, 0), image(3, 3, 3, 3)]
    alone = [cross_entropy(fused, source[:, None]).item() for source in sources]
    together = cross_entropy(fused, torch.stack(sources, dim=1)).item()
    assert together == pytest.approx(sum(alone) / 3)


def test_identical_images_score_their_entropy(fused):
    # the floor of 1e-7 is missing from p = 1/72 to 5/72: 7e-6 of it, times log2(e)
    expected = entropy(fused)
    torch.testing.assert_close(cross_entropy(fused, fused[:, None]), expected, atol=1.1e-5, rtol=0)


def test_two_equal_flat_images_score_zero_but_for_the_floor():
    flat = image(10, 10, 10, 10)
    expected = -math.log2(1 + 1e-7)
    assert cross_entropy(flat, flat[:, None]).item() == pytest.approx(expected)


def test_a_value_outside_8_bits_is_refused(fused, sources):
    with pytest.raises(ValueError, match=r"fused must lie in \[0, 255\]"):
        cross_entropy(fused - 300, sources)
    with pytest.raises(ValueError, match=r"sources must lie in \[0, 255\]"):
        cross_entropy(fused, sources + 300)
