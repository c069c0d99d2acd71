import warnings
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from fusionlab.metrics import (
    CrossEntropy,
    Entropy,
    FusionMetrics,
    SpatialFrequency,
    SumOfCorrelationsOfDifferences,
    entropy,
    open_metrics,
    spatial_frequency,
)

# which of five images each of two processes sees
SHARES = {
    "an odd number": ([0, 2, 4], [1, 3]),
    "the wrong order": ([4, 3], [2, 1, 0]),
    "all on one": ([0, 1, 2, 3, 4], []),
    "all on the other": ([], [0, 1, 2, 3, 4]),
    "one repeated": ([0, 2, 4], [1, 3, 0]),
}


def five_images():
    generator = torch.Generator().manual_seed(5)
    fused = 255 * torch.rand(5, 1, 8, 8, generator=generator)
    return fused, 255 * torch.rand(5, 2, 1, 8, 8, generator=generator)


def measured(share, numbered=True):
    """A collection and a single metric that have seen ``share`` of the five images."""
    fused, sources = five_images()
    index = torch.tensor(share, dtype=torch.int64)
    collection, metric = FusionMetrics(), SpatialFrequency()
    for batch in index.split(2) if share else ():
        collection.update(fused[batch], sources[batch], batch if numbered else None)
        metric.update(fused[batch], sources[batch])
    return collection, metric


def measure_share(rank, folder):
    store = (Path(folder) / "store").as_uri()
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    results = {}
    warnings.simplefilter("ignore")  # compute before update, on the process without images
    for name, shares in SHARES.items():
        collection, metric = measured(shares[rank])
        means = collection.compute()
        # a report is written by one process: the table must be there without the other
        table = collection.per_image() if rank == 0 or name != "an odd number" else None
        results[name] = means, table, metric.compute()
    unnumbered, _ = measured(SHARES["an odd number"][rank], numbered=False)
    results["unnumbered"] = unnumbered.compute(), unnumbered.per_image(), None
    nothing, metric = measured([])
    results["nothing"] = nothing.compute(), nothing.per_image(), metric.compute()
    torch.save(results, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(measure_share, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("rank", [0, 1])
def test_two_processes_find_exactly_what_one_finds(name, rank, processes):
    collection, metric = measured([0, 1, 2, 3, 4])
    means, table, mean = processes[rank][name]
    assert means == collection.compute()
    if table is not None:
        indices, values = collection.per_image()
        assert torch.equal(table[0], indices)
        assert torch.equal(table[1], values)
    if name != "one repeated":  # a single metric knows no index
        assert mean == metric.compute()


@pytest.mark.slow
def test_images_without_index_are_all_counted_over_two_processes(processes):
    collection, _ = measured([0, 1, 2, 3, 4])
    for results in processes:
        means, (indices, values), _ = results["unnumbered"]
        assert means == collection.compute()
        assert indices.tolist() == [0, 1, 2, 3, 4]
        assert torch.equal(values, collection.per_image()[1][[0, 2, 4, 1, 3]])


@pytest.mark.slow
def test_two_processes_without_images_find_nan(processes):
    for results in processes:
        means, (indices, values), mean = results["nothing"]
        assert all(value.isnan() for value in [*means.values(), mean])
        assert indices.shape == (0,)
        assert values.shape == (0, 8)


def test_means_and_rows_have_the_names_and_values_of_the_metrics(fused, sources):
    collection = FusionMetrics([SpatialFrequency(), Entropy()])
    collection.update(fused, sources)
    indices, values = collection.per_image()
    assert collection.names == ("SF", "EN")
    assert indices.tolist() == [0, 1, 2]
    expected = torch.stack([spatial_frequency(fused), entropy(fused)], dim=1)
    torch.testing.assert_close(values, expected)
    means = collection.compute()
    assert list(means) == ["SF", "EN"]
    assert means["EN"].item() == pytest.approx(entropy(fused).mean().item())


@pytest.mark.parametrize("numbered", [True, False])
def test_batches_and_their_order_do_not_matter(numbered):
    whole, _ = measured([0, 1, 2, 3, 4], numbered)
    parts, _ = measured([3, 0, 4, 2, 1], numbered)
    assert parts.compute() == whole.compute()
    indices, values = parts.per_image()
    assert indices.tolist() == [0, 1, 2, 3, 4]
    order = slice(None) if numbered else [3, 0, 4, 2, 1]
    assert torch.equal(values, whole.per_image()[1][order])


def test_a_repeated_index_counts_once():
    once, _ = measured([0, 1, 2])
    twice, _ = measured([0, 1, 2, 1, 0])
    assert twice.compute() == once.compute()
    assert twice.per_image()[0].tolist() == [0, 1, 2]


def test_the_table_follows_later_updates_and_resets():
    fused, sources = five_images()
    collection, _ = measured([0, 1])
    assert len(collection.per_image()[0]) == 2
    collection.update(fused[2:], sources[2:], torch.tensor([2, 3, 4]))
    assert len(collection.per_image()[0]) == 5
    collection.reset()
    collection.update(fused[:1], sources[:1], torch.tensor([4]))
    assert collection.per_image()[0].tolist() == [4]


def test_forward_returns_the_batch_and_keeps_the_rest():
    fused, sources = five_images()
    collection, (whole, _) = FusionMetrics(), measured([0, 1, 2, 3, 4])
    collection(fused[:2], sources[:2])
    batch = collection(fused[2:], sources[2:])
    assert batch == measured([2, 3, 4])[0].compute()
    assert collection.compute() == whole.compute()


def test_a_metric_not_defined_for_the_number_of_sources_is_left_out(fused, sources):
    collection = FusionMetrics([SumOfCorrelationsOfDifferences(), CrossEntropy("ttd")])
    three = torch.cat([sources, sources[:, :1]], dim=1)
    collection.update(fused, three)
    assert collection.compute()["SCD"].isnan()
    assert collection.compute()["CE"].isfinite()
    collection.update(fused, sources)
    alone = FusionMetrics([SumOfCorrelationsOfDifferences()])
    alone.update(fused, sources)
    assert collection.per_image()[1][:, 0].isnan().tolist() == [True] * 3 + [False] * 3
    assert collection.compute()["SCD"] == alone.compute()["SCD"]


def test_an_image_too_small_for_one_metric_is_refused_whole(fused, sources):
    collection = FusionMetrics()
    assert collection.minimum_size == 7
    with pytest.raises(ValueError, match="SSIM needs images of at least 7 x 7 pixels, got 9 x 6"):
        collection.update(fused[..., :6], sources[..., :6])
    collection.update(fused, sources)
    assert len(collection.per_image()[0]) == 3


def test_an_image_that_is_no_8_bit_image_is_refused(fused, sources):
    collection = FusionMetrics([SpatialFrequency()])
    for bad in (torch.nan, 65535.0, -1.0):
        with pytest.raises(ValueError, match=r"fused must lie in \[0, 255\]"):
            collection.update(torch.full_like(fused, bad), sources)


@pytest.mark.parametrize(
    "index", [torch.arange(2), torch.arange(3.0), torch.tensor([0, 1, -1]), torch.arange(3)[None]]
)
def test_an_index_that_does_not_number_the_batch_is_refused(index, fused, sources):
    with pytest.raises(ValueError, match=r"index must be \(3,\) int64 from 0"):
        FusionMetrics().update(fused, sources, index)


def test_an_index_for_some_images_only_is_refused(fused, sources):
    collection = FusionMetrics([Entropy()])
    collection.update(fused, sources, torch.arange(3))
    collection.update(fused, sources)
    with pytest.raises(ValueError, match="index was given for some images only"):
        collection.compute()


@pytest.mark.parametrize("metrics", [(), (Entropy(), Entropy())])
def test_the_metrics_must_be_different_ones(metrics):
    with pytest.raises(ValueError, match="names must be one or more different ones"):
        FusionMetrics(metrics)


def test_conventions_are_those_of_the_metrics():
    table = FusionMetrics("vifb")
    for name, metric in zip(table.names, table.metrics, strict=True):
        assert table.conventions[name] == f"vifb: {metric.convention}"


def test_two_conventions_of_a_metric_have_columns_of_their_own():
    assert FusionMetrics(open_metrics(names=["EI:mefb", "en", "EI"])).names == (
        "EI:mefb",
        "EN",
        "EI:paper",
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["ENN"], "no metric 'ENN'; there are en, ce"),
        (["EN:x"], "no convention 'x'"),
        ([], "empty"),
    ],
)
def test_unknown_names_are_refused(names, expected):
    with pytest.raises(ValueError, match=expected):
        open_metrics(names=names)


