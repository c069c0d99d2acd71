import csv
import re
from pathlib import Path

import numpy as np
import pytest

from fusionlab.data.dataset import open_folder
from fusionlab.errors import InputError
from fusionlab.laboratory.outcome import Measure, Outcome
from fusionlab.laboratory.replication import __main__ as replication
from fusionlab.laboratory.replication.criterion import (
    effect_on_truth,
    passes,
    recommended,
    share_improved,
)
from fusionlab.laboratory.replication.page import page
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    SIGN_ONLY,
    load_published,
    verdict,
    verdict_of_all,
)
from fusionlab.laboratory.replication.tables import claims
from fusionlab.networks import IFCNN
from fusionlab.networks.checkpoints import bundled_checkpoint
from fusionlab.report.statistics import Comparison
from fusionlab.report.table import number
from fusionlab.settings import Data

from ..conftest import write_pairs

PAPER = Path(__file__).parents[4] / "shared" / "ttd_paper_tables.md"


def measured(low: float, high: float) -> Comparison:
    return Comparison((low + high) / 2, low, high, 0.5, 10)


@pytest.mark.parametrize(
    ("published", "low", "high", "expected"),
    [
        (1.0, 0.5, 1.5, REPLICATED),
        (1.0, 0.1, 0.5, SIGN_ONLY),
        (1.0, 1.5, 2.5, SIGN_ONLY),
        (1.0, -0.5, 1.5, NOT_REPLICATED),  # the size fits, but so does no effect
        (1.0, -1.5, -0.5, NOT_REPLICATED),
        (-0.09, -0.2, -0.05, REPLICATED),  # CE falls
        (-0.09, 0.05, 0.2, NOT_REPLICATED),
        (0.04, 0.045, 0.06, REPLICATED),  # printed with two decimals
        (0.0, -0.1, 0.2, REPLICATED),
        (0.0, 0.02, 0.2, NOT_REPLICATED),
        (1.0, float("nan"), float("nan"), NOT_REPLICATED),  # one image
    ],
)
def test_verdict_needs_sign_and_size(published, low, high, expected):
    assert verdict(published, measured(low, high)) == expected


def test_a_table_is_as_good_as_its_worst_metric():
    assert verdict_of_all([REPLICATED, REPLICATED]) == REPLICATED
    assert verdict_of_all([REPLICATED, SIGN_ONLY]) == SIGN_ONLY
    assert verdict_of_all([NOT_REPLICATED, REPLICATED, SIGN_ONLY]) == NOT_REPLICATED


def test_differences_of_table_3_are_those_printed():
    table = load_published().tables["3"]
    # its "Improve" row; that of CE has the sign of an improvement
    assert table.differences("paper") == [0.04, 4.16, 0.41, 1.19, 1.57, 0.01, -0.09]


@pytest.mark.parametrize("number_", sorted(load_published().tables))
def test_published_figures_are_those_of_the_paper(number_):
    if not PAPER.exists():
        pytest.skip("no copy of the paper's tables beside the checkout")
    text = PAPER.read_text(encoding="utf-8")
    part = re.split(rf"## Table {number_}\. ", text)[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines()]
    printed = {line[0]: line[1:] for line in lines if line}
    table = load_published().tables[number_]
    heading = printed.get("Method") or printed.get("Form") or printed["Normalisation"]
    assert table.metrics == [name.strip("↑↓") for name in heading]
    for own, row in zip(("static", *table.rows), _rows(number_), strict=True):
        values = table.static if own == "static" else table.rows[own]
        found = next(cells for name, cells in printed.items() if name.startswith(row))
        assert values == [float(cell) for cell in found]


def _rows(number_: str) -> list[str]:
    """The paper's names of the static row and of ours, in our order."""
    if number_ == "4":
        names = ("-ℓ)", "Sigmoid(-ℓ))", "e^{-ℓ)")
        return ["w = 0.5", *(f"w = Softmax({name}" for name in names)]
    if number_ == "5":
        return ["baseline", "w/o norm", "Proportional Norm", "softmax(ours)"]
    return ["IFCNN [18]" if number_ != "2b" else "IFCNN", "IFCNN+TTD"]


def outcome(
    psnr: dict[str, list[float]], other: dict[str, list[float]], higher: bool = True
) -> Outcome:
    """Static is 30 dB and 0 everywhere; settings are what they add to it."""
    measures = (Measure("PSNR_truth", True, True), Measure("EN", higher))
    count = len(next(iter(psnr.values())))
    values = {"static": np.column_stack([np.full(count, 30.0), np.zeros(count)])}
    for label, added in psnr.items():
        values[label] = np.column_stack([30 + np.array(added), np.array(other[label])])
    ids = [str(k) for k in range(count)]
    return Outcome("data", "mff", "", "", 0.0, 1, ids, measures, values)


