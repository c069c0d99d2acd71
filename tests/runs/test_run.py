import math
from copy import deepcopy
from pathlib import Path

import pytest

from fusionlab.errors import InputError
from fusionlab.runs.run import PER_IMAGE, RD, SUMMARY, THEOREM, Run, Sample, join_rows
from tests.runs.hand_made import (
    METRICS,
    PAIRS,
    STACKS,
    about,
    write_rd,
    write_summary,
    write_theorem,
    write_values,
)

FIRST = ("pairs", "vif", "", "01")
ABOUT = about([PAIRS, STACKS])


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_summary(tmp_path, ABOUT)


def test_values_are_by_method_and_short_name(folder):
    rows = [((*FIRST, "Net"), (1.5, math.nan, None, 20.0)), ((*FIRST, "ir alone"), (2, 3, 4, None))]
    write_values(folder, rows)
    run = Run.open(folder)
    (sample,) = run.samples
    assert (sample.data, sample.task, sample.condition, sample.id) == FIRST
    assert list(sample.values["Net"]) == ["EN", "CE"]
    assert sample.values["Net"]["EN"] == 1.5
    assert math.isnan(sample.values["Net"]["CE"])
    assert sample.values["ir alone"]["Q_SF"] == 4
    assert sample.milliseconds == {"Net": 20}
    assert run.metrics == list(METRICS)
    assert run.higher_is_better == {"EN": True, "CE": False, "Q_SF": None}
    assert not run.finished


def test_a_column_with_its_convention_in_its_name_keeps_it(tmp_path):
    content = about([PAIRS])
    content["metrics"] = {"EI:mefb": {"direction": "higher"}, "EI": {"direction": "higher"}}
    heading = "data,task,condition,id,method,EI:mefb,EI:paper,ms\r\n"
    (write_summary(tmp_path, content) / PER_IMAGE).write_text(
        heading + "pairs,vif,,01,Net,1,2,\r\n"
    )
    assert Run.open(tmp_path).samples[0].values == {"Net": {"EI:mefb": 1, "EI": 2}}


def test_methods_say_what_they_are(folder):
    run = Run.open(folder)
    assert run.method("Net+TTD").base == "Net"
    assert [one.name for one in run.methods if not one.is_fused] == [
        "vi alone",
        "ir alone",
        "near alone",
    ]
    assert run.method("vi alone").source == "vi"


def test_what_several_processes_wrote_comes_in_the_order_of_the_data(folder):
    def row(data: str, task: str, id_: str):
        return (data, task, "", id_, "Net"), (1, 1, 1, 1)

    write_values(folder, [row("stacks", "mff", "01"), row("pairs", "vif", "03")])
    write_values(folder, [row("pairs", "vif", "01")], rank=1)
    write_values(folder, [row("other", "vif", "01")], rank=2)  # of no data set of this run
    places = [(sample.data, sample.id) for sample in Run.open(folder).samples]
    assert places == [("pairs", "01"), ("pairs", "03"), ("stacks", "01")]


def test_a_line_that_is_being_written_is_not_read(folder):
    write_values(folder, [((*FIRST, "Net"), (1, 1, 1, 1))])
    path = folder / PER_IMAGE
    path.write_bytes(path.read_bytes() + b"pairs,vif,,02,Net,1,1,1")
    assert [sample.id for sample in Run.open(folder).samples] == ["01"]


def test_rd_and_the_theorem_are_by_method_source_and_column(folder):
    write_values(folder, [((*FIRST, "Net"), (1, 1, 1, 1))])
    key = (*FIRST, "Net+TTD")
    other = ("pairs", "vif", "", "02", "Net+TTD", "vi")  # is not done
    write_rd(folder, [((*key, "vi"), (0.4, 0.1, 0.9, 0.25, math.nan)), (other, (1, 1, 1, 1, 1))])
    write_rd(folder, [((*key, "ir"), (0.6, 0.1, 0.9, 0.75, -0.5))], rank=1)
    write_theorem(folder, {(*key, "vi"): {"covariance": -0.5}, other: {"covariance": 1}})
    (sample,) = Run.open(folder).samples
    assert sample.rd["Net+TTD"].keys() == {"vi", "ir"}
    assert sample.rd["Net+TTD"]["ir"]["correlation"] == -0.5
    assert math.isnan(sample.rd["Net+TTD"]["vi"]["correlation"])
    assert sample.theorem == {"Net+TTD": {"vi": {"covariance": -0.5}}}


