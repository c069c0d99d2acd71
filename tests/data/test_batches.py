from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.data.batches import EpochSampler, SameShapeBatches, collate, evaluation_loader
from fusionlab.data.folder import FolderDataset
from fusionlab.data.layouts import find_samples

NAMES = {2: ("A", "B"), 3: ("A", "B", "C")}


def dataset_of(*shapes):
    """Stands in for a data set: for each sample (M, (H, W))."""
    return SimpleNamespace(
        source_names=[NAMES[count] for count, _ in shapes], sizes=[size for _, size in shapes]
    )


def mixed(length, seed=0):
    """Samples of two or three sources and four sizes, in random order."""
    rng = np.random.default_rng(seed)
    sizes = [(8, 9), (9, 8), (8, 8), (16, 4)]
    return dataset_of(*((int(rng.integers(2, 4)), sizes[rng.integers(4)]) for _ in range(length)))


SHARES = list(product((1, 2, 7, 40), (1, 2, 3, 64), (1, 2, 3, 8)))


@pytest.mark.parametrize(("length", "batch_size", "world_size"), SHARES)
def test_every_sample_comes_exactly_once(length, batch_size, world_size):
    dataset = mixed(length, seed=length)
    shares = [SameShapeBatches(dataset, batch_size, r, world_size) for r in range(world_size)]
    batches = [batch for share in shares for batch in share]
    assert sorted(index for batch in batches for index in batch) == list(range(length))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    for share in shares:
        assert len(share) == len(list(share))


@pytest.mark.parametrize(("length", "batch_size", "world_size"), SHARES)
def test_a_batch_has_one_shape(length, batch_size, world_size):
    dataset = mixed(length, seed=length)
    for rank in range(world_size):
        for batch in SameShapeBatches(dataset, batch_size, rank, world_size):
            assert len({(dataset.source_names[k], dataset.sizes[k]) for k in batch}) == 1


@pytest.mark.parametrize(("length", "batch_size", "world_size"), SHARES)
def test_processes_have_equal_work_up_to_a_batch(length, batch_size, world_size):
    counts = [
        len(SameShapeBatches(mixed(length), batch_size, rank, world_size))
        for rank in range(world_size)
    ]
    assert max(counts) - min(counts) <= 1


def test_batches_are_full_and_in_the_order_of_their_first_sample():
    a, b, c = (2, (8, 9)), (2, (9, 8)), (3, (8, 9))
    dataset = dataset_of(b, a, c, a, b, a, b)
    assert list(SameShapeBatches(dataset, 2)) == [[0, 4], [1, 3], [2], [5], [6]]
    assert list(SameShapeBatches(dataset, 2, 0, 2)) == [[0, 4], [2], [6]]
    assert list(SameShapeBatches(dataset, 2, 1, 2)) == [[1, 3], [5]]
    assert list(SameShapeBatches(dataset, 1)) == [[k] for k in range(7)]


def test_a_second_pass_gives_the_same():
    batches = SameShapeBatches(mixed(9), 2)
    assert list(batches) == list(batches)


EPOCHS = list(product((1, 5, 6), (1, 2, 3), (1, 4)))


