import pytest
import torch

from fusionlab.metrics import spatial_frequency


def test_spatial_frequency_of_a_checkerboard():
    board = 255.0 * (torch.arange(8)[:, None] + torch.arange(9)).remainder(2)[None, None]
    assert spatial_frequency(board).item() == pytest.approx(255 * 2**0.5)


def test_each_direction_is_a_mean_over_its_own_differences():
    image = torch.tensor([[0.0, 3.0, 3.0], [4.0, 3.0, 3.0]])[None, None]
    rows = (9 + 0 + 1 + 0) / 4
    columns = (16 + 0 + 0) / 3
    assert spatial_frequency(image).item() == pytest.approx((rows + columns) ** 0.5)


def test_brightness_mirroring_and_transposition_do_not_matter(fused):
    value = spatial_frequency(fused)
    for same in (fused + 9, fused.flip(2), fused.mT):
        torch.testing.assert_close(spatial_frequency(same), value)
