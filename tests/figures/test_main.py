import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import torch
from PIL import Image

from fusionlab.cli.figures import main, parser
from fusionlab.data.corruptions import LEVELS
from fusionlab.figures.probes import rd_over_time, rd_under
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.settings.bench import CorruptionName

ROOT = Path(__file__).parents[2]

SHARP = ("--ttd.preset", "authors", "--ttd.temperature", "1000")


@pytest.fixture
def draw(tmp_path, capsys):
    """Draw a figure; returns the rows of its CSV file and what its JSON file says."""

    def run(*argv: str):
        stem = tmp_path / "out" / "figure"
        main([*argv, *SHARP, "--output", str(stem)])
        files = [f"{stem}.{kind}" for kind in ("pdf", "png", "csv", "json")]
        assert capsys.readouterr().out.splitlines() == files
        with Image.open(files[1]) as image:
            assert image.width == 2148  # 7.16 in at 300 dpi
        with (tmp_path / "out" / "figure.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return rows, json.loads((tmp_path / "out" / "figure.json").read_text("utf-8"))

    return run


@pytest.fixture
def refused(tmp_path, capsys):
    """Ask for what must be refused; returns the one line that is printed."""

    def run(*argv: str) -> str:
        stem = tmp_path / "refused" / "figure"
        with pytest.raises(SystemExit) as stop:
            main([*argv, "--output", str(stem)])
        printed = capsys.readouterr()
        assert stop.value.code == 2
        assert printed.out == ""
        assert not stem.parent.exists()
        (line,) = printed.err.splitlines()
        assert line.startswith("fusionlab figures")
        return line

    return run


@pytest.mark.slow
def test_panel_of_a_named_sample(draw, pairs):
    rows, about = draw("panel", "--data.root", str(pairs), "--id", "10")
    assert [(row["id"], row["source"]) for row in rows] == [("10", "vi"), ("10", "ir")]
    assert sum(float(row["mean RD"]) for row in rows) == pytest.approx(1)
    assert about["figure"] == "panel"
    assert about["network"]["name"] == "ifcnn"
    assert about["ttd"]["temperature"] == 1000
    assert about["data"][0]["ids"] == ["1", "2", "10"]


@pytest.mark.slow
def test_a_strip_has_the_numbers_of_the_panel(draw, pairs):
    strip, about = draw("strip", "--data.root", str(pairs), "--id", "10")
    assert about["figure"] == "strip"
    assert strip == draw("panel", "--data.root", str(pairs), "--id", "10")[0]


@pytest.mark.slow
def test_panel_of_files_is_that_of_the_folder(draw, pairs):
    folder, _ = draw("panel", "--data.root", str(pairs), "--id", "2")
    files, _ = draw("panel", str(pairs / "vi" / "2.png"), str(pairs / "ir" / "2.png"))
    assert files == folder


@pytest.mark.slow
def test_rd_of_several_samples(draw, pairs):
    rows, about = draw("rd", "--data.root", str(pairs), "--ids", "10", "1")
    ends = [abs(float(row[key]) - 0.5) for row in rows for key in ("least RD", "largest RD")]
    colours = about["rd_colours"]
    assert colours == {"neutral_at": [0.5], "full_at_a_deviation_of": pytest.approx(max(ends))}
    assert [row["id"] for row in rows] == ["10", "10", "1", "1"]
    assert all(0 <= float(row["least RD"]) <= float(row["largest RD"]) <= 1 for row in rows)


@pytest.mark.slow
def test_masking_with_what_is_there_changes_nothing(draw, pairs, tmp_path):
    white = Path(shutil.copytree(pairs, tmp_path / "white"))
    Image.new("L", (24, 16), 255).save(white / "ir" / "1.png")
    argv = ("masking", "--data.root", str(white), "--source", "IR", "--value", "1")
    (row,), _ = draw(*argv, "--box", "[3, 2, 13, 10]")
    assert [row[edge] for edge in ("left", "top", "right", "bottom")] == ["3", "2", "13", "10"]
    assert row["source"] == "ir"
    assert row["RD before"] == row["RD after"]


def test_masking_changes_the_rd(draw, pairs):
    (row,), about = draw("masking", "--data.root", str(pairs), "--id", "1")
    assert about["options"]["id"] == "1"
    assert about["options"]["value"] == 0
    assert row["RD before"] != row["RD after"]
    rises = float(row["RD after"]) > float(row["RD before"])
    text = "RD of a masked region falls (Figure 6)"
    assert about["claim"] == {"text": text, "contradicted": rises}
    assert [row[edge] for edge in ("left", "top", "right", "bottom")] == ["9", "6", "15", "10"]


@pytest.mark.slow
def test_masking_takes_the_objective_as_the_panel_does(draw, pairs, tmp_path):
    checkpoint = untrained("cddfuse", tmp_path / "cddfuse.safetensors")
    network = ("--network.name", "cddfuse", "--network.checkpoint", str(checkpoint))
    ttd = ("--ttd.basis", "gradient", "--ttd.loss", "objective", "--ttd.temperature", "1e6")
    argv = ("--data.root", str(pairs), *network, *ttd, "--id", "1")
    panel, about = draw("panel", *argv)
    (row,), _ = draw("masking", *argv)
    assert about["ttd"]["loss"] == "objective"
    assert row["RD before"] != row["RD after"]
    (whole,), _ = draw("masking", *argv, "--box", "[0, 0, 1, 1]")
    assert float(whole["RD before"]) == pytest.approx(float(panel[0]["mean RD"]))


@pytest.mark.slow
def test_contrast_writes_the_curve_that_it_draws(draw, pairs, fusion):
    rows, _ = draw("contrast", "--data.root", str(pairs), "--source", "ir", "--corruption", "fog")
    curve = rd_under(fusion.fuse, [(fusion.images(k), "ir", k) for k in range(3)], "fog")
    assert [float(row["severity"]) for row in rows] == [0, 1, 2, 3, 4, 5]
    written = [[float(row[id_]) for id_ in ("1", "2", "10")] for row in rows]
    assert written == curve.per_image.T.tolist()
    drawn = zip(*curve.band(), strict=True)
    for row, values in zip(rows, drawn, strict=True):
        assert tuple(float(row[key]) for key in ("mean RD", "95 % from", "95 % to")) == values


@pytest.mark.slow
def test_contrast_leaves_out_what_has_another_number_of_sources(tmp_path, capsys):
    for scene, exposures in (("01", 2), ("02", 3), ("03", 2)):
        (tmp_path / "mef" / scene).mkdir(parents=True)
        for k in range(exposures):
            Image.new("L", (12, 12), 80 * k).save(tmp_path / "mef" / scene / f"{k}.png")
    data = ("--data.root", str(tmp_path / "mef"), "--data.layout", "scenes", "--data.task", "mef")
    main(["contrast", *data, "-o", str(tmp_path / "figure")])
    assert "left out for not having 2 sources: 1 samples" in capsys.readouterr().err
    heading = (tmp_path / "figure.csv").read_text().splitlines()[0]
    assert heading == "severity,mean RD,95 % from,95 % to,01,03"


@pytest.mark.slow
def test_time_goes_through_the_frames_in_natural_order(draw, pairs, fusion):
    rows, _ = draw("time", "--data.root", str(pairs), "--frames", "2")
    means = rd_over_time(fusion.fuse, map(fusion.images, range(3)))
    assert [(row["frame"], row["id"]) for row in rows] == [("1", "1"), ("2", "2"), ("3", "10")]
    written = [[float(row["mean RD of vi"]), float(row["mean RD of ir"])] for row in rows]
    assert written == means.tolist()


def test_mistakes_are_told_in_one_line(refused, pairs, tmp_path):
    root = ("--data.root", str(pairs))
    assert "no sample 7; there are 1, 2, 10" in refused("panel", *root, "--id", "7")
    assert "set source to one of vi, ir" in refused("contrast", *root, "--source", "far")
    assert "inside 24x16 pixels" in refused("masking", *root, "--box", "[0, 0, 99, 9]")
    assert "inside 24x16 pixels" in refused("masking", *root, "--box", "[.nan, 0, 1, 1]")
    assert "value must be from 0 to 1" in refused("masking", *root, "--value", "2")
    assert "frames must be at least 1" in refused("time", *root, "--frames", "0")
    assert "no folder nowhere" in refused("rd", "--data.root", "nowhere")
    assert "two answers" in refused("panel", *root, str(pairs / "vi" / "1.png"))
    assert "does not tell the task" in refused("panel", *map(str, (pairs / "vi").glob("*.png")))
    assert "two or more files" in refused("panel", str(pairs / "vi" / "1.png"))
    assert "ttd.temperature" in refused("rd", "--ttd.temperature", "-1")
    assert "ttd.loss" in refused("rd", "--ttd.loss", "l7")
    assert "ttd.form is a list; give one setting" in refused("rd", "--ttd.form", "[exp, linear]")
    assert "corruption" in refused("contrast", *root, "--corruption", "noise")
    three = [str(tmp_path / f"{name}.png") for name in ("under", "normal", "over")]
    for path in three:
        Image.new("RGB", (64, 48)).save(path)
    assert "takes exactly 2 sources" in refused(
        *("panel", *three, "--network.name", "piafusion"),
        *("--network.checkpoint", str(untrained("piafusion", tmp_path / "pia.safetensors"))),
    )


@pytest.mark.slow
def test_built_in_scenes_of_more_sources_are_left_out(tmp_path, capsys):
    weights = untrained("piafusion", tmp_path / "pia.safetensors")
    network = ("--network.name", "piafusion", "--network.checkpoint", str(weights))
    scene = ("--data.task", "mff", "--id", "mff-camera")
    main(["panel", *scene, *network, "--output", str(tmp_path / "figure")])
    assert "mff-coffee left out: piafusion takes exactly 2 sources" in capsys.readouterr().err
    assert (tmp_path / "figure.png").is_file()


def untrained(name, path):
    """A checkpoint of a network as it is before it learns."""
    torch.manual_seed(0)
    save_checkpoint(create_network(name), path)
    return path


def test_frames_need_the_same_sources(refused):
    assert "frames need the same" in refused("time", "--data.task", "mff")


@pytest.mark.slow
def test_dollars_in_names_are_no_formula(tmp_path, draw, pairs):
    for path in pairs.glob("*/1.png"):
        copy = tmp_path / "d$" / path.parent.name / "$\\frac$.png"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())
    rows, _ = draw("panel", "--data.root", str(tmp_path / "d$"), "--data.task", "vif")
    assert rows


