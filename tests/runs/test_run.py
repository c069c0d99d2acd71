import json
import math

import pytest

from fusionlab.errors import InputError
from fusionlab.report.run import EvaluationRun

ABOUT = {
    "directions": {"EN": "higher", "CE": "lower", "Q_SF": "zero", "EI:mefb": "higher"},
    "conventions": {"EN": "a", "CE": "b", "Q_SF": "c", "EI:mefb": "d", "mean": "e"},
    "data": [{"name": "x", "ids": ["01", "02"]}],
    "results": [],
}
HEADING = "data,task,id,row,EN:ttd,CE:ttd,Q_SF:paper,EI:mefb,ms\r\n"


def written(folder, about=ABOUT, **files):
    (folder / "summary.json").write_text(json.dumps(about))
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text(HEADING + lines)
    return folder


def test_values_are_by_row_and_short_name(tmp_path):
    lines = "x,vif,01,static,1.5,nan,,4,20\r\nx,vif,01,ir alone,2,3,4,5,\r\n"
    run = EvaluationRun.open(written(tmp_path, per_image=lines))
    (sample,) = run.samples
    assert list(sample.values["static"]) == ["EN", "CE", "EI:mefb"]
    assert sample.values["static"]["EN"] == 1.5
    assert math.isnan(sample.values["static"]["CE"])
    assert sample.values["ir alone"]["EI:mefb"] == 5
    assert sample.milliseconds == {"static": 20}
    assert (sample.source_names, sample.fused_rows) == (("ir",), ("static",))
    assert run.higher_is_better == {"EN": True, "CE": False, "Q_SF": None, "EI:mefb": True}
    assert not run.finished


def test_what_several_processes_wrote_comes_in_the_order_of_the_data(tmp_path):
    second, first = "x,vif,02,static,1,1,1,1,1\r\n", "x,vif,01,static,2,2,2,2,2\r\n"
    files = {"per_image": second, "per_image-1": first}
    run = EvaluationRun.open(written(tmp_path, **files))
    assert [sample.id for sample in run.samples] == ["01", "02"]


def test_a_line_that_is_being_written_is_not_read(tmp_path):
    lines = "x,vif,01,static,1,1,1,1,1\r\nx,vif,02,static,1,1,1"
    run = EvaluationRun.open(written(tmp_path, per_image=lines))
    assert [sample.id for sample in run.samples] == ["01"]


def test_the_theorem_is_by_source_and_column(tmp_path):
    folder = written(tmp_path, per_image="x,vif,01,static,1,1,1,1,1\r\n")
    heading = "data,task,id,source,covariance,truth_loss\r\n"
    (folder / "theorem.csv").write_text(heading + "x,vif,01,vi,-0.5,\r\nx,vif,02,vi,1,1\r\n")
    (folder / "theorem-1.csv").write_text(heading + "x,vif,01,ir,nan,2\r\nx,vif,01,pet,0.")
    (sample,) = EvaluationRun.open(folder).samples  # 02 is not done
    assert sample.theorem.keys() == {"vi", "ir"}
    assert sample.theorem["vi"] == {"covariance": -0.5}
    assert sample.theorem["ir"]["truth_loss"] == 2


def test_a_folder_without_the_theorem_opens(tmp_path):
    run = EvaluationRun.open(written(tmp_path, per_image="x,vif,01,static,1,1,1,1,1\r\n"))
    assert run.samples[0].theorem == {}


@pytest.mark.parametrize("about", [None, {"results": []}, {**ABOUT, "job": "train"}])
def test_another_folder_is_refused(tmp_path, about):
    if about is not None:
        written(tmp_path, about)
    with pytest.raises(InputError, match="name"):
        EvaluationRun.open(tmp_path)