@pytest.mark.slow
def test_what_metrics_share_changes_no_bit():
    """Every metric of the suite, side by side and alone."""
    generator = torch.Generator().manual_seed(6)
    fused = 255 * torch.rand(1, 1, 180, 180, generator=generator)
    sources = 255 * torch.rand(1, 2, 1, 180, 180, generator=generator)
    table = FusionMetrics("all")
    table.update(fused, sources)
    alone = torch.cat([metric.score(fused, sources) for metric in table.metrics])
    assert torch.equal(table.per_image()[1][0], alone)


@pytest.mark.parametrize("preset", ["ttd", pytest.param("all", marks=pytest.mark.slow)])
def test_pictures_of_the_same_sources_score_together_as_they_do_alone(preset):
    generator = torch.Generator().manual_seed(0)
    side = 24 if preset == "ttd" else 161
    levels = torch.randint(256, (4, 1, 1, side, side), generator=generator).float()
    collection, sources = FusionMetrics(preset), levels[:2, 0][None]
    together = collection.values_of_one(levels, sources)
    alone = torch.cat([collection.image_values(one, sources) for one in levels])
    assert torch.equal(together.nan_to_num(-1), alone.nan_to_num(-1))


def test_metrics_of_large_images_share_nothing_and_are_the_same(monkeypatch):
    levels = torch.randint(256, (3, 1, 1, 24, 24), generator=torch.Generator().manual_seed(1))
    collection, sources = FusionMetrics("ttd"), levels[:2, 0][None].float()
    shared = collection.values_of_one([levels[2].float()], sources)
    monkeypatch.setattr("fusionlab.metrics.collection.LARGE", 500)
    monkeypatch.setattr("fusionlab.metrics.collection.keeping", None)  # would fail
    assert torch.equal(collection.values_of_one([levels[2].float()], sources), shared)
