import re
from pathlib import Path

import pytest

from fusionlab.runs.statistics import Comparison
from replication.published import (
    HOLDS,
    NOT_REPLICATED,
    REPLICATED,
    REVERSED,
    SIGN_ONLY,
    UNDECIDED,
    load_published,
    verdict,
    verdict_of_all,
    verdict_of_sign,
)

PAPER = Path(__file__).parents[3] / "shared" / "ttd_paper_tables.md"


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


def test_a_row_is_as_good_as_its_worst_metric():
    assert verdict_of_all([REPLICATED, REPLICATED]) == REPLICATED
    assert verdict_of_all([REPLICATED, SIGN_ONLY]) == SIGN_ONLY
    assert verdict_of_all([NOT_REPLICATED, REPLICATED, SIGN_ONLY]) == NOT_REPLICATED


@pytest.mark.parametrize(
    ("low", "high", "claimed", "expected"),
    [
        (0.1, 0.2, 1, HOLDS),
        (0.1, 0.2, -1, REVERSED),
        (-0.2, -0.1, -1, HOLDS),
        (-0.1, 0.2, 1, UNDECIDED),
        (0.0, 0.2, 1, UNDECIDED),
        (float("nan"), float("nan"), 1, UNDECIDED),
    ],
)
def test_a_claim_needs_the_whole_interval(low, high, claimed, expected):
    assert verdict_of_sign(low, high, claimed) == expected


def test_a_data_set_stands_beside_its_own_tables_or_those_it_stands_for():
    published = load_published()
    found = {
        name: [number for number, one in published.tables.items() if published.is_beside(name, one)]
        for name in ("LLVIP", "TNO", "MSRS", "Lytro", "HDRPS")
    }
    infrared = ["1a", "4", "5"]
    assert found == {
        "LLVIP": infrared,
        "TNO": infrared,
        "MSRS": ["1b"],
        "Lytro": ["2b"],
        "HDRPS": [],
    }


def test_differences_of_table_3_are_those_printed():
    table = load_published().tables["3"]
    # its "Improve" row; that of CE has the sign of an improvement
    assert table.differences("paper") == [0.04, 4.16, 0.41, 1.19, 1.57, 0.01, -0.09]


@pytest.mark.parametrize("number_", sorted(load_published().tables))
def test_published_figures_are_those_of_the_paper(number_):
    printed = {line[0]: line[1:] for line in _printed(number_)}
    table = load_published().tables[number_]
    heading = printed.get("Method") or printed.get("Form") or printed["Normalisation"]
    assert table.metrics == [name.strip("↑↓") for name in heading]
    for own, row in zip(("static", *table.rows), _rows(number_), strict=True):
        values = table.static if own == "static" else table.rows[own]
        found = next(cells for name, cells in printed.items() if name.startswith(row))
        assert values == [float(cell) for cell in found]


@pytest.mark.parametrize("number_", ["1a", "1b", "2a", "2b", "3", "6", "7"])
def test_every_printed_row_is_measured_or_named_as_not(number_):
    names = [re.sub(r" \[\d+\]", "", line[0]) for line in _printed(number_)[2:]]
    printed = {name for name in names if not name.startswith("Improve")}
    table = load_published().tables[number_]
    assert printed == {"IFCNN", "IFCNN+TTD", *table.no_weights, *table.without_ttd}


def test_figures_under_noise_are_those_of_the_paper():
    lines = _printed("8")
    noise = load_published().noise
    rows = [line for line in lines if line[1].startswith("IFCNN")]
    assert [float(line[0]) for line in rows[::2]] == list(noise)
    for static, ttd, table in zip(rows[::2], rows[1::2], noise.values(), strict=True):
        assert table.metrics == [one.strip("↑↓") for one in lines[0][2:]]
        assert table.static == [float(cell) for cell in static[2:]]
        assert table.rows["paper"] == [float(cell) for cell in ttd[2:]]


def test_times_are_those_of_the_paper():
    printed = {line[0]: [float(cell.split()[0]) for cell in line[1:]] for line in _printed("9")[2:]}
    assert load_published().times == printed


def _printed(number_: str) -> list[list[str]]:
    """The cells of a table, its heading first."""
    if not PAPER.exists():
        pytest.skip("no copy of the paper's tables beside the checkout")
    text = PAPER.read_text(encoding="utf-8")
    part = re.split(rf"## Table {number_}\. ", text)[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def _rows(number_: str) -> list[str]:
    """The paper's names of the static row and of ours, in our order."""
    if number_ == "4":
        names = ("-ℓ)", "Sigmoid(-ℓ))", "e^{-ℓ)")
        return ["w = 0.5", *(f"w = Softmax({name}" for name in names)]
    if number_ == "5":
        return ["baseline", "w/o norm", "Proportional Norm", "softmax(ours)"]
    return ["IFCNN [18]" if number_ != "2b" else "IFCNN", "IFCNN+TTD"]
