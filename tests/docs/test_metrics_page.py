"""The page docs/metrics.md, and what makes it (docs/makers)."""

import re
from pathlib import Path

import pytest

from fusionlab.metrics import METRICS, Convention
from metrics_definition import definition, forms
from metrics_page import filled, markdown, metrics_page, table
from metrics_text import CODE_BASES

COMMAND = "python docs/makers/metrics_page.py > docs/metrics.md"
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def sections(page):
    """Texts below the headings of third order, by heading."""
    return dict(part.split("\n", 1) for part in re.split(r"^### ", page, flags=re.M)[1:])


@pytest.mark.slow  # every metric in every convention
def test_the_page_is_what_the_command_prints(page):
    printed = metrics_page()
    assert NUMBER.sub("#", page) == NUMBER.sub("#", printed), f"run {COMMAND}"
    written, computed = ([float(n) for n in NUMBER.findall(text)] for text in (page, printed))
    # another processor may round a few pixels of the scene to the next level
    assert written == pytest.approx(computed, rel=2e-3), f"run {COMMAND}"


def test_the_page_says_what_made_it(page):
    assert COMMAND in page[:200]


@pytest.mark.parametrize("name", METRICS)
def test_every_convention_has_a_row_with_a_value(page, name):
    metric = METRICS[name]
    section = sections(page)[metric.name]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row[0])]
    assert sorted(keys) == sorted(metric.conventions)
    assert all(re.search(r"\d \|$", row[-1]) for row in rows)
    assert f"| [{metric.name}](#{name}) | {metric.long_name} | " in page


def test_every_convention_belongs_to_a_code_base_that_is_named():
    keys = {key for metric in METRICS.values() for key in metric.conventions}
    assert {key for key in keys if not key.startswith(tuple(CODE_BASES))} == set()


def test_every_link_within_the_page_has_its_heading(page):
    headings = re.findall(r"^#+ (.*)", page, flags=re.M)
    anchors = {re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors


def test_every_row_of_a_table_has_the_columns_of_its_heading(page):
    for block in re.findall(r"(?:^\|.*\n)+", page, flags=re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_a_definition_is_read_from_the_docstring():
    said = definition(METRICS["ei"])
    assert said.name == "edge_intensity"
    assert said.formula == ["Mean magnitude of the Sobel gradient."]
    assert said.convention.startswith("kernel [1 2 1] times [1 0 -1]; replicated border;")
    assert said.span == "in eighths of a grey level per pixel"
    assert said.source.startswith("Rajalingam and Priya")
    assert not said.uses_sources
    assert definition(METRICS["mi"]).uses_sources


def test_conventions_that_compute_and_say_the_same_share_a_row():
    conventions = {
        "paper": Convention("as it should be"),
        "one": Convention("as paper"),
        "two": Convention("as one"),
        "other": Convention("as paper, but twice", {"scale": 2}),
        "printed": Convention("as paper; printed otherwise"),
    }
    assert forms(conventions) == [
        (["paper", "one", "two"], "as it should be"),
        (["other"], "as paper, but twice"),
        (["printed"], "as paper; printed otherwise"),
    ]


def test_worked_values_and_their_ratios_are_filled_in():
    values = {"ei:mefb": 10.0, "ag:mefb": 4.0}
    assert filled("{ei:mefb} of {ei:mefb / ag:mefb}", values) == "10 of 2.5"


def test_markdown_of_a_docstring():
    text = ":func:`~fusionlab.metrics.entropy.entropy` of ``fused``"
    assert markdown(text) == "[EN](#en) of `fused`"
    assert table(("a", "worked value"), [("|x|", "1")]).splitlines() == [
        "| a | worked value |",
        "| --- | ---: |",
        r"| \|x\| | 1 |",
    ]
