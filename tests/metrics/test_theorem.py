"""Eq. 4 and 5 over a data set."""

import math
import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.testing import assert_close

from fusionlab.metrics import AgainstTruth, TheoremValues
from fusionlab.metrics.theorem import COLUMNS
from fusionlab.ttd import fusion_error, generalisation_bound, relative_dominability, truth_bound

NAMES = ["a", "b", "c"]
SIZE = (1, 8, 9)


@pytest.fixture
def maps():
    """Weights and losses of four images with three sources."""
    return some_maps()


def some_maps():
    losses = torch.rand(4, 3, *SIZE, generator=torch.Generator().manual_seed(3))
    return relative_dominability(losses, 5.0), losses


def computed(weights, losses, **options):
    theorem = TheoremValues(NAMES)
    theorem.update(weights, losses, **options)
    return theorem.compute()


def test_the_means_are_those_of_the_mathematics(maps):
    weights, losses = maps
    bound = generalisation_bound(weights, losses)
    found = computed(weights, losses)
    for m, name in enumerate(NAMES):
        values = (bound.weights, bound.losses, bound.covariances)
        for value, of_source in zip(("weight", "loss", "covariance"), values, strict=True):
            assert found[f"{value}/{name}"].item() == pytest.approx(
                of_source[:, m].mean().item(), rel=1e-4
            )
    direct = (weights * losses).sum(1).mean().item()
    assert found["dynamic_bound"].item() == pytest.approx(direct, rel=1e-6)
    assert found["static_bound"].item() == pytest.approx(losses.mean().item(), rel=1e-6)
    covariance = bound.covariances.sum(1).mean().item()
    assert found["covariance_sum"].item() == pytest.approx(covariance, rel=1e-4)


def test_shares_of_images_by_hand():
    """RD in one image, its opposite in another: Eq. 5 holds in one of two."""
    losses = torch.rand(2, 3, *SIZE)
    negative = relative_dominability(losses[:1], 2.0)
    positive = relative_dominability(losses[1:], 2.0, correlation="positive")
    found = computed(torch.cat([negative, positive]), losses)
    assert found["dynamic_is_lower"].item() == 0.5
    assert found["covariance_is_negative"].item() == 0.5


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7, 41])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_uniform_weights_covary_with_nothing(count, kind):
    losses = torch.rand(5, count, *SIZE, dtype=kind)
    names = [str(m) for m in range(count)]
    theorem = TheoremValues(names)
    theorem.update(torch.full_like(losses, 1 / count), losses)
    found = theorem.compute()
    for name in names:
        assert found[f"covariance/{name}"].item() == pytest.approx(0, abs=1e-15)
    assert found["dynamic_bound"].item() == pytest.approx(found["static_bound"].item())
    assert found["dynamic_is_lower"].item() == 0
    assert found["covariance_is_negative"].item() == 0


def test_weights_that_do_not_sum_to_one_enter_as_shares(maps):
    """Those of ``peak`` are a softmax's over its largest at each pixel."""
    weights, losses = maps
    peak = relative_dominability(losses, 5.0, normalization="peak")
    for name, mean in computed(weights, losses).items():
        assert_close(computed(peak, losses)[name], mean, rtol=0, atol=1e-7, equal_nan=True)


def test_the_order_of_sources_changes_nothing_but_their_order(maps):
    weights, losses = maps
    order = [2, 0, 1]
    names = [[NAMES[m] for m in order]] * 4
    turned = computed(weights[:, order], losses[:, order], names=names)
    for name, mean in computed(weights, losses).items():
        assert_close(turned[name], mean, equal_nan=True)


def test_a_source_counts_where_it_is(maps):
    weights, losses = maps
    theorem = TheoremValues(NAMES)
    theorem.update(weights[:1], losses[:1])
    pair = torch.full((1, 2, *SIZE), 0.5), torch.full((1, 2, *SIZE), 0.25)
    theorem.update(*pair, names=[["c", "a"]])
    found = theorem.compute()
    assert found["loss/a"].item() == pytest.approx((losses[0, 0].mean().item() + 0.25) / 2)
    assert found["loss/b"].item() == pytest.approx(losses[0, 1].mean().item())


def test_batches_and_order_change_nothing_to_the_last_bit(maps):
    weights, losses = maps
    theorem = TheoremValues(NAMES)
    for batch in ([3], [0, 2], [1, 3]):
        theorem.update(weights[batch], losses[batch], torch.tensor(batch))
    assert identical(theorem.compute(), computed(weights, losses))


def identical(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) or (one[name].isnan() and other[name].isnan())
        for name in one
    )


@pytest.mark.parametrize("loss", ["l1", "mse", "ssim", "structure"])
def test_both_sides_against_a_truth(maps, loss):
    weights, losses = maps
    components, truth = torch.rand(4, 3, *SIZE), torch.rand(4, *SIZE)
    against = AgainstTruth(truth, components, components.mean(1), (weights * components).sum(1))
    theorem = TheoremValues(NAMES, loss)
    theorem.update(weights, losses, against=against)
    found = theorem.compute()
    bound = truth_bound(weights, components, truth, loss)
    for name, value in (
        ("static_error", fusion_error(against.static, truth, loss)),
        ("dynamic_error", fusion_error(against.dynamic, truth, loss)),
        ("static_truth_bound", bound.static),
        ("dynamic_truth_bound", bound.dynamic),
        ("truth_loss/b", bound.losses[:, 1]),
        ("truth_covariance/c", bound.covariances[:, 2]),
    ):
        assert found[name].item() == pytest.approx(value.mean().item(), rel=1e-4)
    if loss in ("l1", "mse"):  # which are convex
        _, values = theorem.per_image()
        column = dict(zip(theorem.names, values.unbind(1), strict=True))
        for row in ("static", "dynamic"):
            assert (column[f"{row}_error"] <= column[f"{row}_truth_bound"]).all()


