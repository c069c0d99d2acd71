"""Findings are worked out again from the values per image."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from fusionlab.data.opening import open_data
from fusionlab.evaluation.conditions import with_parameter_noise
from fusionlab.evaluation.scoring import Scorer
from fusionlab.fusing import Fuser
from fusionlab.metrics import open_metrics
from fusionlab.runs.statistics import compare
from fusionlab.settings import Data
from replication import claims
from replication.experiments import DRAWS, Weights

from .conftest import lines_of

pytestmark = pytest.mark.slow  # all look at one measurement of several seconds
TTD = "IFCNN-MAX+TTD ({})"


def rows(root, data, claim, name="per_image.csv"):
    path = root / "values" / "IFCNN-MAX" / data / claim / name
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(lines, heading, **place):
    (key,) = (one for one in lines[0] if one.partition(":")[0] == heading)
    found = [one for one in lines if all(one[name] == value for name, value in place.items())]
    return np.array([float(one[key]) for one in found])


@pytest.mark.parametrize(
    ("metric", "static", "difference"), [("SD", 61.98, 4.16), ("CE", 4.72, -0.09)]
)
def test_a_published_row_is_set_beside_the_values_per_image(replicated, metric, static, difference):
    values = rows(replicated, "MRI-CT", "tables")
    old, new = (column(values, metric, method=one) for one in ("IFCNN-MAX", TTD.format("paper")))
    (line,) = (
        one
        for one in lines_of(replicated, "tables")
        if (one["table"], one["what"]) == ("3", metric)
    )
    expected = [static, old.mean(), difference, (new - old).mean()]
    names = ("published_static", "measured_static", "published", "measured")
    assert [float(line[name]) for name in names] == pytest.approx(expected, rel=1e-5)
    assert line["images"] == "3"


def test_other_data_stand_for_the_papers(replicated):
    tables = {(one["table"], one["data"]) for one in lines_of(replicated, "tables")}
    assert tables == {("3", "MRI-CT"), ("1a", "TNO"), ("4", "TNO"), ("5", "TNO")}
    # a setting against the row of TTD, of tables that do not compare settings
    others = [one for one in lines_of(replicated, "settings") if one["setting"] == "authors"]
    assert [(one["data"], one["published"]) for one in others if one["what"] == "SD"] == [
        ("TNO", "1.24"),
        ("MRI-CT", "4.16"),
    ]


def test_noise_is_the_mean_of_its_draws(replicated):
    """An image with noise on the parameters is fused and scored here again."""
    network = Weights("", "bundled").open("vif")
    (dataset,) = open_data(Data(root=str(replicated / "infrared")))
    scorer = Scorer(open_metrics("ttd"), False)
    sample, scores = dataset[0], []
    for seed in range(DRAWS):
        picture = Fuser(with_parameter_noise(network, 0.5, seed), "vif")(sample)
        scores.append(scorer.values(picture.grey, sample["grey"], None))
    place = list(scorer.metrics).index("SD")
    values = rows(replicated, "TNO", "noise")
    draws = [
        column(values, "SD", method="IFCNN-MAX", condition=f"noise 0.5, draw {k + 1}", id="1D")[0]
        for k in range(DRAWS)
    ]
    assert draws == pytest.approx([one[place] for one in scores])
    noisy = [one for one in values if one["condition"].startswith("noise 0.5")]
    static = column(noisy, "SD", method="IFCNN-MAX")
    (line,) = (
        one for one in lines_of(replicated, "noise") if (one["noise"], one["what"]) == ("0.5", "SD")
    )
    assert float(line["measured_static"]) == pytest.approx(np.mean(static), rel=1e-5)
    assert float(line["published"]) == 4.94


def test_a_time_is_the_ratio_to_the_static_networks(replicated):
    values = rows(replicated, "MRI-CT", "times")
    old, new = (column(values, "ms", method=one) for one in ("IFCNN-MAX", TTD.format("paper")))
    lines = lines_of(replicated, "times")
    own = [one for one in lines if one["network"] == "IFCNN"]
    assert len(old) == 2
    assert [float(one["published"]) for one in own] == [-0.78, 1.0]  # as printed, and in words
    for line in own:
        assert float(line["measured"]) == pytest.approx((new / old - 1).mean(), rel=1e-4)
    assert [(one["network"], one["weights"], one["published"]) for one in lines[:2]] == [
        ("CDDFuse", "untrained", "0.61"),
        ("PIAFusion", "untrained", "0.96"),
    ]


@pytest.mark.parametrize(("metric", "sign"), [("EN", 1), ("CE", -1)])
def test_signs_are_compared_with_each_other(replicated, metric, sign):
    values = rows(replicated, "TNO", "tables")
    positive, negative = (
        column(values, metric, method=TTD.format(one)) for one in ("authors, positive", "authors")
    )
    (line,) = (
        one
        for one in lines_of(replicated, "signs")
        if (one["setting"], one["data"], one["what"]) == ("authors", "TNO", metric)
    )
    found = compare(positive, negative, sign > 0)
    numbers = [float(line[name]) for name in ("measured", "low", "high", "improved")]
    expected = [found.mean, found.low, found.high, found.improved]
    assert numbers == pytest.approx(expected, rel=1e-4)
    low, high = (found.low, found.high) if sign > 0 else (-found.high, -found.low)
    told = "holds" if low > 0 else "the reverse" if high < 0 else "undecided"
    assert line["verdict"] == told


def test_the_truth_is_asked_by_psnr_alone(replicated):
    signs = [one for one in lines_of(replicated, "signs") if one["what"].endswith("truth")]
    assert {(one["measured_by"], one["what"]) for one in signs} == {("PSNR, Savic", "PSNR_truth")}
    values = rows(replicated, "Savic", "tables")
    old, new = (
        column(values, "PSNR_truth", method=one) for one in ("IFCNN-MAX", TTD.format("structure"))
    )
    line = lines_of(replicated, "truth")[-1]
    assert float(line["measured"]) == pytest.approx((new - old).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "change", "source", "before", "after"),
    [
        ("masking", "vi, whole to masked", "vi", "clean", "mask 4 of vi"),
        ("masking", "ir, whole to masked", "ir", "clean", "mask 4 of ir"),
        ("contrast", "vi, 100 % to 40 %", "vi", "clean", "contrast 1"),
        ("contrast", "vi, 20 % to 5 %", "vi", "contrast 3", "contrast 5"),
    ],
)
def test_probes_are_changes_of_rd(replicated, name, change, source, before, after):
    values = rows(replicated, "TNO", "masking-and-contrast", "rd.csv")
    place = {"method": TTD.format("authors"), "source": source}
    old, new = (column(values, "mean", **place, condition=one) for one in (before, after))
    (line,) = (
        one
        for one in lines_of(replicated, name)
        if (one["setting"], one["change"]) == ("authors", change)
    )
    found = compare(old, new, higher_is_better=False)
    assert len(old) == 4
    numbers = [float(line[one]) for one in ("measured", "low", "high")]
    assert numbers == pytest.approx([found.mean, found.low, found.high], rel=1e-4)
    told = "holds" if found.high < 0 else "the reverse" if found.low > 0 else "undecided"
    assert line["verdict"] == told


def test_day_and_night_are_different_images(replicated):
    values = rows(replicated, "TNO", "time-of-day", "rd.csv")
    place = {"method": TTD.format("paper"), "source": "vi"}
    day, night = (column(values, "mean", **place, condition=one) for one in ("day", "night"))
    (line,) = (one for one in lines_of(replicated, "time_of_day") if one["setting"] == "paper")
    assert line["measured_on"] == "TNO, 2 by day, 2 by night"
    assert float(line["measured"]) == pytest.approx(day.mean() - night.mean(), rel=1e-4)
    assert line["verdict"] == ("holds" if float(line["low"]) > 0 else "undecided")


def test_data_sets_that_name_their_sources_otherwise_are_pooled():
    """Two images, then one; RD of a source falls by 0.1, that of the other rises."""

    class Probed:
        weights, images = "MAX", 3

        def __init__(self, data, sources, count):
            self.data, self.count = data, count
            dataset = SimpleNamespace(source_names=[sources])
            self.experiment = SimpleNamespace(claim="masking and contrast", dataset=dataset)

        def rd(self, preset, source, condition):
            assert condition in ("clean", f"mask 4 of {source}")
            changes = {"vi": -0.1, "visible": -0.1, "ir": 0.1, "infrared": 0.1}
            return np.full(self.count, 0.5 + (condition != "clean") * changes[source])

    own = [Probed("TNO", ("vi", "ir"), 2), Probed("LLVIP", ("visible", "infrared"), 1)]
    first, *_, last = claims.masking(own)
    for finding, change, verdict in ((first, -0.1, "holds"), (last, 0.1, "the reverse")):
        assert finding.measured.mean == pytest.approx(change)
        assert finding.measured.images == 3
        assert finding.verdict == verdict
        assert finding.row["Measured on"] == "TNO, 3; LLVIP, 3"
