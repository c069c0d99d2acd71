"""The folder of a report: what is in it and what is not."""

import csv
import json
import os
import re
import shutil
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusionlab.errors import InputError
from fusionlab.report.html import ReportWriter, write_report
from fusionlab.runs.run import THEOREM_COLUMNS, Run
from fusionlab.runs.summary import summarise
from tests.report.html_runs import (
    AUTHORS,
    FOLDER,
    HOSTILE,
    STATIC,
    TTD,
    FakeCondition,
    FakeData,
    FakeMethod,
    make_run,
)

NEVER_DONE = FakeData(done=0)
NOISE = (
    FakeCondition("noise 0", "noise 0", "noise", 0.0),
    FakeCondition("noise 0.5, draw 1", "noise 0.5", "noise", 0.5, -1.0),
    FakeCondition("noise 0.5, draw 2", "noise 0.5", "noise", 0.5, -2.0),
)


def data_of(index: Path) -> dict:
    """What ``data.js`` holds."""
    text = (index.parent / "data.js").read_text(encoding="ascii")
    return json.loads(text.partition("const REPORT = ")[2].rstrip(";\n"))


def rows_of(data: dict, place: int = 0) -> dict[str, dict]:
    """The rows of a result, by method."""
    rows = data["results"][place]["rows"]
    return {data["methods"][row["method"]]["name"]: row for row in rows}


def addresses(data: dict) -> list[str]:
    """Of all pictures."""
    kinds = ("fused", "sources", "maps")
    return [one[-1] for sample in data["samples"] for kind in kinds for one in sample[kind]]


def fused(index: Path, method: str, sample: int = 0) -> Path:
    """A fused picture in the report."""
    data = data_of(index)
    found = {data["methods"][k]["name"]: at for k, at in data["samples"][sample]["fused"]}
    return index.parent / found[method]


