import re

import pytest

from replication.experiments import SETTINGS
from replication.page import SECTIONS, left

from .conftest import lines_of


@pytest.fixture
def page(replicated):
    """The text of the page."""
    return (replicated / "page.md").read_text(encoding="utf-8")


def test_every_number_in_a_table_is_in_the_file_beside_it(replicated, page):
    for name in ("tables", "masking", "contrast", "time_of_day", "truth"):
        text = page.partition(f"Every number: [{name}.csv]")[0].rpartition("|---|")[2]
        allowed = {
            f"{float(line[key]):+.{digits}f}".replace("-", "−")
            for line in lines_of(replicated, name)
            for key in ("published", "measured", "low", "high")
            if line[key]
            for digits in (2, 3, 4)
        }
        numbers = re.findall(r"[+−]\d+\.\d+", text)
        assert numbers
        assert [one for one in numbers if one not in allowed] == [], name


def test_counts_are_those_of_the_file(replicated, page):
    lines = [one for one in lines_of(replicated, "tables") if one["table"] == "3"]
    sign = sum(one["verdict"] != "not replicated" for one in lines)
    size = sum(one["verdict"] == "replicated" for one in lines)
    assert re.search(rf"^\| 3 \| paper \|.*; {sign}, {size} of 7", page, re.M)


def test_every_claim_has_its_verdict_at_the_top(page):
    verdicts = page.partition("## Verdicts")[2].partition("\n## ")[0]
    titles = [title for _, title in SECTIONS.values() if title]
    assert re.findall(r"^- (.*?): ", verdicts, re.M) == titles
    assert "not measured" not in verdicts


def test_the_page_names_what_made_it_but_no_folder(replicated, page):
    for file in (replicated / "page.md", *(replicated / "page").iterdir()):
        assert str(replicated) not in file.read_text(encoding="utf-8")
    assert "| MRI-CT | mif | 3 | 3 | no |" in page
    assert "| Savic | mff | 2 | 2 | yes |" in page
    command = "--data MRI-CT=medical TNO=infrared Savic=truth \\\n    --weights IFCNN-MAX=bundled"
    assert command in page
    for label in SETTINGS:
        assert f"\n| {label} | " in page


def test_what_is_not_measured_is_told(page):
    told = page.partition("## What is not measured")[2].partition("\n## ")[0]
    assert (
        "LLVIP (published in 1a, 4, 5, 8): the names of 69 of the 70 pairs are known, but the "
        "images are not available here; set beside TNO." in told
    )
    assert "MSRS (published in 1b): the images are not available here." in told
    assert "MRI-CT" not in told
    assert "CDDFuse+TTD" in told


def test_nothing_of_ifcnn_is_left_where_all_data_are_at_hand():
    names = ("LLVIP", "MSRS", "MEFB", "MFI-WHU", "MRI-CT", "MRI-PET", "MRI-SPECT")
    assert not any("published in" in one for one in left(dict.fromkeys(names, 1)))
