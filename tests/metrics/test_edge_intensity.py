import pytest
import torch

from fusionlab.metrics import edge_intensity


def test_one_bright_pixel():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 4] = 100
    # around it: four corners of (1, 1) / 4 and four sides of 2 / 4
    expected = 100 * (4 * 2**0.5 / 4 + 4 * 2 / 4) / 64
    assert edge_intensity(image).item() == pytest.approx(expected)


def test_a_slope_halves_at_the_replicated_border():
    slope = (4 * torch.arange(52.0)).expand(1, 1, 48, 52)
    assert edge_intensity(slope).item() == pytest.approx(2 * 4 * 51 / 52)


def test_brightness_mirroring_and_transposition_do_not_matter(fused):
    value = edge_intensity(fused)
    for same in (fused + 9, fused.flip(3), fused.mT):
        torch.testing.assert_close(edge_intensity(same), value)
