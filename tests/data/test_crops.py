import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fusionlab.data.crops import MultiFocusCrops


@pytest.fixture
def photographs():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, 60, 70, generator=generator), torch.rand(1, 50, 50, generator=generator)]


def same(a, b):
    return all(a[key].equal(b[key]) for key in ("sources", "reference"))


def test_an_item_depends_on_seed_and_index_only(photographs):
    crops = MultiFocusCrops(photographs, crop_size=16, length=10, seed=3)
    first = [crops[i] for i in range(10)]
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global state must not matter
    longer = MultiFocusCrops(photographs, crop_size=16, length=1000, seed=3)
    assert all(same(longer[i], first[i]) for i in reversed(range(10)))


def test_workers_change_nothing(photographs):
    crops = MultiFocusCrops(photographs, crop_size=16, length=6, seed=3)
    loaded = list(DataLoader(crops, batch_size=None, num_workers=2))
    assert all(same(item, crops[i]) for i, item in enumerate(loaded))


def test_seeds_and_indices_give_different_items(photographs):
    items = [
        MultiFocusCrops(photographs, crop_size=16, length=20, seed=seed)[i]
        for seed in (0, 1)
        for i in range(20)
    ]
    distinct = torch.stack([item["reference"] for item in items]).flatten(1).unique(dim=0)
    assert len(distinct) == 40


def test_shapes_and_ranges(photographs):
    crops = MultiFocusCrops(photographs, crop_size=16, length=50)
    for index, item in enumerate(crops):
        assert item.pop("index") == index
        assert item["sources"].shape == (2, 3, 16, 16)
        assert item["reference"].shape == (3, 16, 16)
        for image in item.values():
            assert image.dtype == torch.float32
            assert 0 <= image.min() <= image.max() <= 1


def test_grey_photographs_are_repeated_to_three_channels(photographs):
    item = MultiFocusCrops(photographs[1:], crop_size=16, length=1)[0]
    assert item["reference"].std(dim=0).max() == 0
    torch.testing.assert_close(item["sources"][:, 0], item["sources"][:, 2])


def test_what_one_source_blurs_the_other_shows(photographs):
    """Over many crops the better source of each pixel is near the truth, and neither alone is."""
    crops = MultiFocusCrops(photographs, crop_size=32, length=60)
    errors = torch.stack(
        [(item["sources"] - item["reference"]).abs().mean(dim=1) for item in crops]
    )
    alone = errors.mean(dim=(0, 2, 3))
    assert errors.amin(dim=1).mean() < 0.25 * alone.min()


def test_near_and_far_come_in_random_order(photographs, monkeypatch):
    near_is_white = torch.stack([torch.ones(3, 16, 16), torch.zeros(3, 16, 16)])
    monkeypatch.setattr("fusionlab.data.crops.layered_defocus", lambda *args, **_: near_is_white)
    crops = MultiFocusCrops(photographs, crop_size=16, length=200)
    near_first = sum(item["sources"][0].mean().item() for item in crops)
    assert 70 < near_first < 130  # 100 expected, four standard deviations either way


@pytest.mark.slow
def test_crops_that_show_nothing_are_rare(photographs):
    """Half of the photographs are black; four attempts leave a sixteenth of black crops."""
    crops = MultiFocusCrops([torch.zeros(3, 50, 50), photographs[0]], crop_size=16, length=200)
    black = sum(item["reference"].max().item() == 0 for item in crops)
    assert 0 < black < 30  # 12.5 expected


def test_the_length_ends_an_iteration(photographs):
    crops = MultiFocusCrops(photographs, crop_size=16, length=7)
    assert len(crops) == len(list(crops)) == 7


def test_photographs_must_hold_a_crop(photographs):
    too_large = MultiFocusCrops(photographs[1:], crop_size=51, length=1)
    with pytest.raises(ValueError, match="a photograph of 50 x 50 is smaller than the crop, 51"):
        too_large[0]
    assert MultiFocusCrops(photographs[1:], 50, 1)[0]["reference"].shape == (3, 50, 50)
    with pytest.raises(ValueError, match="photographs is empty"):
        MultiFocusCrops([], crop_size=16, length=1)
