"""Every number of a summary, from small runs whose rows are written by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from fusionlab.runs.run import Run
from fusionlab.runs.statistics import compare
from fusionlab.runs.summary import summarise, values_of
from tests.runs.hand_made import (
    PAIRS,
    STACKS,
    about,
    write_rd,
    write_summary,
    write_theorem,
    write_values,
)

NAN = math.nan
EN = {  # by method, of the images 01, 02, 03
    "vi alone": (6.0, 6.0, 6.0),
    "ir alone": (5.0, 5.0, 5.0),
    "theirs": (6.5, 7.0, 6.0),
    "Net": (7.0, 7.0, 7.0),
    "Net+TTD": (7.5, 7.0, 6.0),
}
CE = {"vi alone": (1.0,) * 3, "ir alone": (1.0,) * 3, "theirs": (3.0, 2.0, NAN)}
CE |= {"Net": (1.0, NAN, NAN), "Net+TTD": (0.5, 0.25, NAN)}
Q_SF = {"vi alone": (0.0,) * 3, "ir alone": (0.0,) * 3, "theirs": (-0.1, -0.1, -0.1)}
Q_SF |= {"Net": (-0.2, 0.1, 0.0), "Net+TTD": (0.1, -0.2, 0.0)}
MS = {"theirs": (None,) * 3, "Net": (10.0, 30.0, 80.0), "Net+TTD": (30.0, 50.0, 40.0)}
TIMELESS = (None, None, None)


def pair_rows(methods: list[str], ids: list[str]):
    """The rows of some methods on some of the images of the pairs."""
    for k, id_ in enumerate(PAIRS["ids"]):
        for name in methods if id_ in ids else ():
            values = (EN[name][k], CE[name][k], Q_SF[name][k], MS.get(name, TIMELESS)[k])
            yield ("pairs", "vif", "", id_, name), values


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five methods on three pairs; one stack, fused by the network alone."""
    write_summary(tmp_path, about([PAIRS, STACKS]))
    rows = list(pair_rows(list(EN), PAIRS["ids"]))
    rows.append((("stacks", "mff", "", "01", "near alone"), (4, 1, 0, None)))
    rows += [(("stacks", "mff", "", "01", name), (5, 1, 0, 8)) for name in ("Net", "Net+TTD")]
    write_values(tmp_path, rows)
    return tmp_path


@pytest.fixture
def pairs(folder) -> dict:
    """The result of the pairs."""
    return summarise(Run.open(folder))[0]


def test_there_is_a_result_for_each_data_set(folder):
    pairs, stacks = summarise(Run.open(folder))
    assert (pairs["data"], pairs["task"], pairs["images"]) == ("pairs", "vif", 3)
    assert (stacks["data"], stacks["task"], stacks["images"]) == ("stacks", "mff", 1)
    assert pairs["ids"] == ["01", "02", "03"]
    assert pairs["methods"] == list(EN)  # in the order of the tables
    assert stacks["methods"] == ["near alone", "Net", "Net+TTD"]
    assert stacks["means"]["near alone"] == {"EN": 4, "CE": 1, "Q_SF": 0}


def test_means_are_over_the_images_where_a_metric_is_defined(pairs):
    assert pairs["means"]["Net+TTD"]["EN"] == pytest.approx(20.5 / 3)
    assert pairs["means"]["theirs"]["CE"] == 2.5
    assert pairs["counts"]["theirs"] == {"EN": 3, "CE": 2, "Q_SF": 3}
    assert pairs["counts"]["Net"]["CE"] == 1


def test_times_are_medians_of_what_was_timed(pairs):
    assert pairs["median_ms_per_image"] == {"Net": 30, "Net+TTD": 40}


def test_each_network_with_ttd_is_compared_with_the_same_without(pairs):
    assert list(pairs["differences"]) == ["Net+TTD"]
    found = pairs["differences"]["Net+TTD"]
    assert found["EN"]["mean"] == pytest.approx(-0.5 / 3)
    assert found["EN"]["improved"] == pytest.approx(1 / 3)  # better, equal, worse
    assert (found["EN"]["low"], found["EN"]["high"]) == (-1, 0.5)
    assert found["CE"]["mean"] == -0.5  # one image has both
    assert (found["CE"]["images"], found["CE"]["improved"]) == (1, 1)
    assert math.isnan(found["CE"]["low"])
    assert found["Q_SF"]["improved"] == pytest.approx(1 / 3)  # nearer to 0, farther, equal
    expected = compare(np.array(EN["Net"]), np.array(EN["Net+TTD"]), True)
    assert found["EN"] == vars(expected)