FLAT = {"a": [0.0] * 3, "b": [0.0] * 3, "c": [0.0] * 3}


def test_ground_truth_allows_a_loss_of_five_hundredths_of_a_decibel():
    truth = outcome({"a": [0.5, 0.1, -0.04], "b": [0.5, 0.5, -0.06], "c": [-0.01] * 3}, FLAT)
    effect = effect_on_truth(truth, "a")
    assert effect.worst == pytest.approx(-0.04)
    assert effect.mean.mean == pytest.approx(0.56 / 3)
    assert [passes([truth], one) for one in "abc"] == [True, False, False]


def test_a_setting_must_pass_on_every_data_set():
    good, bad = outcome({"a": [0.1] * 3}, {"a": [0.0] * 3}), outcome({"a": [-0.1] * 3}, FLAT)
    assert passes([good], "a")
    assert not passes([good, bad], "a")


@pytest.mark.parametrize("higher", [True, False])
def test_share_counts_metrics_whose_whole_interval_is_better(higher):
    sign = 1 if higher else -1
    other = {"a": [sign * 0.1, sign * 0.2, sign * 0.3], "b": [sign * 0.9, -sign * 0.1, 0.0]}
    data = outcome({"a": [0.0] * 3, "b": [0.0] * 3}, other, higher)
    assert share_improved([data], "a") == (1, 1)
    assert share_improved([data], "b") == (0, 1)


def test_recommended_is_the_best_of_those_that_pass():
    truth = outcome({"a": [0.1] * 3, "b": [0.2] * 3, "c": [-1.0] * 3}, FLAT)
    data = outcome(FLAT, {"a": [0.0] * 3, "b": [0.1, 0.2, 0.3], "c": [1.0, 2.0, 3.0]})
    assert recommended([truth], [data]) == "b"
    assert recommended([outcome({"a": [-1.0] * 3}, FLAT)], [data]) is None


@pytest.fixture(scope="module")
def replicated(tmp_path_factory):
    """Results of two tiny pairs, and their values per image."""
    root = tmp_path_factory.mktemp("replication")
    pairs = write_pairs(root / "pairs", names=("1", "2", "3"), sources=("MRI", "CT"))
    truth = write_pairs(root / "truth", sources=("near", "far", "gt"))
    scenes = [open_folder(Data(root=str(truth)), IFCNN.rgb_tasks, IFCNN.channels)]
    results = replication.replicate(
        {"MRI-CT": str(pairs)},
        {"IFCNN-MAX": str(bundled_checkpoint("ifcnn"))},
        {"MRI-CT": 2},
        scenes,
        root / "values",
    )
    return results, root