def state(path: Path) -> tuple[int, int]:
    """Which file it is and when it was written."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_means_and_differences_by_hand(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeData())))
    rows = rows_of(data)
    assert list(rows) == ["vi alone", "ir alone", "IFCNN", "IFCNN+TTD"]
    assert rows["IFCNN"]["means"] == [1, 9, None]  # of 0, 1, 2; no truth
    assert rows["IFCNN+TTD"]["means"][0] == pytest.approx(1.75)
    assert rows["IFCNN"]["counts"] == [3, 3, 0]
    assert rows["IFCNN"]["ms"] == 11
    assert rows["vi alone"]["ms"] is None
    (difference,) = data["results"][0]["differences"]
    assert data["methods"][difference["method"]]["name"] == "IFCNN+TTD"
    assert difference["values"][0] == [0.75, -0.25, 2.0, pytest.approx(2 / 3), 3]
    assert difference["values"][2] == [None, None, None, None, 0]


def test_the_page_shows_the_numbers_of_the_summary_and_computes_none(tmp_path):
    """Numbers that no values could give come through."""
    run = make_run(tmp_path, FakeData(), methods=(STATIC, TTD, AUTHORS), theorem=True)
    about = json.loads((run / "summary.json").read_text())
    (result,) = about["results"]
    result["means"]["IFCNN"]["EN"] = 123.0
    result["median_ms_per_image"]["IFCNN"] = 456.0
    result["overall_rank"]["IFCNN"] = 7.0
    result["best"]["EN"] = "IFCNN"
    result["p_against_best"]["IFCNN+TTD"]["EN"] = 0.04
    result["p_against_best"]["IFCNN+TTD (authors)"]["EN"] = 0.06
    result["differences"]["IFCNN+TTD"]["EN"] = dict(
        zip(("mean", "low", "high", "improved", "images"), (9, 8, 10, 0.5, 2), strict=True)
    )
    result["rd"]["IFCNN+TTD"]["vi"]["correlation"] = -0.875
    result["theorem"]["IFCNN+TTD"]["dynamic_is_lower"] = 0.625
    (run / "summary.json").write_text(json.dumps(about))
    data = data_of(write_report(run))
    (shown,) = data["results"]
    rows = rows_of(data)
    assert (rows["IFCNN"]["means"][0], rows["IFCNN"]["ms"], rows["IFCNN"]["rank"]) == (123, 456, 7)
    fusing = ("IFCNN", "IFCNN+TTD", "IFCNN+TTD (authors)")
    assert [rows[name]["marks"][0] for name in fusing] == ["*", "", "="]
    assert shown["differences"][0]["values"][0] == [9, 8, 10, 0.5, 2]
    assert shown["rd"][0][1][0] == ["vi", 3, 0.25, 0.125, 0.5, 0, -0.875]
    assert shown["theorem"][0]["holds"] == 0.625


def test_values_are_those_of_the_rows_to_the_last_bit(tmp_path):
    third = 1 / 3
    run = make_run(tmp_path, FakeData(gains=(third, 0.1 + 0.2, 1e-17)))
    data = data_of(write_report(run))
    place = {method["name"]: k for k, method in enumerate(data["methods"])}
    values = [dict(map(tuple, one["values"]))[place["IFCNN+TTD"]][0] for one in data["samples"]]
    assert values == [third, 1 + (0.1 + 0.2), 2 + 1e-17]


def test_a_tie_is_not_improved(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeData(gains=(0, 0, 1)))))
    (difference,) = data["results"][0]["differences"]
    assert difference["values"][0][3] == pytest.approx(1 / 3)


def test_unfinished_run_is_about_what_is_done(tmp_path):
    run = make_run(tmp_path, FakeData(done=2), methods=(STATIC, TTD, AUTHORS))
    data = data_of(write_report(run))
    assert not data["finished"]
    (result,) = data["results"]
    assert (result["images"], data["data"][0]["total"]) == (2, 3)
    assert result["differences"][0]["values"][:2] == [
        [0.125, None, None, 0.5, 2],
        [-0.125, None, None, 0.5, 2],
    ]
    assert not result["ranked"]  # nor tested, so far
    assert [one["id"] for one in data["samples"]] == ["a", "b"]
    assert [path.parent.name for path in sorted(fused_paths(run))] == ["1-a", "2-b"]


def fused_paths(run: Path) -> list[Path]:
    return list((run / "report" / "images").glob("*/*-ifcnn.png"))


def test_follows_a_run_to_its_end(tmp_path):
    for done in (0, 1, 3):
        index = write_report(make_run(tmp_path, FakeData(done=done)))
        assert len(data_of(index)["samples"]) == done
    assert data_of(index) == data_of(write_report(make_run(tmp_path / "at once", FakeData()))) | {
        "run": tmp_path.name
    }


def test_run_without_images_done(tmp_path):
    data = data_of(write_report(make_run(tmp_path, NEVER_DONE)))
    assert data["samples"] == []
    assert data["results"] == []


def test_run_without_ttd(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeData(), methods=(STATIC,))))
    (result,) = data["results"]
    assert result["differences"] == result["rd"] == result["theorem"] == []
    assert [data["methods"][k]["name"] for k, _ in data["samples"][0]["fused"]] == ["IFCNN"]
    assert data["samples"][0]["maps"] == []


def test_every_method_has_its_row_picture_and_facts(tmp_path):
    run = make_run(tmp_path, FakeData(), methods=(FOLDER, STATIC, TTD, AUTHORS))
    data = data_of(write_report(run))
    names = ["other tool", "IFCNN", "IFCNN+TTD", "IFCNN+TTD (authors)"]
    assert list(rows_of(data))[2:] == names
    assert [data["methods"][k]["name"] for k, _ in data["samples"][0]["fused"]] == names
    assert [
        (data["methods"][k]["name"], source) for k, source, _ in data["samples"][0]["maps"]
    ] == [(method, source) for method in names[2:] for source in ("vi", "ir")]
    assert len(data["results"][0]["differences"]) == 2
    facts = dict(data["facts"])
    assert list(facts)[:4] == names
    assert "weights best.safetensors, sha256 abc123" in facts["IFCNN"]
    assert "fuses luma for VIF, RGB for MFF" in facts["IFCNN"]
    assert facts["IFCNN+TTD"].startswith("IFCNN with TTD: l1 loss of components, temperature 1")
    assert facts["other tool"] == "3 pictures in a folder other tool; ignored: x.png"


def test_what_was_calibrated_stands_among_the_facts(tmp_path):
    run = make_run(tmp_path, FakeData())
    about = json.loads((run / "summary.json").read_text())
    line = {"data": "fake pairs", "condition": "", "method": "IFCNN+TTD"}
    about["calibrated"] = [{**line, "temperature": 41.23456, "channel": 58}]
    (run / "summary.json").write_text(json.dumps(about))
    facts = dict(data_of(write_report(run))["facts"])
    assert facts["IFCNN+TTD"].endswith("; on fake pairs temperature 41.23, channel 58")


@pytest.mark.parametrize(("trainable", "said"), [(True, "untrained"), (False, "no weights")])
def test_a_network_without_a_checkpoint_says_why(tmp_path, trainable, said):
    run = make_run(tmp_path, FakeData(), methods=(STATIC,))
    about = json.loads((run / "summary.json").read_text())
    about["methods"][-1]["facts"]["network"] |= {"checkpoint": None, "trainable": trainable}
    (run / "summary.json").write_text(json.dumps(about))
    assert dict(data_of(write_report(run))["facts"])["IFCNN"].startswith(
        f"ifcnn (rule max), {said}"
    )


def test_a_summary_without_settings_has_no_seed(tmp_path):
    """As fusionlab.evaluate writes it."""
    run = make_run(tmp_path, FakeData())
    about = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**about, "settings": {}}))
    assert "Seed" not in dict(data_of(write_report(run))["facts"])


def test_run_without_sources_written(tmp_path):
    run = make_run(tmp_path, FakeData())
    shutil.rmtree(run / "vif" / "sources")
    assert [one["sources"] for one in data_of(write_report(run))["samples"]] == [[], [], []]


def test_sources_that_only_some_samples_have(tmp_path):
    run = make_run(tmp_path, FakeData(sources=("vi", "ir", "pet"), done=2))
    text = (run / "per_image.csv").read_text()
    for name, source in (("a", "pet"), ("b", "ir")):
        text = re.sub(rf"fake pairs,vif,,{name},{source} alone.*\n", "", text)
    (run / "per_image.csv").write_text(text)
    rows = rows_of(data_of(write_report(run)))
    assert [(name, row["images"]) for name, row in rows.items()][:3] == [
        ("vi alone", 2),
        ("ir alone", 1),
        ("pet alone", 1),
    ]


def test_sources_stand_in_the_order_of_the_data(tmp_path):
    run = make_run(tmp_path, FakeData(ids=("a",), done=1, sources=("under", "middle", "over")))
    heading, *lines = (run / "per_image.csv").read_text().splitlines(keepends=True)
    (run / "per_image.csv").write_text(heading + "".join(reversed(lines)))
    data = data_of(write_report(run))
    rows = list(rows_of(data))
    assert rows == ["under alone", "middle alone", "over alone", "IFCNN", "IFCNN+TTD"]
    assert [name for name, _ in data["samples"][0]["sources"]] == ["under", "middle", "over"]


def test_conditions_are_results_and_an_image_is_the_mean_of_its_draws(tmp_path):
    run = make_run(tmp_path, FakeData(), conditions=NOISE)
    data = data_of(write_report(run))
    assert [(one["condition"], one["draws"]) for one in data["results"]] == [
        ("noise 0", 1),
        ("noise 0.5", 2),
    ]
    assert [(one["result"], one["id"], one["draws"]) for one in data["samples"]] == [
        *((0, id_, 1) for id_ in "abc"),
        *((1, id_, 2) for id_ in "abc"),
    ]
    static = {method["name"]: k for k, method in enumerate(data["methods"])}["IFCNN"]
    values = [dict(map(tuple, one["values"]))[static][0] for one in data["samples"]]
    assert values == [0, 1, 2, -1.5, -0.5, 0.5]
    assert data["samples"][3]["rd"] == []  # one for each draw; the summary has their mean
    assert data["results"][1]["rd"][0][1][0][:2] == ["vi", 3]
    shown = fused(write_report(run), "IFCNN", sample=3)
    assert shown.samefile(run / "vif" / "noise-0.5-draw-1" / "IFCNN" / "a.png")


def test_a_sweep_without_pictures_has_none(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeData(), pictures=False)))
    assert addresses(data) == []
    assert len(data["samples"]) == 3


def test_images_that_a_method_lacks_are_left_out(tmp_path):
    run = make_run(tmp_path, FakeData(done=3), methods=(FOLDER, STATIC))
    values = run / "per_image.csv"
    values.write_text(re.sub(r".*,b,other tool,.*\n", "", values.read_text()))
    about = json.loads((run / "summary.json").read_text())
    about["results"] = summarise(Run.open(run))
    (run / "summary.json").write_text(json.dumps(about))
    data = data_of(write_report(run))
    assert data["results"][0]["images"] == 2
    assert [one["id"] for one in data["samples"]] == ["a", "c"]


def test_names_enter_neither_markup_nor_addresses(tmp_path):
    hostile = FakeData(
        ids=(HOSTILE, "a#b", "a?b"), name="</script>" + HOSTILE, sources=("vi", "<b>")
    )
    names = (STATIC, TTD, FakeMethod("__proto__", "network", 3, (1, 2, 3)))
    index = write_report(make_run(tmp_path, hostile, methods=names))
    script = (index.parent / "data.js").read_bytes()
    assert b"<" not in script
    assert script.isascii()
    page = files("fusionlab.report.html").joinpath("assets", "index.html")
    assert index.read_bytes() == page.read_bytes()
    data = data_of(index)
    assert data["samples"][0]["id"] == HOSTILE
    assert data["data"][0]["name"] == hostile.name
    found = addresses(data)
    assert len(set(found)) == len(found) == 3 * 7
    assert all(re.fullmatch(r"images/[a-z0-9/_-]+\.png", one) for one in found)
    assert all((index.parent / one).is_file() for one in found)


def test_holds_all_that_it_shows_and_may_be_moved(tmp_path):
    run = make_run(tmp_path / "run", FakeData(), methods=(FOLDER, STATIC, TTD))
    moved = Path(shutil.copytree(write_report(run).parent, tmp_path / "elsewhere"))
    shutil.rmtree(run)
    assert all((moved / one).is_file() for one in addresses(data_of(moved / "index.html")))
    page = (moved / "index.html").read_text()
    for name in re.findall(r'(?:src|href)="([^"#]*)"', page):
        assert name == "data:," or (moved / name).is_file()
    written = [path.read_text() for path in moved.iterdir() if path.is_file()]
    kept = "".join(written).replace("http://www.w3.org/2000/svg", "")
    assert "://" not in kept
    assert "someone" not in kept  # folders of the user
    assert "private" not in kept


def test_every_script_is_part_of_the_page(tmp_path):
    report = write_report(make_run(tmp_path, NEVER_DONE)).parent
    loaded = re.findall(r'<script defer src="([^"]+)"', (report / "index.html").read_text())
    assert sorted(loaded) == sorted(path.name for path in report.glob("*.js"))


def test_the_page_allows_its_own_files_only(tmp_path):
    page = write_report(make_run(tmp_path, NEVER_DONE)).read_text()
    (policy,) = re.findall(r'Content-Security-Policy"\s+content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; ")
    allowed = {word for rule in policy.split("; ") for word in rule.split()[1:]}
    assert allowed == {"'none'", "'self'", "file:", "data:"}
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script>", page)  # the policy would stop them


def test_pictures_are_links_and_follow_the_run(tmp_path):
    run = make_run(tmp_path, FakeData(), methods=(FOLDER, STATIC))
    index = write_report(run)
    assert fused(index, "other tool", 1).samefile(run / "private" / "other tool" / "1.png")
    shown = fused(index, "IFCNN")
    source = run / "vif" / "IFCNN" / "a.png"
    assert shown.samefile(source)
    source.unlink()
    source.write_bytes(b"another image")
    write_report(run)
    assert shown.read_bytes() == b"another image"


@pytest.mark.parametrize(("ending", "mode", "kept"), [("jpg", "RGB", ".jpg"), ("tif", "L", ".png")])
def test_pictures_of_other_kinds(tmp_path, ending, mode, kept):
    """A browser shows JPEG, and no TIFF."""
    run = make_run(tmp_path, FakeData(ids=("a",), done=1), methods=(FOLDER,))
    picture = run / "private" / "other tool" / "0.png"
    Image.new(mode, (24, 16), 77).save(picture.with_suffix(f".{ending}"))
    picture.unlink()
    text = (run / "summary.json").read_text()
    (run / "summary.json").write_text(text.replace('"0.png"', f'"0.{ending}"'))
    shown = fused(write_report(run), "other tool")
    assert shown.suffix == kept
    assert np.array(Image.open(shown)).max() in (76, 77)
    before = state(shown)
    write_report(run)
    assert state(shown) == before


def test_a_folder_that_is_gone_has_no_pictures(tmp_path):
    run = make_run(tmp_path, FakeData(), methods=(FOLDER, STATIC))
    shutil.rmtree(run / "private")
    data = data_of(write_report(run))
    assert [data["methods"][k]["name"] for k, _ in data["samples"][0]["fused"]] == ["IFCNN"]


def test_copies_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    run = make_run(tmp_path, FakeData())

    def refuse(*_) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    shown = fused(write_report(run), "IFCNN+TTD")
    assert not shown.samefile(run / "vif" / "IFCNN+TTD" / "a.png")
    assert shown.read_bytes() == (run / "vif" / "IFCNN+TTD" / "a.png").read_bytes()
    before = state(shown)
    write_report(run)
    assert state(shown) == before


def test_writing_again_changes_nothing(tmp_path):
    run = make_run(tmp_path, FakeData(), methods=(FOLDER, STATIC, TTD))
    report = write_report(run).parent
    before = {path: state(path) for path in report.rglob("*")}
    write_report(run)
    assert {path: state(path) for path in report.rglob("*")} == before


def test_relative_dominability_of_images_and_results(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeData())))
    (method, sources) = data["results"][0]["rd"][0]
    assert data["methods"][method]["name"] == "IFCNN+TTD"
    assert sources == [
        ["vi", 3, 0.25, 0.125, 0.5, 0, -0.625],
        ["ir", 3, 0.75, 0.5, 0.875, 1, None],
    ]
    assert data["samples"][2]["rd"] == [
        [method, [["vi", 0.25, 0.125, 0.5, 0, -0.75], ["ir", 0.75, 0.5, 0.875, 1, None]]]
    ]


def test_the_theorem_by_hand(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeData(), theorem=True, truth=True)))
    (found,) = data["results"][0]["theorem"]
    assert data["methods"][found.pop("method")]["name"] == "IFCNN+TTD"
    assert found == {
        "images": 3,
        "holds": pytest.approx(1 / 3),
        "negative": 0,  # -0.5 + 0.5 is not, 1/4 and 1/2 each are added to both
        "sources": [["vi", 3, 0.5, 0.125, -0.25], ["ir", 3, 0.5, 0.125, 0.75]],
        "sides": [["bound", 2, 2], ["truth_bound", 0.75, 0.5], ["error", 0.5, 0.25]],
    }
    (of_image,) = data["samples"][1]["theorem"]
    assert of_image["sources"] == [["vi", 0.5, 0.125, -0.25], ["ir", 0.5, 0.125, 0.75]]
    assert of_image["sides"] == [["bound", 2, 2], ["truth_bound", 0.75, 0.5], ["error", 0.5, 0.25]]
    assert ["theorem", "ω is RD."] in data["notes"]


def test_the_theorem_of_what_is_done_without_a_truth(tmp_path):
    run = make_run(tmp_path, FakeData(done=1), theorem=True)
    (found,) = data_of(write_report(run))["results"][0]["theorem"]
    assert [side for side, *_ in found["sides"]] == ["bound"]
    assert found["images"] == 1


def blank(run, ids, *columns):
    """Empty these cells of ``theorem.csv`` for the images with these ids, and summarise anew."""
    with (run / "theorem.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    with (run / "theorem.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        for line in lines:
            writer.writerow(line | (dict.fromkeys(columns, "") if line["id"] in ids else {}))
    about = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps({**about, "results": []}))


def test_the_theorem_leaves_out_images_without_a_bound(tmp_path):
    run = make_run(tmp_path, FakeData(), theorem=True, truth=True)
    bound = ("dynamic_bound", "dynamic_is_lower", "covariance", "covariance_is_negative")
    blank(run, "a", "static_bound", *bound)
    data = data_of(write_report(run))
    (found,) = data["results"][0]["theorem"]
    assert (found["images"], found["holds"], found["negative"]) == (2, 0.5, 0)
    assert found["sources"][0][4] == pytest.approx((-0.25 + 0) / 2)
    assert found["sides"][0] == ["bound", 2.5, 2]
    sides = [[name for name, *_ in one["theorem"][0]["sides"]] for one in data["samples"]]
    assert sides == [["truth_bound", "error"], *[["bound", "truth_bound", "error"]] * 2]


def test_the_theorem_without_any_bound(tmp_path):
    run = make_run(tmp_path, FakeData(), theorem=True)
    blank(run, "abc", *THEOREM_COLUMNS)
    (found,) = data_of(write_report(run))["results"][0]["theorem"]
    assert (found["images"], found["holds"], found["negative"], found["sides"]) == (
        0,
        None,
        None,
        [],
    )
    assert found["sources"][0] == ["vi", 3, None, None, None]


def test_a_dynamic_bound_that_is_missing_is_blank(tmp_path):
    run = make_run(tmp_path, FakeData(), theorem=True)
    blank(run, "abc", "dynamic_bound", "dynamic_is_lower")
    data = data_of(write_report(run))
    assert data["results"][0]["theorem"][0]["sides"] == [["bound", 2, None]]
    assert data["samples"][1]["theorem"][0]["sides"] == [["bound", 2, None]]


@pytest.mark.slow
def test_a_thousand_samples_build_quickly(tmp_path):
    ids = tuple(f"pair {k}" for k in range(1000))
    run = make_run(tmp_path, FakeData(gains=(1.0,) * 1000, ids=ids, done=1000))
    seconds = []
    for _ in range(2):
        start = time.process_time()
        index = write_report(run)
        seconds.append(time.process_time() - start)
    assert len(addresses(data_of(index))) == 6000
    assert seconds[0] < 5  # alone on an idle machine 0.7
    assert seconds[1] < 2


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=re.escape(str(tmp_path))):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_follows_a_run_is_not_written_all_the_time(tmp_path):
    run = make_run(tmp_path, FakeData(done=1))
    writer = ReportWriter(run)
    page = run / "report" / "index.html"
    writer.update()
    page.unlink()
    writer.update()  # at once
    assert not page.exists()
    writer.write()
    assert page.exists()