@pytest.mark.slow
def test_an_output_with_an_ending_is_the_same_figure(tmp_path, pairs, capsys):
    main(["panel", "--data.root", str(pairs), "-o", str(tmp_path / "fig.1.pdf")])
    assert {path.name for path in tmp_path.glob("fig*")} == {
        f"fig.1.{kind}" for kind in ("pdf", "png", "csv", "json")
    }


@pytest.mark.slow
def test_the_built_in_scenes_need_no_data(draw):
    rows, _ = draw("rd")
    assert [row["task"] for row in rows] == ["vif"] * 2 + ["mif"] * 2 + ["mef"] * 2 + ["mff"] * 2


@pytest.mark.parametrize("argv", [["--help"], ["panel", "--help"], ["rd", "--ttd.form", "cubic"]])
def test_help_and_mistakes_do_without_torch(argv):
    code = (
        "import sys\nfrom fusionlab.cli.figures import main, parser\n"
        f"try: main({argv!r})\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert done.returncode == 0


def test_an_unknown_figure_is_named(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["pannel"])
    assert stop.value.code == 2
    known = "panel, strip, rd, masking, contrast, time"
    line = (
        f"fusionlab figures: error: no command 'pannel'; there are {known}; did you mean panel?\n"
    )
    assert capsys.readouterr().err == line


def test_the_command_line_knows_every_corruption():
    assert set(get_args(CorruptionName)) == set(LEVELS)


@pytest.mark.slow
def test_ids_draw_a_figure_each(pairs, tmp_path, capsys):
    argv = ["--data.root", str(pairs), "--ids", "10", "1", "-o", str(tmp_path / "p")]
    main(["panel", *argv])
    written = capsys.readouterr().out.split()
    kinds = ("pdf", "png", "csv", "json")
    assert written == [str(tmp_path / f"p-{id_}.{kind}") for id_ in ("10", "1") for kind in kinds]
    about = json.loads((tmp_path / "p-1.json").read_text("utf-8"))
    assert about["options"]["id"] == "1"


@pytest.mark.slow
def test_ids_are_the_frames(draw, pairs, fusion):
    rows, _ = draw("time", "--data.root", str(pairs), "--ids", "10", "1")
    assert [row["id"] for row in rows] == ["10", "1"]
    places = [fusion.dataset.ids.index(id_) for id_ in ("10", "1")]
    means = rd_over_time(fusion.fuse, map(fusion.images, places))
    assert [float(row["mean RD of vi"]) for row in rows] == pytest.approx([one[0] for one in means])


def test_ids_beside_an_id(refused, pairs):
    argv = ("--data.root", str(pairs), "--id", "1", "--ids", "1", "2")
    assert "leave one of them out" in refused("panel", *argv)


@pytest.mark.parametrize("name", ["panel", "strip", "rd", "masking", "contrast", "time"])
def test_figures_go_below_runs(name):
    assert parser(name).get_defaults().output == f"runs/figures/{name}"
