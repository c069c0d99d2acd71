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

from fusionlab.metrics.theorem import COLUMNS
from fusionlab.report.__main__ import main
from fusionlab.report.html import write_report
from fusionlab.report.html.dominability import source_weights
from tests.report.html_runs import HOSTILE, FakeRun, make_run

NEVER_DONE = FakeRun(done=0)


def data_of(index: Path) -> dict:
    """What ``data.js`` holds."""
    text = (index.parent / "data.js").read_text(encoding="ascii")
    return json.loads(text.partition("const REPORT = ")[2].rstrip(";\n"))


def addresses(data: dict) -> list[str]:
    """Of all images."""
    kinds = ("fused", "sources", "maps")
    return [address for one in data["samples"] for kind in kinds for _, address in one[kind]]


def state(path: Path) -> tuple[int, int]:
    """Which file it is and when it was written."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_means_and_differences_by_hand(tmp_path):
    (table,) = data_of(write_report(make_run(tmp_path, FakeRun())))["data"]
    rows = {row["row"]: row for row in table["rows"]}
    assert list(rows) == ["vi alone", "ir alone", "static", "ttd"]
    assert rows["static"]["means"] == [1, 9, None]  # of 0, 1, 2; no truth
    assert rows["ttd"]["means"][0] == pytest.approx(1.75)
    assert rows["static"]["counts"] == [3, 3, 0]
    assert rows["static"]["ms"] == 11
    assert rows["vi alone"]["ms"] is None
    assert table["differences"][0]["low"] == 0.125  # as the evaluation said
    assert table["differences"][2] is None


def test_unfinished_run_is_about_what_is_done(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeRun(done=2))))
    assert not data["finished"]
    (table,) = data["data"]
    assert (table["images"], table["total"]) == (2, 3)
    change = {"mean": 0.125, "low": None, "high": None, "improved": 0.5, "images": 2}
    assert table["differences"][:2] == [change, {**change, "mean": -0.125}]
    assert [one["id"] for one in data["samples"]] == ["a", "b"]


def test_follows_a_run_to_its_end(tmp_path):
    for done in (0, 1, 3):
        index = write_report(make_run(tmp_path, FakeRun(done=done)))
        assert len(data_of(index)["samples"]) == done
    assert data_of(index) == data_of(write_report(make_run(tmp_path / "at once", FakeRun()))) | {
        "run": tmp_path.name
    }


def test_run_without_images_done(tmp_path):
    data = data_of(write_report(make_run(tmp_path, NEVER_DONE)))
    assert data["samples"] == []
    assert data["data"][0]["rows"] == []


def test_run_without_ttd(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeRun(ttd=False))))
    (table,) = data["data"]
    assert table["differences"] is None
    assert table["weights"] == []
    assert [row for row, _ in data["samples"][0]["fused"]] == ["static"]
    assert data["samples"][0]["maps"] == []
    assert ["TTD", "none: the static network alone"] in data["facts"]


def test_run_without_sources_written(tmp_path):
    run = make_run(tmp_path, FakeRun())
    shutil.rmtree(run / "vif" / "sources")
    assert [one["sources"] for one in data_of(write_report(run))["samples"]] == [[], [], []]


def test_sources_that_only_some_samples_have(tmp_path):
    run = make_run(tmp_path, FakeRun())
    values = run / "per_image.csv"
    values.write_text(values.read_text().replace("c,ir alone", "c,pet alone"))
    (table,) = data_of(write_report(run))["data"]
    rows = [(row["row"], row["images"]) for row in table["rows"]]
    assert rows[:3] == [("vi alone", 3), ("ir alone", 2), ("pet alone", 1)]


def test_sources_stand_in_the_order_of_the_data(tmp_path):
    run = make_run(tmp_path, FakeRun(ids=("a",), done=1, sources=("under", "middle", "over")))
    heading, *lines = (run / "per_image.csv").read_text().splitlines(keepends=True)
    (run / "per_image.csv").write_text(heading + "".join(reversed(lines)))
    data = data_of(write_report(run))
    rows = [row["row"] for row in data["data"][0]["rows"]]
    assert rows == ["under alone", "middle alone", "over alone", "static", "ttd"]
    assert [name for name, _ in data["samples"][0]["sources"]] == ["under", "middle", "over"]


def test_names_enter_neither_markup_nor_addresses(tmp_path):
    hostile = FakeRun(
        ids=(HOSTILE, "a#b", "a?b"), name="</script>" + HOSTILE, sources=("vi", "<b>")
    )
    index = write_report(make_run(tmp_path, hostile))
    script = (index.parent / "data.js").read_bytes()
    assert b"<" not in script
    assert script.isascii()
    page = files("fusionlab.report.html").joinpath("assets", "index.html")
    assert index.read_bytes() == page.read_bytes()
    data = data_of(index)
    assert data["samples"][0]["id"] == HOSTILE
    assert data["data"][0]["name"] == hostile.name
    found = addresses(data)
    assert len(set(found)) == len(found) == 3 * 6
    assert all(re.fullmatch(r"images/[a-z0-9/_-]+\.png", one) for one in found)
    assert all((index.parent / one).is_file() for one in found)


def test_holds_all_that_it_shows_and_may_be_moved(tmp_path):
    run = make_run(tmp_path / "run", FakeRun())
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


def test_the_page_allows_its_own_files_only(tmp_path):
    page = write_report(make_run(tmp_path, NEVER_DONE)).read_text()
    (policy,) = re.findall(r'Content-Security-Policy"\s+content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; ")
    allowed = {word for rule in policy.split("; ") for word in rule.split()[1:]}
    assert allowed == {"'none'", "'self'", "file:", "data:"}
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script>", page)  # the policy would stop them


def test_images_are_links_and_follow_the_run(tmp_path):
    run = make_run(tmp_path, FakeRun())
    index = write_report(run)
    shown = index.parent / dict(data_of(index)["samples"][0]["fused"])["ttd"]
    source = run / "vif" / "ttd" / "a.png"
    assert shown.samefile(source)
    source.unlink()
    source.write_bytes(b"another image")
    write_report(run)
    assert shown.read_bytes() == b"another image"


def test_copies_where_the_file_system_has_no_links(tmp_path, monkeypatch):
    run = make_run(tmp_path, FakeRun())

    def refuse(*_) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    index = write_report(run)
    shown = index.parent / dict(data_of(index)["samples"][0]["fused"])["ttd"]
    assert not shown.samefile(run / "vif" / "ttd" / "a.png")
    assert shown.read_bytes() == (run / "vif" / "ttd" / "a.png").read_bytes()
    before = state(shown)
    write_report(run)
    assert state(shown) == before


def test_writing_again_changes_nothing(tmp_path, monkeypatch):
    run = make_run(tmp_path, FakeRun())
    report = write_report(run).parent
    before = {path: state(path) for path in report.rglob("*")}
    monkeypatch.setattr(np, "load", None)  # the arrays are not read again
    write_report(run)
    assert {path: state(path) for path in report.rglob("*")} == before


def test_relative_dominability_by_hand():
    weights = np.array([[[0.2, 0.6], [0.7, 0.5]], [[1 / 3] * 2] * 2], dtype=np.float32)
    one, other = source_weights(["vi", "ir"], weights, 3 - 2 * weights)
    assert (one.source, one.mean) == ("vi", pytest.approx(0.5))
    assert (one.low, one.high) == (pytest.approx(0.2), pytest.approx(0.7))
    assert one.above_half == 0.5  # 0.5 itself is not above
    assert one.correlation == pytest.approx(-1)
    assert other.above_half == 0
    assert np.isnan(other.correlation)  # constant


def test_relative_dominability_of_arrays_that_changed(tmp_path):
    run = make_run(tmp_path, FakeRun())
    (table,) = data_of(write_report(run))["data"]
    assert [(one["source"], one["images"]) for one in table["weights"]] == [("vi", 3), ("ir", 3)]
    assert table["weights"][0]["mean"] == pytest.approx(0.5)
    flat = np.full((2, 4, 4), 0.5, dtype=np.float32)
    for name in "abc":
        path = run / "vif" / "rd" / f"{name}.npz"
        np.savez_compressed(path, weights=flat, losses=flat, source_names=np.array(["vi", "ir"]))
    (table,) = data_of(write_report(run))["data"]
    assert (table["weights"][0]["low"], table["weights"][0]["correlation"]) == (0.5, None)


def test_the_theorem_by_hand(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeRun(theorem=True, truth=True))))
    (table,) = data["data"]
    assert table["theorem"] == {
        "images": 3,
        "holds": pytest.approx(1 / 3),
        "negative": 0,  # -0.5 + 0.5 is not, 1/4 and 1/2 each are added to both
        "sources": [
            {"source": "vi", "images": 3, "weight": 0.5, "loss": 0.125, "covariance": -0.25},
            {"source": "ir", "images": 3, "weight": 0.5, "loss": 0.125, "covariance": 0.75},
        ],
        "sides": [
            {"side": "bound", "static": 2, "dynamic": 2, "lower": pytest.approx(1 / 3)},
            {"side": "truth_bound", "static": 0.75, "dynamic": 0.5, "lower": 1},
            {"side": "error", "static": 0.5, "dynamic": 0.25, "lower": 1},
        ],
    }
    assert data["samples"][1]["theorem"] == {
        "sources": [["vi", 0.5, 0.125, -0.25], ["ir", 0.5, 0.125, 0.75]],
        "sides": [["bound", 2, 2], ["truth_bound", 0.75, 0.5], ["error", 0.5, 0.25]],
    }
    assert ["theorem", "ω is RD."] in data["notes"]


def test_the_theorem_of_what_is_done_without_a_truth(tmp_path):
    unfinished = FakeRun(theorem=True, done=1)
    data = data_of(write_report(make_run(tmp_path, unfinished, FakeRun(name="old", task="mff"))))
    one, other = data["data"]
    assert [side["side"] for side in one["theorem"]["sides"]] == ["bound"]
    assert one["theorem"]["images"] == 1
    assert other["theorem"] is None


def blank(run, ids, *columns):
    """Empty these cells of ``theorem.csv`` for the images with these ids."""
    with (run / "theorem.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    with (run / "theorem.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        for line in lines:
            writer.writerow(line | (dict.fromkeys(columns, "") if line["id"] in ids else {}))


def test_the_theorem_leaves_out_images_without_a_bound(tmp_path):
    run = make_run(tmp_path, FakeRun(theorem=True, truth=True))
    bound = ("dynamic_bound", "dynamic_is_lower", "covariance", "covariance_is_negative")
    blank(run, "a", "static_bound", *bound)
    data = data_of(write_report(run))
    found = data["data"][0]["theorem"]
    assert (found["images"], found["holds"], found["negative"]) == (2, 0.5, 0)
    assert found["sources"][0]["covariance"] == pytest.approx((-0.25 + 0) / 2)
    assert found["sides"][0] == {"side": "bound", "static": 2.5, "dynamic": 2, "lower": 0.5}
    sides = [[name for name, *_ in one["theorem"]["sides"]] for one in data["samples"]]
    assert sides == [["truth_bound", "error"], *[["bound", "truth_bound", "error"]] * 2]


def test_the_theorem_without_any_bound(tmp_path):
    run = make_run(tmp_path, FakeRun(theorem=True))
    blank(run, "abc", *COLUMNS)
    found = data_of(write_report(run))["data"][0]["theorem"]
    nothing = {"images": 0, "holds": None, "negative": None, "sides": []}
    assert {name: found[name] for name in nothing} == nothing
    assert found["sources"][0] == {
        **{"source": "vi", "images": 3},
        **dict.fromkeys(("weight", "loss", "covariance")),
    }


def test_a_dynamic_bound_that_is_missing_is_blank(tmp_path):
    run = make_run(tmp_path, FakeRun(theorem=True))
    blank(run, "abc", "dynamic_bound", "dynamic_is_lower")
    data = data_of(write_report(run))
    (side,) = data["data"][0]["theorem"]["sides"]
    assert side == {"side": "bound", "static": 2, "dynamic": None, "lower": None}
    assert data["samples"][1]["theorem"]["sides"] == [["bound", 2, None]]


def test_a_run_from_before_the_theorem_was_measured(tmp_path):
    data = data_of(write_report(make_run(tmp_path, FakeRun())))
    assert data["data"][0]["theorem"] is None
    assert data["samples"][0]["theorem"] is None


def test_a_thousand_samples_build_quickly(tmp_path):
    ids = tuple(f"pair {k}" for k in range(1000))
    run = make_run(tmp_path, FakeRun(gains=(1.0,) * 1000, ids=ids, done=1000))
    seconds = []
    for _ in range(2):
        start = time.process_time()
        index = write_report(run)
        seconds.append(time.process_time() - start)
    assert len(addresses(data_of(index))) == 6000
    assert seconds[0] < 5  # alone on this machine 0.7
    assert seconds[1] < 2


def test_command(tmp_path, capsys):
    run = make_run(tmp_path, FakeRun(done=1))
    main([str(run)])
    assert capsys.readouterr().out == f"{run / 'report' / 'index.html'}\n"


def test_command_on_another_folder(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path)])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.count("\n") == 1
    assert str(tmp_path) in said
