import pytest
import torch

from fusionlab.metrics import average_gradient


def test_a_slope_has_the_same_gradient_at_the_border():
    slope = 2 * torch.arange(8.0) + 4 * torch.arange(9.0)[:, None]
    assert average_gradient(slope[None, None]).item() == pytest.approx(10**0.5)  # (4 + 16) / 2


def test_a_line_counts_to_its_left_and_right_only():
    line = torch.tensor([0.0, 0.0, 4.0, 0.0, 0.0]).expand(1, 1, 3, 5)  # gx = 0, 2, 0, -2, 0
    assert average_gradient(line).item() == pytest.approx(2 * 2**0.5 / 5)


def test_an_edge_at_the_border_is_not_halved():
    image = torch.tensor([0.0, 4.0]).expand(1, 1, 2, 2)  # one-sided: gx = 4, 4
    assert average_gradient(image).item() == pytest.approx(8**0.5)


def test_brightness_mirroring_and_transposition_do_not_matter(fused):
    value = average_gradient(fused)
    for same in (fused + 9, fused.flip(3), fused.mT):
        torch.testing.assert_close(average_gradient(same), value)