def test_without_a_truth_nothing_is_said_of_it(maps):
    found = computed(*maps)
    assert {name for name, mean in found.items() if mean.isnan()} == {
        *(f"truth_{value}/{name}" for value in ("loss", "covariance") for name in NAMES),
        *(f"{row}_{side}" for row in ("static", "dynamic") for side in ("error", "truth_bound")),
    }


def test_an_image_without_a_bound_claims_nothing_and_counts_in_no_mean(maps):
    weights, losses = maps
    theorem = TheoremValues(NAMES)
    theorem.update(weights.index_fill(0, torch.tensor(1), torch.nan), losses)
    found = dict(zip(theorem.names, theorem.per_image()[1].unbind(1), strict=True))
    for name in ("dynamic_bound", "dynamic_is_lower", "covariance_sum", "covariance_is_negative"):
        assert found[name].isnan().tolist() == [False, True, False, False]
    assert not found["static_bound"].isnan().any()
    assert theorem.compute()["dynamic_is_lower"].item() == 1


def test_lines_make_the_row_again(maps):
    theorem = TheoremValues(NAMES)
    weights, losses = (one[:1, :2] for one in maps)
    (row,) = theorem.image_values(weights, losses, [["c", "a"]]).tolist()
    lines = theorem.lines(row, ["c", "a"])
    assert list(lines) == ["c", "a"]
    assert lines["a"][COLUMNS.index("loss")] == pytest.approx(losses[0, 1].mean().item())
    again = theorem.row(lines)
    assert [one for one in again if not math.isnan(one)] == [
        one for one in row if not math.isnan(one)
    ]
    assert [math.isnan(one) for one in again] == [math.isnan(one) for one in row]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": [["a", "b", "x"]] * 4}, r"3 different names among \['a', 'b', 'c'\], got .*'x'"),
        ({"names": [["a", "b", "b"]] * 4}, "3 different names"),
        ({"names": [["a", "b"]] * 4}, r"image with 3 maps needs .* got \['a', 'b'\]; set names"),
        ({"names": [NAMES]}, "one list for each of 4 images, got 1"),
        ({"names": []}, "one list for each of 4 images, got 0"),
        ({"index": torch.zeros(2, dtype=torch.int64)}, "index must be"),
    ],
)
def test_what_does_not_fit_is_refused(maps, options, message):
    with pytest.raises(ValueError, match=message):
        computed(*maps, **options)


def test_maps_that_do_not_fit_are_refused(maps):
    weights, losses = maps
    for batch, message in (
        ((weights[:2], losses[:3]), r"\(2, 3, 1, 8, 9\), got \(3, 3, 1, 8, 9\)"),
        ((weights[:, :2], losses), "losses must be one map for each map of the weights"),
        ((weights[:, :2], losses[:, :2]), "image with 2 maps needs 2 different names"),
        ((weights[:0], losses[:0]), "at least one image"),
        ((weights[0], losses[0]), r"weights must be \(B, M, 1, H, W\)"),
    ):
        with pytest.raises(ValueError, match=message):
            computed(*batch)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("truth", (4, 8, 9), "(4, 1, 8, 9)"),
        ("truth", (2, *SIZE), "(4, 1, 8, 9)"),
        ("components", (4, 2, *SIZE), "(4, 3, 1, 8, 9)"),
        ("static", (4, 3, 8, 9), "(4, 1, 8, 9)"),
        ("dynamic", (4, 1, 8, 8), "(4, 1, 8, 9)"),
    ],
)
def test_images_that_do_not_fit_are_refused(maps, name, shape, expected):
    image = torch.rand(4, *SIZE)
    against = AgainstTruth(image, torch.rand(4, 3, *SIZE), image, image)
    wrong = against._replace(**{name: torch.rand(shape)})
    with pytest.raises(ValueError, match=re.escape(f"against.{name} must be {expected}")):
        computed(*maps, against=wrong)


def test_an_unknown_loss_is_refused_at_once():
    with pytest.raises(ValueError, match="one of l1, mse, ssim, structure, got 'l2'"):
        TheoremValues(NAMES, "l2")


def measure_share(rank, folder):
    store = (Path(folder) / "store").as_uri()
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    warnings.simplefilter("ignore")
    weights, losses = some_maps()
    theorem = TheoremValues(NAMES)
    for index in ([0, 2, 3], [1])[rank]:
        theorem.update(weights[[index]], losses[[index]], torch.tensor([index]))
    torch.save(theorem.compute(), Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_find_exactly_what_one_finds(maps, tmp_path):
    multiprocessing.spawn(measure_share, args=(str(tmp_path),), nprocs=2)
    for rank in range(2):
        assert identical(torch.load(tmp_path / f"{rank}.pt"), computed(*maps))
