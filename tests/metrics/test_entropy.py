import pytest
import torch

from fusionlab.metrics import entropy


def test_256_levels_once_each_carry_8_bits():
    assert entropy(torch.arange(256.0).view(1, 1, 16, 16)).item() == 8


def test_unequal_levels():
    image = torch.tensor([7.0, 7.0, 9.0, 200.0]).view(1, 1, 2, 2)  # 1/2, 1/4, 1/4
    assert entropy(image).item() == 1.5


def test_levels_are_rounded_half_to_even():
    image = torch.tensor([0.0, 0.5, 1.5, 2.5]).view(1, 1, 2, 2)  # 0, 0, 2, 2
    assert entropy(image).item() == 1


def test_a_flat_image_scores_positive_zero():
    assert str(entropy(torch.full((1, 1, 4, 4), 9.0)).item()) == "0.0"


def test_which_levels_and_where_does_not_matter(fused):
    shuffled = fused.flatten(1)[:, torch.randperm(72)].view_as(fused)
    torch.testing.assert_close(entropy(255 - shuffled), entropy(fused))


def test_a_value_outside_8_bits_is_refused(fused):
    with pytest.raises(
        ValueError, match=r"image must lie in \[0, 255\], got values from .* to 256"
    ):
        entropy(fused.clone().fill_(256))