def test_a_line_of_the_page_is_worked_out_from_the_values_per_image(replicated):
    results, root = replicated
    with (root / "values" / "per_image.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if line["weights"].startswith("IFCNN-MAX ")]
    text = page(load_published(), results)
    for metric, printed in (("SD", "61.98 | 66.14 | +4.16"), ("CE", "4.72 | 4.63 | −0.09")):
        means = [
            np.mean(
                [
                    float(line[metric])
                    for line in lines
                    if line["setting"] == setting and line["data"].startswith("MRI-CT ")
                ]
            )
            for setting in ("static", "paper")
        ]
        static, ttd = map(number, means)
        difference = number(means[1] - means[0], signed=True)
        arrow = "↓" if metric == "CE" else "↑"
        assert f"| {metric}{arrow} | {printed} | {static} | {ttd} | {difference} [" in text


def test_every_number_in_tables_comes_from_the_results(replicated):
    results, _ = replicated
    text = page(load_published(), results)
    allowed = _published_numbers() | _measured_numbers(results) | {_static_off(results)}
    for line in text.splitlines():
        if line.startswith("|") and "---" not in line:
            cells = re.sub(r"IFCNN-MAX|channel 58|\bl1\b|\d+ of \d+|\(\d+ %\)", "", line)
            numbers = re.findall(r"[+−]?\d+(?:\.\d+)?", cells)
            assert [one for one in numbers if one not in allowed] == [], line


def _static_off(results) -> str:
    table, outcome = load_published().tables["3"], results.data[0].outcome
    names = [one.name for one in outcome.measures]
    found = outcome.values["static"].mean(0)[[names.index(one) for one in table.metrics]]
    return f"{np.mean(np.abs(found / table.static - 1)) * 100:.0f}"


def _published_numbers() -> set[str]:
    published = load_published()
    found = set()
    for number_, table in published.tables.items():
        found |= {number_.strip("ab"), str(table.images)}
        for row, values in (("", table.static), *table.rows.items()):
            found |= {f"{value:.2f}" for value in values}
            if row:
                found |= {f"{one:+.2f}".replace("-", "−") for one in table.differences(row)}
    for static, ttd in published.times.values():
        found |= {f"{static:g}", f"{ttd:g}", f"{ttd / static:.2f}"}
    return found


def _measured_numbers(results) -> set[str]:
    found = {"2"}  # images
    for one in (*results.data, *results.truth, *results.times):
        values = one.outcome.values
        for label, array in values.items():
            differences = array - values["static"]
            found |= {number(value) for value in array.mean(0)}
            found |= {number(value, signed=True) for value in differences.flat}
            if label == "static":
                continue
            for comparison in one.outcome.against_static[label]:
                parts = (comparison.mean, comparison.low, comparison.high)
                found |= {number(value, signed=True) for value in parts}
                if comparison.images:
                    found.add(f"{100 * comparison.improved:.0f}")
    return found


def test_the_page_names_what_made_it_but_no_folder(replicated):
    results, root = replicated
    text = page(load_published(), results)
    assert str(root) not in text
    assert "MRI-CT: 2 of 3 images at hand, the first by name" in text
    assert "--data MRI-CT=DIR \\\n    --weights IFCNN-MAX=FILE \\\n    --limit MRI-CT=2" in text
    assert f"SHA-256 {results.weight_hashes['IFCNN-MAX'][:16]}" in text
    assert "Table 1a, IFCNN and IFCNN+TTD: LLVIP is not at hand" in text


def test_nothing_published_is_set_against_the_packages_own_weights(replicated):
    results, _ = replicated
    assert {one.weights for one in results.data} == {"IFCNN-MAX"}
    assert {one.weights for one in results.truth} == {"IFCNN-MAX", "bundled"}


def test_values_are_kept(replicated, monkeypatch):
    results, root = replicated
    monkeypatch.setattr("fusionlab.networks.IFCNN.encode", None)  # nothing is fused again
    again = replication.replicate(
        {"MRI-CT": str(root / "pairs")},
        {"IFCNN-MAX": str(bundled_checkpoint("ifcnn"))},
        {"MRI-CT": 2},
        [open_folder(Data(root=str(root / "truth")), IFCNN.rgb_tasks, IFCNN.channels)],
        root / "values",
    )
    assert again.kept == 3 * 2 * (1 + len(results.settings))
    first, second = (page(load_published(), one) for one in (results, again))
    kept = f"{again.kept} rows of values were kept from an earlier run."
    assert second.replace(kept, "") == first


def test_claims_know_other_data(replicated):
    results, _ = replicated
    (one,) = claims(load_published(), [results.data[0]])
    assert (one.number, one.row, one.on_other_data) == ("3", "paper", False)
    moved = results.data[0]._replace(
        outcome=Outcome(**{**vars_of(results.data[0].outcome), "data": "TNO"})
    )
    assert all(claim.on_other_data for claim in claims(load_published(), [moved]))


def vars_of(outcome: Outcome) -> dict:
    return {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "Elsewhere=x", "--weights", "a=b"], "no published figures for Elsewhere"),
        (["--data", "TNO", "--weights", "a=b"], "must be NAME=VALUE, got 'TNO'"),
        (["--data", "TNO=x", "TNO=y", "--weights", "a=b"], "--data names one twice"),
        (["--data", "TNO=x", "--weights", "a=b", "-o", "no/p.md"], "no folder no for the page"),
        (["--data", "TNO=x", "--weights", "a=b", "--limit", "TNO=0"], "at least 1, got 0"),
        (["--data", "TNO=x", "--weights", "a=b", "--limit", "MEFB=2"], "which --data has not"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    with pytest.raises(SystemExit) as stop:
        replication.main(arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error
    assert error.count("\n") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_packages_own_weights_keep_their_name(tmp_path):
    pairs = write_pairs(tmp_path / "pairs", sources=("MRI", "CT"))
    with pytest.raises(InputError, match="give yours another name"):
        replication.replicate({"MRI-CT": str(pairs)}, {"bundled": "x"}, {}, [], tmp_path / "values")
