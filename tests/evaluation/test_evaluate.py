"""``fusionlab evaluate`` through its real main."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import evaluate
from fusionlab.data.images import read_image
from fusionlab.metrics import spatial_frequency
from fusionlab.networks import create_network, save_checkpoint
from fusionlab.ttd import TestTimeDynamicFusion

from ..conftest import write_pairs

ROOT = Path(__file__).parents[2]
METRICS = ["EN", "SD", "AG", "EI", "SF", "SCD", "SSIM", "CE"]


def grey(path: Path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(path).convert("L")).astype(np.float32))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open() as file:
        return list(csv.DictReader(file))


def method(summary: dict, name: str) -> dict:
    (found,) = [one["facts"] for one in summary["methods"] if one["name"] == name]
    return found


def test_static_only_without_ttd(pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", pairs)
    assert list(summary["results"][0]["means"]) == ["vi alone", "ir alone", "IFCNN"]
    assert summary["results"][0]["differences"] == {}
    assert sorted(p.name for p in (folder / "vif").iterdir()) == ["IFCNN", "sources"]


def test_what_is_written_is_what_the_network_computes(pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", pairs, "--ttd.preset", "authors")
    dynamic = TestTimeDynamicFusion(create_network("ifcnn", "bundled"), "authors")
    for name in ("01", "02"):
        files = [pairs / source / f"{name}.png" for source in ("vi", "ir")]
        with torch.inference_mode():
            sources = torch.stack([read_image(path).expand(3, -1, -1) for path in files])[None]
            result, static = dynamic(sources), dynamic.network(sources)
        for row, image in (("IFCNN", static), ("IFCNN+TTD", result.fused)):
            luma = torch.einsum(
                "c,chw->hw", torch.tensor([0.299, 0.587, 0.114]), image[0].clamp(0, 1)
            )
            assert (grey(folder / "vif" / row / f"{name}.png") - 255 * luma).abs().max() <= 0.501
        maps = folder / "vif" / "rd" / "IFCNN+TTD"
        raw = np.load(maps / f"{name}.npz")
        assert raw["source_names"].tolist() == ["vi", "ir"]
        np.testing.assert_allclose(raw["rd"], result.rd[0, :, 0], atol=1e-6)
        np.testing.assert_allclose(raw["losses"], result.losses[0, :, 0], atol=1e-6)
        assert (maps / f"{name}-vi.png").is_file()
        assert (maps / f"{name}-ir.png").is_file()
    assert method(summary, "IFCNN+TTD")["ttd"]["temperature"] == 50.0


def test_the_numbers_are_those_of_the_written_pictures(pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", pairs, "--ttd.preset", "structure")
    lines = rows_of(folder)
    assert len(lines) == 2 * 4  # images times vi alone, ir alone, IFCNN, IFCNN+TTD
    for line in lines:
        path = folder / "vif" / line["method"] / f"{line['id']}.png"
        if line["method"].endswith("alone"):
            path = pairs / line["method"].split()[0] / f"{line['id']}.png"
        expected = spatial_frequency(grey(path)[None, None]).item()
        assert float(line["SF:ttd"]) == pytest.approx(expected, rel=1e-9)
    result = summary["results"][0]
    for row in ("IFCNN", "IFCNN+TTD"):
        for metric in METRICS:
            own = [float(line[f"{metric}:ttd"]) for line in lines if line["method"] == row]
            assert result["means"][row][metric] == pytest.approx(np.mean(own))
    difference = result["differences"]["IFCNN+TTD"]["SF"]
    means = result["means"]
    expected = means["IFCNN+TTD"]["SF"] - means["IFCNN"]["SF"]
    assert difference["mean"] == pytest.approx(expected)
    assert difference["low"] <= difference["mean"] <= difference["high"]


def test_the_summary_says_where_the_numbers_come_from(pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", pairs, "--ttd.preset", "structure")
    network = method(summary, "IFCNN")["network"]
    assert (network["name"], network["options"]["rule"]) == ("ifcnn", "max")
    assert len(network["checkpoint"]["sha256"]) == 64
    ttd = method(summary, "IFCNN+TTD")["ttd"]
    assert (ttd["preset"], ttd["gain"]) == ("structure", "largest")  # of a max rule
    (calibrated,) = summary["calibrated"]
    assert (calibrated["method"], calibrated["data"]) == ("IFCNN+TTD", "pairs")
    assert calibrated["temperature"] > 0
    result = summary["results"][0]
    assert (result["data"], result["ids"]) == ("pairs", ["01", "02"])
    assert summary["data"][0]["source_names"] == ["vi", "ir"]
    assert set(METRICS) <= set(summary["metrics"])
    assert {"torch", "lightning"} <= set(summary["versions"])
    assert set(result["median_ms_per_image"]) == {"IFCNN", "IFCNN+TTD"}
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["data"]["root"] == str(pairs)


def test_the_written_config_repeats_the_run(pairs, run_evaluate):
    folder, first = run_evaluate("--data.root", pairs, "--ttd.temperature", "7")
    _, second = run_evaluate("--config", folder / "config.yaml")
    assert first["results"][0]["means"] == second["results"][0]["means"]
    assert method(second, "IFCNN+TTD")["ttd"]["temperature"] == 7.0


def test_batches_change_no_number(tmp_path, run_evaluate):
    root = write_pairs(tmp_path / "pairs", names=("a", "b", "c"))
    write_pairs(root, names=("d",), size=(9, 11))
    _, one = run_evaluate("--data.root", root, "--ttd")
    _, two = run_evaluate("--data.root", root, "--ttd", "--data.batch_size", "2")
    for row, means in one["results"][0]["means"].items():
        assert means == pytest.approx(two["results"][0]["means"][row], rel=1e-9)


def test_colour_comes_back(tmp_path, run_evaluate):
    root = write_pairs(tmp_path / "pairs", names=("01", "02"))
    rng = np.random.default_rng(1)
    colour = rng.integers(60, 190, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(colour).save(root / "vi" / "01.png")  # the other pair stays grey
    folder, _ = run_evaluate("--data.root", root, "--ttd", "--data.batch_size", "2")
    for row in ("IFCNN", "IFCNN+TTD"):
        assert Image.open(folder / "vif" / row / "02.png").mode == "L"
        fused = Image.open(folder / "vif" / row / "01.png")
        assert fused.mode == "RGB"
        chroma = [
            np.asarray(image.convert("YCbCr"))[..., 1:]
            for image in (fused, Image.fromarray(colour))
        ]
        inside = (np.asarray(fused) > 0).all(-1) & (np.asarray(fused) < 255).all(-1)  # not clipped
        assert inside.any()
        assert np.abs(chroma[0].astype(int) - chroma[1])[inside].max() <= 2


def test_three_sources_and_a_ground_truth(tmp_path, run_evaluate):
    root = write_pairs(tmp_path / "trio", sources=("near", "middle", "far", "gt"))
    _, summary = run_evaluate("--data.root", root, "--ttd")
    result = summary["results"][0]
    assert summary["data"][0]["source_names"] == ["near", "middle", "far"]
    assert result["task"] == "mff"
    assert {"PSNR_truth", "SSIM_truth"} <= set(result["means"]["IFCNN+TTD"])
    assert result["means"]["IFCNN"]["SCD"] is None  # defined for two sources
    assert result["counts"]["IFCNN"]["SCD"] == 0


@pytest.mark.slow
def test_a_bare_ttd_adds_the_preset_that_was_shown_to_help_on_its_task(tmp_path, run_evaluate):
    roots = {
        task: write_pairs(tmp_path / task, sources=names)
        for task, names in (("mff", ("near", "far")), ("vif", ("vi", "ir")))
    }
    extra = "IFCNN+TTD (structure)"
    folder, summary = run_evaluate("--data.root", roots["mff"], "--ttd")
    (result,) = summary["results"]
    assert list(result["differences"]) == ["IFCNN+TTD", extra]
    assert set(result["rd"][extra]) == {"near", "far"}
    assert not (folder / "tables.md").exists()  # it is no experiment
    for argv in (
        ("--data.root", roots["vif"], "--ttd"),
        ("--data.root", roots["mff"], "--ttd", "--ttd.loss", "mse"),
        ("--data.root", roots["mff"], "--ttd", "--ttd_by_task", "false"),
    ):
        _, summary = run_evaluate(*argv, "--report", "false")
        assert list(summary["results"][0]["differences"]) == ["IFCNN+TTD"], argv


@pytest.mark.slow
def test_of_several_tasks_the_preset_is_for_its_own_alone(run_evaluate):
    quick = ("--metrics.names", "[EN]", "--conditions.limit", "1", "--pictures", "false")
    _, summary = run_evaluate("--ttd", "--ttd_by_task", "true", *quick, "--report", "false")
    extra = "IFCNN+TTD (structure)"
    found = {one["task"]: list(one["differences"]) for one in summary["results"]}
    assert found == {
        **{task: ["IFCNN+TTD"] for task in ("vif", "mif", "mef")},
        "mff": ["IFCNN+TTD", extra],
    }
    assert {one["data"] for one in summary["calibrated"]} == {"built-in mff scenes"}


def test_presets_by_task_need_ttd(refused, pairs):
    line = refused(evaluate, "--data.root", pairs, "--ttd_by_task", "true")
    assert "ttd_by_task is for --ttd; set it too" in line


AUTOMATIC_CHANNEL = ("--ttd.basis", "gradient", "--ttd.channel", "auto")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "argv"),
    [
        ("mef", ()),
        ("mef", ("--data.colour", "rgb")),
        ("mff", ()),
        ("mef", AUTOMATIC_CHANNEL),
        ("mff", AUTOMATIC_CHANNEL),
    ],
)
def test_structure_costs_no_reference_scene_of_ours_and_gains_on_average(task, argv, run_evaluate):
    """A scene on which nothing is to be gained may lose 0.05 dB, about what rounding costs."""
    check_gains(run_evaluate, "--data.task", task, *argv)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["mef", "mff"])
@pytest.mark.parametrize("rule", ["MAX", "MEAN", "SUM"])
def test_nor_with_official_weights(rule, task, shared, run_evaluate):
    checkpoint = shared / "weights" / "ifcnn" / f"IFCNN-{rule}.pth"
    check_gains(run_evaluate, "--data.task", task, "--network.checkpoint", checkpoint)


def check_gains(run_evaluate, *argv):
    quick = ("--metrics.names", "[EN]", "--report", "false", "--pictures", "false")
    folder, _ = run_evaluate("--ttd.preset", "structure", *argv, *quick)
    lines = rows_of(folder)
    psnr = {
        (line["id"], line["method"]): float(line["PSNR_truth:paper"] or "nan") for line in lines
    }
    scenes = {line["id"] for line in lines}
    gains = {scene: psnr[scene, "IFCNN+TTD"] - psnr[scene, "IFCNN"] for scene in scenes}
    assert len(gains) >= 4
    assert {scene: gain for scene, gain in gains.items() if not gain > -0.05} == {}
    assert np.mean(list(gains.values())) > 0


@pytest.mark.slow
def test_built_in_scenes_print_a_table_for_each_task(run_evaluate, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    folder, summary = run_evaluate("--ttd", "--trainer.limit_test_batches", "1")
    out = capsys.readouterr().out
    assert [result["task"] for result in summary["results"]] == ["vif", "mif", "mef", "mff"]
    for word in ("VIF:", "MIF:", "MEF:", "MFF:", "IFCNN+TTD", "difference", "improved", "CE↓"):
        assert word in out
    assert out.count("PSNR↑") == 2  # multi-exposure and multi-focus have a ground truth
    assert str(folder) in out
    assert max(len(line) for line in out.splitlines() if str(folder) not in line) <= 80
    assert "…" not in out


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("subfolders", ["vis/s.png", "ir/s.jpg"]),
        ("scenes", ["s/s_A.png", "s/s_B.jpg", "s/ev.txt"]),
        ("suffixes", ["s-A.png", "s-B.jpg"]),
    ],
)
def test_every_layout_runs_on_its_own_data(layout, names, tmp_path, run_evaluate):
    rng = np.random.default_rng(2)
    for name in names:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("0 0")
        else:
            Image.fromarray(rng.integers(0, 256, (9, 8), dtype=np.uint8)).save(path)
    _, summary = run_evaluate("--data.root", str(tmp_path / "data"), "--data.task", "mef")
    (data,) = summary["data"]
    assert (data["layout"], data["ids"]) == (layout, ["s"])
    assert data["ignored"] == [name for name in names if name.endswith(".txt")]


def _missing_partner(root):
    (root / "ir" / "02.png").unlink()


def _other_size(root):
    Image.new("L", (10, 12)).save(root / "ir" / "02.png")


def _truncated(root):
    path = root / "ir" / "02.png"
    path.write_bytes(path.read_bytes()[:-80])


def _no_image(root):
    (root / "ir" / "02.png").write_text("not an image")


def _too_small(root):
    for source in ("vi", "ir"):
        Image.new("L", (16, 5)).save(root / source / "02.png")


def _empty(root):
    for path in root.rglob("*.png"):
        path.unlink()


def _same_stem(root):
    Image.new("L", (16, 12)).save(root / "ir" / "02.bmp")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_missing_partner, ["02.png", "ir", "partner"]),
        (_other_size, ["02.png", "10x12", "16x12", "register"]),
        (_truncated, ["02.png", "cannot be read"]),
        (_no_image, ["02.png", "cannot be read"]),
        (_too_small, ["02", "16x5", "7x7"]),
        (_empty, ["no images", "subfolders"]),
        (_same_stem, ["02.bmp", "02.png", "keep one"]),
    ],
)
def test_bad_images_are_named_before_anything_is_written(spoil, expected, pairs, refused):
    spoil(pairs)
    line = refused(evaluate, "--data.root", str(pairs), "--ttd")
    assert [part for part in expected if part not in line] == []


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--data.root", "nowhere"], ["nowhere", "data.root"]),
        (["--network.checkpoint", "nowhere.pth"], ["nowhere.pth", "network.checkpoint"]),
        (["--network.options.widht", "3"], ["widht", "rule, normalize"]),
        (["--network.options.rule", "median"], ["rule", "max, sum, mean", "median"]),
        (["--data.task", "mff", "--trainer.accelerator", "abacus"], ["trainer", "abacus"]),
        (["--data.task", "mff", "--trainer.precision", "12"], ["trainer", "12"]),
    ],
)
def test_bad_settings_are_named(argv, expected, refused):
    line = refused(evaluate, *argv)
    assert [part for part in expected if part not in line] == []


def test_an_output_that_cannot_be_made_is_named(pairs, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "runs"
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--data.root", str(pairs), "--output", str(output)])
    assert stop.value.code == 2
    assert "set output" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_a_network_for_two_sources_leaves_out_built_in_scenes_of_three(
    tmp_path, run_evaluate, capsys
):
    checkpoint = tmp_path / "piafusion.safetensors"
    save_checkpoint(create_network("piafusion"), checkpoint)
    argv = ["--network.name", "piafusion", "--network.checkpoint", checkpoint, "--data.task", "mff"]
    _, summary = run_evaluate(*argv, "--metrics.names", "[SF]", "--report", "false")
    assert "mff-coffee left out: PIAFusion takes exactly 2 sources" in capsys.readouterr().err
    (result,) = summary["results"]
    assert result["ids"] == ["mff-motorcycle", "mff-camera", "mff-astronaut"]


def test_a_network_for_two_sources_refuses_three(tmp_path, refused):
    checkpoint = tmp_path / "piafusion.safetensors"
    save_checkpoint(create_network("piafusion"), checkpoint)
    root = write_pairs(tmp_path / "trio", sources=("near", "middle", "far"))
    argv = ["--network.name", "piafusion", "--network.checkpoint", str(checkpoint)]
    line = refused(evaluate, *argv, "--data.root", str(root))
    assert "piafusion takes exactly 2 sources" in line


@pytest.mark.slow
@pytest.mark.parametrize(("name", "file"), [("gray", "vif/TNO"), ("rgb", "mif/MRI_PET")])
def test_densefuse_runs_as_published(name, file, shared, run_evaluate):
    weights = shared / "weights" / "densefuse" / f"densefuse_{name}.model"
    argv = ["--network.name", "densefuse", "--network.checkpoint", str(weights), "--ttd"]
    limit = ["--trainer.limit_test_batches", "1"]
    _, summary = run_evaluate(*argv, "--data.root", str(shared / "data" / file), *limit)
    facts = method(summary, "DenseFuse")
    assert facts["network"]["options"]["channels_in"] == (1 if name == "gray" else 3)
    assert set(facts["colour"].values()) == {"luma" if name == "gray" else "rgb"}


def test_a_folder_whose_task_nobody_can_tell_asks_for_it(tmp_path, refused):
    root = write_pairs(tmp_path / "pairs", sources=("one", "two"))
    line = refused(evaluate, "--data.root", str(root))
    assert "data.task" in line
    assert "one, two" in line


def _spoil_checkpoint(state, how):
    if how == "nan":
        state["conv3.bn.bias"][5] = float("nan")
    elif how == "missing":
        del state["conv4.bias"]
    elif how == "surplus":
        state["conv5.bias"] = torch.zeros(3)
    elif how == "shape":
        state["conv4.bias"] = torch.zeros(4)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("nan", ["conv3.bn.bias", "NaN"]),
        ("missing", ["missing", "conv4.bias"]),
        ("surplus", ["surplus", "conv5.bias"]),
        ("shape", ["shape", "conv4.bias"]),
    ],
)
def test_a_bad_checkpoint_is_named(how, expected, tmp_path, refused):
    state = create_network("ifcnn").state_dict()
    _spoil_checkpoint(state, how)
    path = tmp_path / "bad.pth"
    torch.save(state, path)
    line = refused(evaluate, "--network.checkpoint", str(path))
    assert [part for part in [*expected, "bad.pth"] if part not in line] == []


def test_a_broken_network_stops_with_the_name_of_the_image(pairs, tmp_path, capsys):
    state = create_network("ifcnn").state_dict()
    state["conv4.weight"].fill_(3e38)  # finite weights, infinite output
    torch.save(state, tmp_path / "huge.pth")
    argv = ["--data.root", str(pairs), "--network.checkpoint", str(tmp_path / "huge.pth")]
    with pytest.raises(SystemExit) as stop:
        evaluate.main([*argv, "--output", str(tmp_path / "runs"), "--trainer.accelerator", "cpu"])
    assert stop.value.code == 2
    assert "01" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("data", "kind"), [("vif/IFCNN_IV", "IV"), ("mif/IFCNN_MD", "MD")])
def test_the_authors_published_results_are_reproduced(data, kind, shared, run_evaluate):
    weights = shared / "weights" / "ifcnn" / "IFCNN-MAX.pth"
    root, task = shared / "data" / data, data[:3]
    argv = ["--data.root", root, "--data.task", task, "--network.checkpoint", weights]
    folder, _ = run_evaluate(*argv)
    published = sorted((shared / "reference" / "ifcnn_published").glob(f"IFCNN-MAX-{kind}-*.png"))
    assert published
    for path in published:
        ours = grey(folder / task / "IFCNN" / f"{path.stem.split('-')[-1]}.png")
        assert (ours - grey(path)).abs().max() <= 1, path.name


@pytest.mark.slow
def test_three_processes_give_the_numbers_of_one(tmp_path):
    root = write_pairs(tmp_path / "pairs", names=("a", "b", "c"))
    write_pairs(root, names=("d", "e"), size=(9, 11))
    found = {}
    for devices in ("1", "3"):
        output = tmp_path / devices
        argv = ["--ttd", "--theorem", "--data.root", str(root), "--output", str(output)]
        trainer = ["--trainer.accelerator", "cpu", "--trainer.devices", devices]
        if devices == "3":
            trainer += ["--trainer.strategy", "ddp"]
        command = [sys.executable, str(ROOT / "evaluate.py"), *argv, *trainer]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        subprocess.run(command, check=True, env=environment, cwd=tmp_path, timeout=300)
        (folder,) = output.iterdir()
        lines = (folder / "per_image.csv").read_text().splitlines()
        assert lines[0].endswith(",ms,MB")
        found[devices] = [line.rsplit(",", 2)[0] for line in lines]  # without time and memory
        found[devices] += [(folder / name).read_text() for name in ("theorem.csv", "rd.csv")]
        assert len(list(folder.glob("*.csv"))) == 3
        assert len(list((folder / "vif" / "IFCNN+TTD").glob("*.png"))) == 5
    assert found["1"] == found["3"]


def test_quiet_prints_the_table_only(pairs, run_evaluate, capsys):
    folder, _ = run_evaluate("--data.root", pairs, "--quiet")
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "VIF: pairs, 2 images" in printed.out
    assert str(folder) in printed.out


def test_json_prints_the_summary_only(pairs, run_evaluate, capsys):
    _, summary = run_evaluate("--data.root", pairs, "--ttd", "--json")
    assert json.loads(capsys.readouterr().out) == summary
    assert summary["metrics"]["CE"]["direction"] == "lower"


def test_without_a_report_or_pictures_only_numbers_are_written(pairs, run_evaluate):
    argv = ("--data.root", pairs, "--ttd", "--report", "false")
    folder, _ = run_evaluate(*argv, "--pictures", "false")
    files = ["config.yaml", "per_image.csv", "rd.csv", "summary.json"]
    assert sorted(path.name for path in folder.iterdir()) == files
    folder, _ = run_evaluate(*argv)
    assert sorted(path.name for path in folder.iterdir()) == [*files, "vif"]


def test_a_picture_below_the_least_size_of_a_network_is_refused(tmp_path, refused):
    checkpoint = tmp_path / "cddfuse.safetensors"
    save_checkpoint(create_network("cddfuse"), checkpoint)
    root = write_pairs(tmp_path / "thin", size=(1, 9))
    argv = ("--network.name", "cddfuse", "--network.checkpoint", checkpoint)
    line = refused(evaluate, *argv, "--data.root", root, "--metrics.names", "[EN]")
    assert "01 in thin is 9x1 pixels, cddfuse takes 2x2 or more" in line
