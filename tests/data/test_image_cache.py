import pytest
import torch

from fusionlab.data.image_cache import ImageCache


@pytest.mark.parametrize("most_bytes", [10**6, 0], ids=["kept", "read"])
def test_squares_are_those_of_the_images_bit_for_bit(most_bytes):
    """Every 8-bit level, and an image that is none."""
    levels = torch.arange(256).view(1, 16, 16).float() / 255
    fine = torch.rand(3, 16, 16)
    read = []

    def images(index):
        read.append(index)
        return [levels, fine] if index else [fine, levels]

    kept = ImageCache(images, [(16, 16)] * 2, channels=4, most_bytes=most_bytes)
    for _ in range(3):
        one, other = kept.cut(1, 2, 3, side=5)
        assert torch.equal(one, levels[:, 2:7, 3:8])
        assert torch.equal(other, fine[:, 2:7, 3:8])
    assert sorted(read) == ([0, 1] if most_bytes else [1, 1, 1])


def test_eight_bit_images_take_a_byte_a_pixel():
    levels = torch.arange(256).view(1, 16, 16).float() / 255
    kept = ImageCache(lambda _: [levels], [(16, 16)], channels=1)
    assert kept.kept[0][0].dtype == torch.uint8
