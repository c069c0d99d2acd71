"""``fusionlab evaluate --fused``: pictures that any tool made, alone and beside networks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import evaluate
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import FusionMetrics

from ..conftest import write_pairs

NAMES = ("01", "02", "03")


def write_fused(folder: Path, names=NAMES, size=(40, 44), seed=1, suffix=".png") -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in names:
        pixels = rng.integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}{suffix}")
    return folder


@pytest.fixture
def pairs(tmp_path) -> Path:
    return write_pairs(tmp_path / "pairs", names=NAMES, size=(40, 44))


@pytest.fixture
def run_score(tmp_path, pairs):
    """Score folders; returns the run folder and its summary."""

    def run(*argv: str):
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        evaluate.main(["--data.root", str(pairs), "--output", str(output), *argv])
        (folder,) = set(output.glob("*")) - before
        return folder, json.loads((folder / "summary.json").read_text())

    return run


def table(folder: Path) -> dict[tuple[str, str], dict[str, float]]:
    """The values of fused pictures by method and sample."""
    with (folder / "per_image.csv").open() as file:
        lines = [line for line in csv.DictReader(file) if not line["method"].endswith("alone")]
    return {
        (line["method"], line["id"]): {k: float(v) for k, v in line.items() if v and ":" in k}
        for line in lines
    }


def test_values_are_those_of_the_metrics(run_score, tmp_path, pairs):
    fused = write_fused(tmp_path / "ours")
    folder, summary = run_score("--fused", str(fused))
    assert sorted(table(folder)) == [("ours", name) for name in NAMES]
    metrics = FusionMetrics()
    for name in NAMES:
        images = [fused / f"{name}.png", pairs / "vi" / f"{name}.png", pairs / "ir" / f"{name}.png"]
        grey = [np.array(Image.open(path), dtype=np.float32)[None, None] for path in images]
        tensors = [torch.from_numpy(pixels) for pixels in grey]
        metrics.update(tensors[0], torch.stack(tensors[1:], 1))
    expected = {name: value.item() for name, value in metrics.compute().items()}
    (result,) = summary["results"]
    assert result["means"]["ours"] == pytest.approx(expected, rel=1e-12)
    assert list(result["means"]) == ["vi alone", "ir alone", "ours"]  # each source stands beside
    assert summary["metrics"]["EI"]["convention"].startswith("ttd")
    assert result["ids"] == list(NAMES)


def test_several_folders_give_one_table(run_score, tmp_path, capsys):
    folders = [str(write_fused(tmp_path / name, seed=k)) for k, name in enumerate(("a", "b", "c"))]
    _, summary = run_score("--fused", *folders, "--metrics.preset", "vifb")
    ranks = summary["results"][0]["mean_ranks"]
    assert set(ranks) == {"a", "b", "c"}
    assert all(sum(ranks[name][k] for name in "abc") == pytest.approx(6) for k in ranks["a"])
    printed = capsys.readouterr().out
    assert "rank↓" in printed
    assert "…" not in printed


def test_folders_stand_beside_networks(run_score, tmp_path):
    fused = write_fused(tmp_path / "ours")
    argv = ["--fused", str(fused), "--methods", "ifcnn", "--ttd"]
    folder, summary = run_score(*argv)
    (result,) = summary["results"]
    assert result["methods"] == ["vi alone", "ir alone", "ours", "IFCNN", "IFCNN+TTD"]
    assert set(result["overall_rank"]) == {"ours", "IFCNN", "IFCNN+TTD"}
    assert list(result["differences"]) == ["IFCNN+TTD"]
    alone, _ = run_score("--fused", str(fused))
    assert table(alone) == {key: row for key, row in table(folder).items() if key[0] == "ours"}


def test_metrics_by_name_and_convention(run_score, tmp_path):
    fused = write_fused(tmp_path / "ours")
    argv = ["--fused", str(fused), "--metrics.names", "[EI:mefb, EI:ttd, en]"]
    folder, summary = run_score(*argv)
    assert set(summary["metrics"]) == {"EI:mefb", "EI:ttd", "EN"}
    for values in table(folder).values():
        assert values["EI:mefb"] == pytest.approx(4 * values["EI:ttd"])


@pytest.mark.slow
def test_workers_change_nothing(run_score, tmp_path):
    fused = write_fused(tmp_path / "ours")
    one, _ = run_score("--fused", str(fused))
    two, _ = run_score("--fused", str(fused), "--data.workers", "2")
    assert (one / "per_image.csv").read_bytes() == (two / "per_image.csv").read_bytes()


@pytest.mark.slow
def test_an_interrupted_run_goes_on_without_computing_again(
    run_score, tmp_path, pairs, monkeypatch, capsys
):
    fused = write_fused(tmp_path / "ours")
    whole, expected = run_score("--fused", str(fused))
    values, scored = Scorer.values_of_all, []

    def interrupted(self, pictures, sources, truth):
        if len(scored) == 6:  # ours, vi alone and ir alone of two samples
            raise KeyboardInterrupt
        scored.extend(pictures)
        return values(self, pictures, sources, truth)

    monkeypatch.setattr(Scorer, "values_of_all", interrupted)
    output = tmp_path / "again"
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--data.root", str(pairs), "--output", str(output), "--fused", str(fused)])
    assert stop.value.code == 130
    (folder,) = output.iterdir()
    assert f"fusionlab evaluate --resume {folder}" in capsys.readouterr().err
    assert len(table(folder)) == 2
    scored.clear()
    evaluate.main(["--resume", str(folder)])
    assert len(scored) == 3
    assert (folder / "per_image.csv").read_bytes() == (whole / "per_image.csv").read_bytes()
    resumed = json.loads((folder / "summary.json").read_text())
    assert resumed["results"] == expected["results"]


def facts(summary: dict, name: str) -> dict:
    """What a summary says of a folder."""
    (found,) = [one for one in summary["methods"] if one["name"] == name]
    assert found["kind"] == "folder"
    return found["facts"]["folder"]


def test_jpeg_images_are_pointed_out(run_score, tmp_path, capsys):
    fused = write_fused(tmp_path / "ours", suffix=".jpg")
    _, summary = run_score("--fused", str(fused))
    assert "3 of 3 images are JPEG" in capsys.readouterr().err
    assert facts(summary, "ours")["jpeg"] == ["01.jpg", "02.jpg", "03.jpg"]


def test_unmatched_images_may_be_left_out(run_score, tmp_path, capsys):
    fused = write_fused(tmp_path / "ours", names=("01", "03", "stray"))
    _, summary = run_score("--fused", str(fused), "--allow_unmatched", "true")
    printed = capsys.readouterr().err
    assert "no fused image: 02" in printed
    assert "no such sample: stray.png" in printed
    assert summary["results"][0]["ids"] == ["01", "03"]
    assert facts(summary, "ours")["missing"] == ["02"]


@pytest.mark.parametrize(
    ("change", "argv", "expected"),
    [
        (lambda f: (f / "02.png").unlink(), [], ["ours", "no fused image for 02"]),
        (
            lambda f: (f / "02.png").rename(f / "04.png"),
            [],
            ["no fused image for 02", "no sample for 04.png", "allow_unmatched"],
        ),
        (lambda f: (f / "02.png").write_bytes(b"no image"), [], ["02.png", "unknown format"]),
        (
            lambda f: Image.new("L", (9, 9)).save(f / "02.png"),
            [],
            ["02.png is 9x9", "44x40", "their size"],
        ),
        (lambda f: Image.new("L", (44, 40)).save(f / "02.bmp"), [], ["02.bmp", "02.png"]),
        (lambda f: None, ["--data.colour", "rgb"], ["--fused alone", "data.colour"]),
        (lambda f: None, ["--theorem"], ["--fused alone", "theorem"]),
        (lambda f: None, ["--metrics.names", "[EN, en:paper]"], ["EN:paper twice"]),
        (lambda f: None, ["--metrics.names", "[MS_SSIM]"], ["01", "MS_SSIM needs 161x161"]),
        (lambda f: None, ["--metrics.names", "[EN, ENN]"], ["'ENN'", "en"]),
        (lambda f: None, ["--metrics.names", "[EN:mfb]"], ["EN", "'mfb'", "mefb"]),
        (lambda f: None, ["--metrics.names", "[]"], ["metrics.names"]),
        (lambda f: None, ["--network.checkpoint", "x.pth"], ["network.checkpoint", "x.pth"]),
        (lambda f: None, ["--methods", "ifcnn", "--network.stretch", "true"], ["methods alone"]),
    ],
)
def test_bad_input_is_named_before_anything_is_written(
    change, argv, expected, refused, tmp_path, pairs
):
    fused = write_fused(tmp_path / "ours")
    change(fused)
    line = refused(evaluate, "--data.root", str(pairs), "--fused", str(fused), *argv)
    assert [part for part in expected if part not in line] == []


def test_no_folder_and_two_of_one_name(refused, tmp_path, pairs):
    line = refused(evaluate, "--data.root", str(pairs), "--fused", "nowhere")
    assert "nowhere" in line
    one = write_fused(tmp_path / "x" / "ours")
    line = refused(evaluate, "--data.root", str(pairs), "--fused", str(one), str(one))
    assert "x/ours" in line
    assert "rename" in line
    assert "data.root" in refused(evaluate, "--fused", str(one))


def test_folders_of_one_name_are_told_apart_by_their_parents(run_score, tmp_path):
    folders = [str(write_fused(tmp_path / name / "TNO", seed=len(name))) for name in ("a", "bb")]
    _, summary = run_score("--fused", *folders)
    assert summary["results"][0]["methods"][2:] == ["a/TNO", "bb/TNO"]


@pytest.mark.parametrize(
    ("argv", "key"),
    [
        (["--metrics.names", "[EI:ttd]"], "metrics"),
        (["--fused", "elsewhere"], "fused"),
        (["--data.root", "elsewhere"], "data.root"),
    ],
)
def test_a_resumed_run_cannot_change_what_it_scores(run_score, tmp_path, argv, key, capsys):
    folder, _ = run_score("--fused", str(write_fused(tmp_path / "ours")))
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--resume", str(folder), *argv])
    assert stop.value.code == 2
    assert f"{key} was" in capsys.readouterr().err


def test_images_that_no_two_folders_share_are_not_compared(refused, tmp_path, pairs):
    one = write_fused(tmp_path / "one", names=("01",))
    other = write_fused(tmp_path / "other", names=("02",))
    folders = ["--fused", str(one), str(other), "--allow_unmatched", "true"]
    line = refused(evaluate, "--data.root", str(pairs), *folders)
    assert "in every folder" in line


def test_the_config_of_an_evaluation_serves_both_programs(run_evaluate, pairs):
    folder, _ = run_evaluate("--data.root", str(pairs))
    written = yaml.safe_load((folder / "config.yaml").read_text())
    assert not {"fused", "allow_unmatched", "resume", "methods", "theorem"} & set(written)
