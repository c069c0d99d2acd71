import csv
import json
from dataclasses import asdict, dataclass

import pytest

from fusionlab.report.results import summary, ttd_line, write_json, write_per_image
from fusionlab.settings import TTD


@dataclass
class NamedData:
    """As much of a data set as results need."""

    name: str = "pairs"
    task: str = "vif"
    ids: tuple = ("a", "b", "c")

    def describe(self):
        return {"name": self.name}


def test_one_line_per_image_and_row(tmp_path, scores):
    headings = {"EN": "EN:ttd", "CE": "CE:vifb", "PSNR_truth": "PSNR_truth:paper", "MI": "MI:paper"}
    write_per_image(tmp_path / "values.csv", [(NamedData(), scores)], headings)
    with (tmp_path / "values.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["id"], line["row"]) for line in lines[:4]] == [
        ("a", "static"),
        ("b", "static"),
        ("c", "static"),
        ("a", "ttd"),
    ]
    assert len(lines) == 9
    assert (lines[4]["EN:ttd"], lines[4]["PSNR_truth:paper"], lines[4]["ms"]) == (
        "3.0",
        "39.0",
        "9.0",
    )
    assert (lines[8]["CE:vifb"], lines[8]["MI:paper"], lines[8]["ms"]) == ("nan", "", "")


def test_the_summary_has_means_differences_and_median_times(scores):
    (found,) = summary([(NamedData(), scores)])
    assert found["images"] == 3
    assert found["means"]["static"] == {"EN": 2.0, "CE": 12.0, "PSNR_truth": 40.0}
    assert found["ttd_minus_static"]["CE"]["mean"] == pytest.approx(-2)
    assert found["ttd_minus_static"]["CE"]["improved"] == 1.0
    assert found["median_ms_per_image"] == {"static": 5.0, "ttd": 9.0}


def test_json_has_no_words_that_json_does_not_know(tmp_path):
    write_json(tmp_path / "a.json", {"nan": float("nan"), "inf": [float("inf")], "one": (1, "x")})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "nan": None,
        "inf": ["inf"],
        "one": [1, "x"],
    }


def test_ttd_in_a_line():
    settings = asdict(TTD("paper"))
    expected = "l1 loss of components, temperature 1, exp, softmax, negative correlation"
    assert ttd_line(settings) == expected
    dynamic = {**settings, "basis": "gradient", "channel": 58, "temperature": "auto"}
    assert ttd_line(dynamic) == "gradient (channel 58) of the " + expected.replace(
        "1, e", "auto, e"
    )
