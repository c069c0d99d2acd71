"""Photographs seen through two masks."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import DataLoader

from fusionlab.data.batches import shuffled
from fusionlab.data.crops import ENDLESS
from fusionlab.data.pretext import (
    Grids,
    MaskedPhotographs,
    masked,
    masks_of,
    noise,
    parts_of,
    random_grids,
    veiled,
)

PHOTOGRAPHS = [torch.rand(3, 40, 50), torch.rand(1, 60, 44), torch.rand(3, 33, 35)]


def test_masks_inputs_and_targets_are_the_authors(shared):
    with np.load(shared / "reference" / "networks" / "defusion_training.npz") as file:
        numbers = {key: file[key] for key in file if file[key].dtype.kind in "fu"}
    given = {key: torch.from_numpy(value).float() for key, value in numbers.items()}
    for i in range(2):
        own = {key: given[f"grid_{i}_{key}"] for key in ("coarse1", "coarse2", "fine1", "fine2")}
        grids = Grids(
            (own["coarse1"], own["coarse2"]),
            (own["fine1"], own["fine2"]),
            given[f"grid_{i}_third"],
            bool(given[f"swapped_{i}"]),
        )
        assert torch.equal(masks_of(grids, 96), given["mask"][i])
    image, masks = given["image"], given["mask"]
    assert torch.equal(masked(image, masks, noise(given["normal"])), given["input"])
    common, unique = parts_of(image, masks)
    assert torch.equal(common, given["target_common"])
    assert torch.equal(unique, given["target_unique"])


def test_masks_by_hand():
    """3 pixels of 2 cells take cells 0, 0 and 1; the third grid decides where neither shows."""
    one = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    other = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    ones, third = torch.ones(3, 3), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    masks = masks_of(Grids((one, other), (ones, ones), third, False), 3)
    assert masks[0, 0].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert masks[1, 0].tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    swapped = masks_of(Grids((one, other), (ones, ones), third, True), 3)
    assert torch.equal(swapped, masks.flip(0))


@pytest.mark.slow
def test_grids_are_drawn_as_the_authors_draw_them():
    """Means over 4,000 items lie within four standard deviations."""
    rng = np.random.default_rng(0)
    grids = [random_grids(rng) for _ in range(4000)]
    rates = torch.stack([torch.stack(one.fine).mean() for one in grids])
    assert 0.1 - 0.05 < rates.min() < 0.15
    assert 0.95 < rates.max() < 0.993 + 0.01
    assert rates.mean().item() == pytest.approx(0.1 + 0.5 / 1.12, abs=4 * 0.26 / 4000**0.5)
    of_coarse = torch.stack([torch.stack(one.coarse).mean() for one in grids])
    assert np.corrcoef(rates, of_coarse)[0, 1] > 0.97, "one rate for all grids of an item"
    assert {len(one.fine[0]) for one in grids} == {26, 27}
    coarse = sum(len(one.third) == 13 for one in grids) / 4000
    assert coarse == pytest.approx(0.33, abs=4 * 0.47 / 4000**0.5)
    other = sum(len(one.third) not in (13, len(one.fine[0])) for one in grids) / 4000
    assert other == pytest.approx(0.34 / 2, abs=4 * 0.38 / 4000**0.5)
    assert sum(one.is_swapped for one in grids) / 4000 == pytest.approx(0.5, abs=4 * 0.5 / 63)


def test_every_pixel_is_seen_in_one_source_at_least():
    data = MaskedPhotographs(PHOTOGRAPHS, 32)
    for index in range(6):
        item = data[index]
        assert set(item["masks"].unique().tolist()) <= {0.0, 1.0}
        assert item["masks"].amax(0).eq(1).all()
        shown = item["masks"].expand_as(item["sources"]).bool()
        image = item["reference"].expand_as(item["sources"])
        assert torch.equal(item["sources"][shown], image[shown])
        for part in (item["sources"], item["reference"]):
            assert part.min() >= 0
            assert part.max() <= 1


def test_an_item_depends_on_seed_pass_and_photograph_alone():
    data, again = MaskedPhotographs(PHOTOGRAPHS, 32), MaskedPhotographs(PHOTOGRAPHS, 32)
    state = torch.random.get_rng_state()
    forward = [data[index] for index in range(6)]
    torch.rand(7)
    backward = [again[index] for index in reversed(range(6))][::-1]
    for one, other in zip(forward, backward, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(torch.as_tensor(one[k]), torch.as_tensor(other[k])) for k in one)
    torch.random.set_rng_state(state)
    data[3]
    assert torch.equal(torch.random.get_rng_state(), state), "the training's own numbers stay"
    assert not torch.equal(MaskedPhotographs(PHOTOGRAPHS, 32, 1)[0]["sources"], data[0]["sources"])
    order = [int(k) for number in (0, 1) for k in shuffled(3, 0, number)]
    assert sorted(order[:3]) == sorted(order[3:]) == [0, 1, 2]
    first, second = (order.index(2), 3 + order[3:].index(2))  # one photograph in two passes
    assert not torch.equal(data[first]["masks"], data[second]["masks"])
    assert not torch.equal(data[first]["reference"], data[second]["reference"])
    assert len(data) == ENDLESS
    assert data.pass_length == 3


@pytest.mark.slow
def test_workers_change_nothing():
    data = MaskedPhotographs(PHOTOGRAPHS, 32)
    for workers in (0, 2):
        loader = DataLoader(data, 2, sampler=range(6), num_workers=workers)
        found = torch.cat([batch["sources"] for batch in loader])
        expected = torch.stack([data[index]["sources"] for index in range(6)])
        assert torch.equal(found, expected)


def test_crops_and_jitter_are_torchvision_s():
    """A flat photograph stays flat and is no brighter; without jitter it stays as it is."""
    flat = [torch.tensor([0.8, 0.6, 0.4]).view(3, 1, 1).expand(3, 40, 30)]
    image = MaskedPhotographs(flat, 24)[0]["reference"]
    assert image.shape == (3, 24, 24)
    assert_close(image, image[:, :1, :1].expand_as(image))
    assert 0.01 < image.mean() < 0.6
    assert_close(
        MaskedPhotographs(flat, 24, jitter=1)[0]["reference"], flat[0][:, :1, :1].expand(3, 24, 24)
    )


def test_other_veils_hide_sharpness_or_exposure():
    """Where all is hidden; one source is too bright then, the other too dark."""
    rng, image = np.random.default_rng(0), torch.rand(3, 32, 32)
    hidden = torch.zeros(2, 1, 32, 32)
    for blurred in veiled(image, hidden, "blur", rng):
        assert blurred.std() < 0.5 * image.std()
        assert_close(blurred.mean(), image.mean(), rtol=0, atol=0.03)
    for _ in range(8):
        for sign, exposed in zip((1, -1), veiled(image, hidden, "exposure", rng), strict=True):
            ratio = (exposed / image)[exposed < 1]
            assert_close(ratio.std(), torch.tensor(0.0), rtol=0, atol=1e-4)
            stops = sign * 2.2 * ratio.mean().log2()
            assert 1 <= stops <= 4


def test_the_exposure_changes_softly_from_right_to_wrong():
    """Left of the first image is seen, right of it is too bright; of the second it is reversed."""
    image = torch.full((3, 64, 64), 0.25)
    left = (torch.arange(64) < 32).float().expand(1, 64, 64)
    steps = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        bright, dark = veiled(image, torch.stack([left, 1 - left]), "exposure", rng)
        for row, sign in ((bright[0, 30], 1), (dark[0, 30].flip(0), -1)):
            assert_close(row[:8], image[0, 0, :8])
            assert (sign * row.diff() >= -1e-6).all()
            assert sign * (row[-1] - row[0]) > 0.05
            steps.add(int((row.diff().abs() > 1e-4).sum()))
    assert min(steps) == 1  # a hard edge
    assert max(steps) > 12


def test_few_cells_make_large_parts():
    rng = np.random.default_rng(0)
    for _ in range(20):
        grids = random_grids(rng, 3)
        assert [len(one) for one in grids.coarse] == [3, 3]
        assert len(grids.fine[0]) in (6, 7)
        assert len(grids.third) in (3, 6, 7)


def test_photographs_lose_their_colours():
    colours = [torch.tensor([0.8, 0.6, 0.4]).view(3, 1, 1).expand(3, 40, 30)]
    image = MaskedPhotographs(colours, 24, jitter=1, grey=True)[0]["reference"]
    expected = torch.full((3, 24, 24), 0.299 * 0.8 + 0.587 * 0.6 + 0.114 * 0.4)
    assert_close(image, expected, rtol=0, atol=1e-5)


def test_large_photographs_are_read_once_where_they_are_reduced():
    class Counted(list):
        read = 0

        def __getitem__(self, index):
            self.read += 1
            return super().__getitem__(index)

    photographs = Counted([torch.rand(3, 60, 90), torch.rand(1, 80, 64)])
    data = MaskedPhotographs(photographs, 32, longest=48)
    first = [data[k] for k in range(6)]
    assert photographs.read == 2
    again = MaskedPhotographs(photographs, 32, longest=48)
    assert torch.equal(again[4]["sources"], first[4]["sources"])