def test_ranks_are_among_the_methods_that_fuse(pairs):
    """EN: 3, 2, 1 on 01; 2, 2, 2 on 02; 2.5, 1, 2.5 on 03, of theirs, Net and Net+TTD."""
    ranks = {name: found["EN"] for name, found in pairs["mean_ranks"].items()}
    assert ranks == pytest.approx({"theirs": 7.5 / 3, "Net": 5 / 3, "Net+TTD": 5.5 / 3})
    # CE, lower is better: 3, 2, 1 on 01; 2, -, 1 on 02
    ranks = {name: found["CE"] for name, found in pairs["mean_ranks"].items()}
    assert ranks == {"theirs": 2.5, "Net": 2, "Net+TTD": 1}
    # Q_SF, best at 0: 1.5, 3, 1.5; 1.5, 1.5, 3; 3, 1.5, 1.5
    ranks = {name: found["Q_SF"] for name, found in pairs["mean_ranks"].items()}
    assert ranks == pytest.approx({"theirs": 2, "Net": 2, "Net+TTD": 2})
    assert pairs["best"] == {"EN": "Net", "CE": "Net+TTD", "Q_SF": "theirs"}
    assert pairs["overall_rank"]["Net"] == pytest.approx((5 / 3 + 2 + 2) / 3)


def test_the_best_is_not_compared_with_itself(pairs):
    p = pairs["p_against_best"]
    assert math.isnan(p["Net"]["EN"])
    assert 0 < p["theirs"]["EN"] <= 1
    assert p.keys() == {"theirs", "Net", "Net+TTD"}


def test_nothing_is_ranked_where_one_method_fuses(tmp_path):
    write_summary(tmp_path, about([PAIRS]))
    write_values(tmp_path, pair_rows(["vi alone", "ir alone", "Net"], PAIRS["ids"]))
    (found,) = summarise(Run.open(tmp_path))
    for name in ("mean_ranks", "overall_rank", "best", "p_against_best", "differences"):
        assert found[name] == {}


def test_a_metric_that_is_defined_nowhere_has_no_best(tmp_path):
    write_summary(tmp_path, about([STACKS]))
    rows = [(("stacks", "mff", "", "01", name), (1, NAN, 0, 1)) for name in ("Net", "Net+TTD")]
    write_values(tmp_path, rows)
    (found,) = summarise(Run.open(tmp_path))
    assert found["best"]["CE"] is None
    assert math.isnan(found["means"]["Net"]["CE"])
    assert math.isnan(found["p_against_best"]["Net"]["CE"])
    assert found["overall_rank"]["Net"] == 1.5  # two ties


def test_images_that_a_method_lacks_are_left_out(tmp_path):
    """Of means, ranks and times, for all methods: tables compare what is comparable."""
    write_summary(tmp_path, about([PAIRS]))
    with_all = [name for name in EN if name != "theirs"]
    write_values(tmp_path, [*pair_rows(with_all, PAIRS["ids"]), *pair_rows(["theirs"], ["02"])])
    (found,) = summarise(Run.open(tmp_path))
    assert (found["images"], found["ids"]) == (1, ["02"])
    assert found["means"]["Net"]["EN"] == 7
    assert found["median_ms_per_image"]["Net"] == 30
    assert set(found["images_of"].values()) == {1}


def test_a_source_that_some_samples_lack_leaves_none_out(tmp_path):
    """Stacks have different numbers of sources."""
    write_summary(tmp_path, about([PAIRS]))
    rows = [*pair_rows(["Net"], PAIRS["ids"]), *pair_rows(["ir alone"], ["01"])]
    write_values(tmp_path, rows)
    (found,) = summarise(Run.open(tmp_path))
    assert found["images"] == 3
    assert found["images_of"] == {"ir alone": 1, "Net": 3}
    assert found["means"]["ir alone"]["EN"] == 5


def test_what_is_done_so_far_has_no_intervals_and_no_tests(folder):
    pairs, _ = summarise(Run.open(folder), finished=False)
    whole, _ = summarise(Run.open(folder))
    assert pairs["means"] == whole["means"]
    interim, final = pairs["differences"]["Net+TTD"]["EN"], whole["differences"]["Net+TTD"]["EN"]
    assert (interim["mean"], interim["improved"]) == (final["mean"], final["improved"])
    assert math.isnan(interim["low"])
    assert pairs["p_against_best"] == pairs["mean_ranks"] == pairs["best"] == {}


def test_a_data_set_that_was_not_reached_has_no_result(tmp_path):
    write_summary(tmp_path, about([PAIRS, STACKS]))
    write_values(tmp_path, pair_rows(["Net"], ["01"]))
    (found,) = summarise(Run.open(tmp_path), finished=False)
    assert (found["data"], found["images"]) == ("pairs", 1)