def test_the_files_of_a_sample():
    plain = Sample("pairs", "vif", "", "a/01")
    assert plain.picture("Net+TTD (l1, γ 2)") == Path("vif/Net+TTD-l1-γ-2/a/01.png")
    assert plain.source("ir") == Path("vif/sources/a/01-ir.png")
    assert plain.rd_map("Net+TTD", "ir") == Path("vif/rd/Net+TTD/a/01-ir.png")
    assert plain.rd_arrays("Net+TTD") == Path("vif/rd/Net+TTD/a/01.npz")
    noisy = Sample("pairs", "vif", "noise 0.1, draw 2", "01")
    assert noisy.picture("Net") == Path("vif/noise-0.1-draw-2/Net/01.png")


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        b"\xff\xfe",
        "null",
        "[1]",
        '"methods metrics results"',
        '{"results": []}',
        '{"methods": [], "metrics": {}}',
    ],
)
def test_another_folder_is_refused_in_one_line(content, tmp_path):
    if content is not None:
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / SUMMARY).write_bytes(content)
    with pytest.raises(InputError, match=r"^[^\n]*name the folder of[^\n]*$"):
        Run.open(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no readable summary\.json"):
        Run.open(tmp_path / "nowhere")


def damaged_summary(spoil) -> dict:
    content = deepcopy(ABOUT)
    spoil(content)
    return content


@pytest.mark.parametrize(
    "spoil",
    [
        lambda about: about.pop("data"),
        lambda about: about["data"][0].pop("ids"),
        lambda about: about.update(data=3),
        lambda about: about.update(conditions=None),
        lambda about: about["methods"].append("Net"),
        lambda about: about["methods"].append({"name": "Net", "kind": "network", "colour": 3}),
        lambda about: about.update(metrics=5),
    ],
)
def test_a_damaged_summary_is_refused_in_one_line(spoil, tmp_path):
    write_summary(tmp_path, damaged_summary(spoil))
    with pytest.raises(InputError, match=r"^[^\n]* is damaged [^\n]*; evaluate anew$"):
        Run.open(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "data,task,id,method,EN\npairs,vif,01,Net,1\n",
        "data,task,condition,id,method,EN\npairs,vif,,01,Net,one\n",
        "data,task,condition,id,method,EN\npairs,vif,,01,Net,1,2,3\n",
    ],
    ids=["no condition", "no number", "too long"],
)
@pytest.mark.parametrize("name", [PER_IMAGE, RD, THEOREM])
def test_damaged_rows_are_refused_in_one_line(name, text, folder):
    write_values(folder, [((*FIRST, "Net"), (1, 1, 1, 1))])
    if name != PER_IMAGE:
        text = text.replace("method,", "method,source,").replace("Net,", "Net,vi,")
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=r"^[^\n]* is damaged [^\n]*; evaluate anew$"):
        Run.open(folder)


def test_rows_of_two_processes_join_to_the_bytes_of_one(tmp_path):
    """Values, RD and theorem; the order of the summary decides, not who was first."""
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    rows = {
        id_: [(("pairs", "vif", "", id_, method), (1, 2, 3, 4)) for method in ("vi alone", "Net")]
        for id_ in PAIRS["ids"]
    }
    rd = {
        id_: [
            (("pairs", "vif", "", id_, "Net+TTD", name), (0.5, 0, 1, 0.5, -1))
            for name in ("vi", "ir")
        ]
        for id_ in PAIRS["ids"]
    }
    for folder, ranks in (
        (alone, {"02": 0, "01": 0, "03": 0}),
        (shared, {"03": 0, "01": 1, "02": 0}),
    ):
        folder.mkdir()
        for id_, rank in ranks.items():
            write_values(folder, rows[id_], rank)
            write_rd(folder, rd[id_][::-1], rank)
        join_rows(folder, ABOUT)
    assert sorted(path.name for path in shared.iterdir()) == [PER_IMAGE, RD]
    for name in (PER_IMAGE, RD):
        assert (shared / name).read_bytes() == (alone / name).read_bytes()
    lines = (shared / RD).read_text().splitlines()
    assert [line.split(",")[3:6] for line in lines[1:3]] == [
        ["01", "Net+TTD", "vi"],
        ["01", "Net+TTD", "ir"],
    ]
