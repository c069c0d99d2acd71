import csv
import io

import pytest

from fusionlab.runs.statistics import Comparison
from replication.cells import cell, csv_text, table, verdict_line
from replication.claims import Finding

NAN = float("nan")


def found(low, high, published=None, what="RD of vi", weights="MAX", **more):
    """A finding in the row ``a``, its mean in the middle of the interval."""
    measured = Comparison((low + high) / 2, low, high, 0.25, 4)
    return Finding({"Setting": more.pop("row", "a")}, weights, what, measured, published, **more)


def metrics(*verdicts):
    """EN, SD and so on, published as +1, with these verdicts."""
    ends = {"replicated": (0.5, 1.5), "sign only": (0.1, 0.5), "not replicated": (-1.5, -0.5)}
    names = ("EN", "SD", "SF")
    return [
        found(*ends[one], 1.0, name)
        for one, name in zip(verdicts, names[: len(verdicts)], strict=True)
    ]


def test_one_finding_is_shown_with_its_interval():
    assert cell([found(-0.3, -0.1)]) == "−0.2000 [−0.3000, −0.1000] **the reverse**"
    assert cell([found(-0.3, -0.1, sign=-1)]) == "−0.2000 [−0.3000, −0.1000] **holds**"
    assert cell([found(0.5, 1.0, 0.61, "time")]) == (
        "+0.61 published; +0.750 [+0.500, +1.000] **replicated**"
    )


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        (["replicated"] * 3, "+1.000; 3, 3 of 3 **replicated**"),
        (["replicated", "sign only", "sign only"], "+0.300; 3, 1 of 3 **sign only**"),
        (["replicated", "not replicated", "sign only"], "−1.000; 2, 1 of 3"),
    ],
)
def test_a_row_of_metrics_shows_sd_and_counts(verdicts, text):
    assert cell(metrics(*verdicts)) == text


def test_of_several_tables_only_counts_are_shown():
    assert cell(2 * metrics("replicated", "not replicated")) == "2, 2 of 4"


def test_findings_without_printed_numbers_are_counted():
    several = [found(0.1, 0.2), found(-0.2, -0.1), found(-0.1, 0.1), found(NAN, NAN)]
    assert cell(several) == "holds 1, the reverse 1, undecided 2 of 4"


def test_a_table_has_a_column_for_each_checkpoint():
    findings = [found(0.1, 0.2), found(0.1, 0.2, weights="SUM", row="b")]
    assert table(findings).splitlines() == [
        "| Setting | MAX | SUM |",
        "|---|---|---|",
        "| a | +0.1500 [+0.1000, +0.2000] **holds** |  |",
        "| b |  | +0.1500 [+0.1000, +0.2000] **holds** |",
    ]


def test_the_sentence_counts_rows_by_their_worst_metric():
    own = metrics("replicated", "sign only")
    other = [found(-1.5, -0.5, 1.0, "EN", row="b", group="elsewhere")]
    first, second = verdict_line("Table 1", [*own, *other]).split("; ")
    assert first == (
        "Table 1: of 1 comparisons 0 replicated, 1 sign only, 0 not replicated, with the published "
        "sign in 2 of 2 differences and the size too in 1"
    )
    assert second == (
        "elsewhere of 1 comparisons 0 replicated, 0 sign only, 1 not replicated, with the "
        "published sign in 0 of 1 differences and the size too in 0."
    )


def test_the_sentence_counts_what_holds():
    several = [found(0.1, 0.2), found(-0.2, -0.1), found(-0.1, 0.1)]
    line = verdict_line("Figure 6", several)
    assert line == "Figure 6: holds in 1, the reverse in 1, undecided in 1 of 3."
    assert verdict_line("Figure 8", []) == "Figure 8: not measured."


def test_details_have_every_number():
    one = found(-0.25, 0.75, 1.5, "SD", static=(37.75, 36.5), data="TNO")
    (line,) = csv.DictReader(io.StringIO(csv_text([one])))
    assert line == {
        "setting": "a",
        "weights": "MAX",
        "data": "TNO",
        "images": "4",
        "what": "SD",
        "published_static": "37.75",
        "measured_static": "36.5",
        "published": "1.5",
        "measured": "0.25",
        "low": "-0.25",
        "high": "0.75",
        "improved": "0.25",
        "verdict": "not replicated",
    }
    (line,) = csv.DictReader(io.StringIO(csv_text([found(NAN, NAN)])))
    assert (line["low"], line["published"], line["verdict"]) == ("", "", "undecided")