DRAWS = [
    {"name": "noise 0", "group": "noise 0", "kind": "noise", "level": 0},
    {"name": "noise 0.1, draw 1", "group": "noise 0.1", "kind": "noise", "level": 0.1},
    {"name": "noise 0.1, draw 2", "group": "noise 0.1", "kind": "noise", "level": 0.1},
]


@pytest.fixture
def drawn(tmp_path) -> Path:
    """Two images, under noise drawn twice."""
    write_summary(tmp_path, about([{**PAIRS, "ids": ["01", "02"]}], DRAWS))
    values = {  # of EN, by condition and image, without and with TTD
        ("noise 0", "01"): (7.0, 7.5),
        ("noise 0", "02"): (6.0, 6.5),
        ("noise 0.1, draw 1", "01"): (5.0, 4.0),
        ("noise 0.1, draw 2", "01"): (6.0, 8.0),
        ("noise 0.1, draw 1", "02"): (1.0, 1.0),
        ("noise 0.1, draw 2", "02"): (2.0, NAN),
    }
    for (condition, id_), pair in values.items():
        for name, value, ms in zip(("Net", "Net+TTD"), pair, (10, 20), strict=True):
            write_values(tmp_path, [(("pairs", "vif", condition, id_, name), (value, 1, 0, ms))])
    return tmp_path


def test_the_value_of_an_image_is_the_mean_of_its_draws(drawn):
    plain, noisy = summarise(Run.open(drawn))
    place = [noisy[name] for name in ("condition", "kind", "level", "draws", "images", "ids")]
    assert place == ["noise 0.1", "noise", 0.1, 2, 2, ["01", "02"]]
    assert (plain["level"], plain["draws"]) == (0, 1)
    assert noisy["means"]["Net"]["EN"] == (5.5 + 1.5) / 2
    assert noisy["means"]["Net+TTD"]["EN"] == 6  # of 02 one draw is not defined
    assert noisy["counts"]["Net+TTD"]["EN"] == 1
    difference = noisy["differences"]["Net+TTD"]["EN"]
    assert (difference["mean"], difference["images"]) == (0.5, 1)


def test_one_value_per_image_is_there_for_who_needs_it(drawn):
    run = Run.open(drawn)
    samples = [one for one in run.samples if one.condition != "noise 0"]
    assert values_of(samples, ["01", "02"], "Net", "EN").tolist() == [5.5, 1.5]
    assert np.isnan(values_of(samples, ["01", "02"], "near alone", "EN")).all()


def test_rd_is_in_few_numbers_by_method_and_source(folder):
    """Means over the images, but the smallest and the largest value of all."""
    rows = {
        ("01", "ir"): (0.4, 0.1, 0.8, 0.25, -0.5),
        ("02", "ir"): (0.6, 0.2, 0.9, 0.75, NAN),
        ("01", "vi"): (0.6, 0.2, 0.9, 0.75, -0.1),
    }
    write_rd(
        folder,
        [(("pairs", "vif", "", id_, "Net+TTD", name), row) for (id_, name), row in rows.items()],
    )
    pairs, stacks = summarise(Run.open(folder))
    assert list(pairs["rd"]) == ["Net+TTD"]
    assert list(pairs["rd"]["Net+TTD"]) == ["vi", "ir"]  # as the data name them
    found = pairs["rd"]["Net+TTD"]["ir"]
    expected = {"mean": 0.5, "low": 0.1, "high": 0.9, "above_equal": 0.5, "correlation": -0.5}
    assert found == pytest.approx({"images": 2, **expected})
    assert stacks["rd"] == {}


def test_the_theorem_is_by_method_its_shares_are_of_the_images_with_a_bound(folder):
    cells = {
        ("01", "vi"): {"rd": 0.5, "loss": 0.25, "covariance": -0.5, "dynamic_is_lower": 1},
        ("01", "ir"): {"rd": 0.5, "loss": 0.75, "covariance": 0.0, "dynamic_is_lower": 1},
        ("02", "vi"): {"rd": 0.25, "loss": 0.25, "covariance": -0.25, "dynamic_is_lower": 0},
        ("02", "ir"): {"rd": 0.75, "loss": 0.25, "covariance": 0.25, "dynamic_is_lower": 0},
        ("03", "vi"): {"loss": 0.25},
        ("03", "ir"): {"loss": 0.25},
    }
    write_theorem(
        folder,
        {("pairs", "vif", "", id_, "Net+TTD", name): row for (id_, name), row in cells.items()},
    )
    found = summarise(Run.open(folder))[0]["theorem"]["Net+TTD"]
    assert (found["images"], found["dynamic_is_lower"]) == (2, 0.5)
    assert found["sources"]["vi"]["covariance"] == -0.375
    assert found["sources"]["ir"]["rd"] == 0.625
    assert "truth_loss" not in found["sources"]["vi"]  # measured nowhere
    assert "dynamic_error" not in found
