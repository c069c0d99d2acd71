import csv
from dataclasses import asdict

import numpy as np
import pytest

from fusionlab.metrics.theorem import COLUMNS
from fusionlab.report.results import summary
from fusionlab.report.theorem import (
    small,
    theorem_convention,
    theorem_line,
    write_theorem,
)
from fusionlab.settings import TTD
from fusionlab.training.scoreboard import TheoremScores

from .test_results import NamedData


def line(covariance, is_lower=np.nan):
    found = {"covariance": covariance, "static_bound": 2.0, "dynamic_is_lower": is_lower}
    return list((dict.fromkeys(COLUMNS, np.nan) | found).values())


@pytest.fixture
def theorem() -> TheoremScores:
    """Two images, the second with one source."""
    found = {"covariance/vi": -0.25, "covariance/ir": 0.5, "loss/vi": np.nan, "loss/ir": 0.125}
    return TheoremScores(
        means={**found, "static_bound": 2.0, "static_error": np.nan, "dynamic_is_lower": 0.5},
        lines={0: {"vi": line(-0.5, 1.0), "ir": line(0.5, 1.0)}, 2: {"vi": line(0.0, 0.0)}},
    )


def test_one_line_per_image_and_source(tmp_path, scores, theorem):
    scores.theorem = theorem
    write_theorem(tmp_path / "theorem.csv", [(NamedData(), scores)])
    with (tmp_path / "theorem.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(one["id"], one["source"], one["covariance"]) for one in lines] == [
        ("a", "vi", "-0.5"),
        ("a", "ir", "0.5"),
        ("c", "vi", "0.0"),
    ]
    assert (lines[0]["static_bound"], lines[0]["static_error"]) == ("2.0", "")


def test_the_summary_has_the_means_that_are_defined(scores, theorem):
    assert summary([(NamedData(), scores)])[0]["theorem"] is None
    scores.theorem = theorem
    assert summary([(NamedData(), scores)])[0]["theorem"] == {
        "sources": {"vi": {"covariance": -0.25}, "ir": {"loss": 0.125, "covariance": 0.5}},
        "static_bound": 2.0,
        "dynamic_is_lower": 0.5,
    }


def test_the_line(theorem):
    expected = "theorem: Eq. 5 holds on 1 of 2 images; Cov(ω, ℓ) −0.25 (vi), 0.5 (ir)"
    assert theorem_line(theorem) == expected
    del theorem.lines[2]
    assert theorem_line(theorem).startswith("theorem: Eq. 5 holds on 1 of 1 image; Cov")


def test_an_image_without_a_bound_is_not_counted(theorem):
    theorem.lines[3] = {"vi": line(np.nan, is_lower=np.nan)}
    assert theorem_line(theorem).startswith("theorem: Eq. 5 holds on 1 of 2 images; Cov")
    nothing = TheoremScores({"covariance/vi": np.nan}, {3: theorem.lines[3]})
    assert theorem_line(nothing) == "theorem: Eq. 5 holds on 0 of 0 images; Cov(ω, ℓ) nan (vi)"


def test_the_line_of_many_sources_fits_and_parts_no_number_from_its_source():
    names = [f"exposure {k}" for k in range(6)]
    found = {f"covariance/{name}": -1.5e-5 * 10**k for k, name in enumerate(names)}
    images = {k: {name: line(0, is_lower=k % 3 > 0) for name in names} for k in range(1200)}
    lines = theorem_line(TheoremScores(found, images)).splitlines()
    assert lines[0].startswith("theorem: Eq. 5 holds on 800 of 1200 images; Cov(ω, ℓ) −1.5e−05 (")
    assert len(lines) > 1
    assert all(len(one) <= 80 for one in lines)
    assert all(one.endswith(("),", ")")) for one in lines)


@pytest.mark.parametrize(
    ("value", "text"), [(-0.001234, "−0.0012"), (3e-7, "3e−07"), (0.0, "0"), (np.nan, "nan")]
)
def test_two_digits_that_count(value, text):
    assert small(value) == text


def convention(with_truth=False, **settings):
    return theorem_convention(asdict(TTD(**settings).resolved(True)), with_truth)


def test_the_convention_says_what_is_shown_and_what_is_not():
    paper = convention(preset="paper")
    assert "ω is RD. ℓ is the l1 loss" in paper
    assert "against that source." in paper
    assert "leaves out the constant" in paper
    assert "truth" not in paper
    assert "RD itself" not in paper
    gradient = {"preset": "paper", "basis": "gradient", "loss": "objective"}
    assert "ℓ is the l1 loss" in convention(**gradient)


def test_the_convention_says_what_rd_was_made_from_if_it_is_not_the_loss():
    assert "; RD itself was made by comparing the fused image." in convention(compare="fused")
    for compare in ("components", "fused"):
        made = convention(basis="gradient", compare=compare)
        assert "; RD itself was made from gradients." in made


@pytest.mark.parametrize("loss", ["l1", "mse", "ssim", "structure"])
def test_the_convention_says_when_no_error_exceeds_the_bound(loss):
    said = convention(True, loss=loss, normalization="softmax")
    convex = "" if loss in ("l1", "mse") else f" ({loss} is not)"
    assert f"if the loss is convex{convex}, the rule the mean, and the network linear" in said
    assert "shares" not in said


@pytest.mark.parametrize("normalization", ["peak", "none"])
def test_the_convention_says_that_weights_were_made_shares(normalization):
    said = convention(True, normalization=normalization)
    assert f"as a share, for weights of {normalization} do not sum to 1" in said
    assert f"GEB is of the shares, not of what {normalization} fused" in said
    assert "fused." not in convention(normalization=normalization, compare="components")