def drawn(length, world_size, epochs):
    """Items by epoch and process."""
    samplers = [
        EpochSampler(length, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    items = {}
    for epoch in range(epochs):
        for rank, sampler in enumerate(samplers):
            sampler.set_epoch(epoch)
            assert len(sampler) == length
            items[epoch, rank] = list(sampler)
    return items


@pytest.mark.parametrize(("length", "world_size", "epochs"), EPOCHS)
def test_no_item_comes_twice_in_any_process_or_epoch(length, world_size, epochs):
    items = drawn(length, world_size, epochs)
    assert {len(share) for share in items.values()} == {length}
    everything = [item for share in items.values() for item in share]
    assert sorted(everything) == list(range(length * world_size * epochs))


@pytest.mark.parametrize(("length", "world_size", "epochs"), EPOCHS)
def test_processes_together_see_what_one_process_would(length, world_size, epochs):
    items, alone = drawn(length, world_size, epochs), drawn(length * world_size, 1, epochs)
    for epoch in range(epochs):
        together = {item for rank in range(world_size) for item in items[epoch, rank]}
        assert together == set(alone[epoch, 0])


def test_a_batch_over_all_processes_is_the_batch_of_one():
    """Step by step: two processes with two crops each learn from what one learns with four."""
    first, second = (list(EpochSampler(6, rank=rank, world_size=2)) for rank in (0, 1))
    alone = list(EpochSampler(12))
    for step in range(3):
        pair = slice(2 * step, 2 * step + 2)
        assert sorted(first[pair] + second[pair]) == alone[4 * step : 4 * step + 4]


def test_an_epoch_can_be_had_without_those_before_it():
    """As after a resumed training."""
    sampler = EpochSampler(4)
    sampler.set_epoch(3)
    assert list(sampler) == list(sampler) == [12, 13, 14, 15]


def test_collate_stacks_tensors_and_numbers_and_lists_the_rest():
    samples = [
        {"index": k, "id": name, "source_names": NAMES[2], "grey": torch.full((2, 1, 1, 1), k)}
        for k, name in ((3, "a"), (5, "b"))
    ]
    batch = collate(samples)
    assert batch["index"].tolist() == [3, 5]
    assert batch["index"].dtype == torch.int64
    assert batch["id"] == ["a", "b"]
    assert batch["source_names"] == [NAMES[2], NAMES[2]]
    assert batch["grey"].equal(torch.tensor([3, 5]).reshape(2, 1, 1, 1, 1).expand(2, 2, 1, 1, 1))
    assert batch["grey"].dtype == samples[0]["grey"].dtype


def test_collate_gives_grey_sources_three_channels_beside_coloured_ones():
    """Each sample alone has as many channels as it needs."""
    grey, coloured = torch.rand(2, 1, 4, 5), torch.rand(2, 3, 4, 5)
    batch = collate([{"sources": grey}, {"sources": coloured}])
    assert batch["sources"][0].equal(grey.expand(2, 3, 4, 5))
    assert batch["sources"][1].equal(coloured)
    assert collate([{"sources": grey}, {"sources": grey}])["sources"].shape == (2, 2, 1, 4, 5)


@pytest.fixture
def exposures(tmp_path):
    """Five scenes of two or three exposures and two sizes, with references."""
    shapes = {
        "a": (2, (8, 9)),
        "b": (3, (8, 9)),
        "c": (2, (8, 9)),
        "d": (2, (9, 8)),
        "é 5": (3, (8, 9)),
    }
    for seed, (scene, (count, size)) in enumerate(shapes.items()):
        (tmp_path / scene).mkdir()
        rng = np.random.default_rng(seed)
        for name in [*map(str, range(count)), "gt"]:
            pixels = rng.integers(0, 256, (*size, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / scene / f"{name}.png")
    return FolderDataset(find_samples(tmp_path, "scenes"), "mef")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("batch_size", "world_size"), [(1, 1), (2, 1), (4, 1), (2, 2), (1, 3)])
def test_a_loader_gives_the_items_of_the_data_set(exposures, batch_size, world_size, workers):
    seen = []
    for rank in range(world_size):
        for batch in evaluation_loader(exposures, batch_size, workers, rank, world_size):
            seen += batch["index"].tolist()
            for k, index in enumerate(batch["index"]):
                item = exposures[int(index)]
                assert item.keys() == batch.keys()
                assert (item["id"], item["source_names"]) == (
                    batch["id"][k],
                    batch["source_names"][k],
                )
                for key in ("sources", "chroma", "grey", "reference"):
                    assert batch[key][k].equal(item[key])
    assert sorted(seen) == list(range(5))


class Sized:
    """As much of a data set as batches need."""

    source_names = [("a", "b")] * 7
    sizes = [(4, 4)] * 3 + [(5, 5)] * 4


def test_what_is_done_does_not_come_again_but_in_a_batch_that_is_not():
    whole = [[0, 1], [2], [3, 4], [5, 6]]
    assert SameShapeBatches(Sized(), 2).batches == whole
    assert SameShapeBatches(Sized(), 2, done={0, 1, 3}).batches == [[2], [3, 4], [5, 6]]


@pytest.mark.parametrize("done", [set(range(7)), set(range(6)), {0, 3}])
def test_processes_share_what_is_left_whatever_is_done(done):
    shares = [SameShapeBatches(Sized(), 2, rank, 2, done).batches for rank in range(2)]
    batches = sorted(batch for share in shares for batch in share)
    assert batches == SameShapeBatches(Sized(), 2, done=done).batches
    assert set(range(7)) - done <= {index for batch in batches for index in batch}
    assert not done >= set(range(7)) or batches == []
