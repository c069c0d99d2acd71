"""Shards of an evaluation, merged, are the evaluation."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fusionlab.cli import main
from fusionlab.data.batches import SameShapeBatches
from fusionlab.data.opening import open_data
from fusionlab.runs.run import MEMORY, TIME
from fusionlab.settings import Data


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Seven pairs, of two sizes."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for source in ("vi", "ir"):
        (folder / source).mkdir()
        for k in range(7):
            levels = rng.integers(0, 256, (24, 24 + 4 * (k % 3 == 0)), np.uint8)
            Image.fromarray(levels).save(folder / source / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def evaluate(root, tmp_path_factory):
    def run(*words):
        output = tmp_path_factory.mktemp("runs")
        usual = ["--network.name", "ifcnn", "--ttd.preset", "structure", "--metrics.names"]
        usual += ["[EN, SSIM, SF]", "--report", "false", "--wandb.mode", "disabled"]
        data = ["--data.root", str(root), "--data.batch_size", "2"]
        main(["evaluate", *data, *usual, "--output", str(output), *words])
        (folder,) = output.iterdir()
        return folder

    return run


@pytest.fixture(scope="module")
def shards(evaluate):
    return [evaluate("--shard", f"{k}/3") for k in (2, 3, 1)]


def rows(folder, name):
    lines = list(csv.DictReader((folder / name).open(newline="")))
    return [{key: cell for key, cell in one.items() if key not in (TIME, MEMORY)} for one in lines]


def results(folder):
    found = json.loads((folder / "summary.json").read_text())["results"]
    costs = ("median_ms_per_image", "peak_megabytes")
    return [{key: value for key, value in one.items() if key not in costs} for one in found]


def refused(capsys, *words):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["merge", *map(str, words)])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.slow
def test_merged_shards_are_the_whole_run_bit_for_bit(evaluate, shards, tmp_path, capsys):
    whole, merged = evaluate(), tmp_path / "merged"
    main(["merge", *map(str, shards), "-o", str(merged)])
    assert str(merged) in capsys.readouterr().out
    for name in ("per_image.csv", "rd.csv"):
        assert rows(merged, name) == rows(whole, name)
    assert len(rows(merged, "per_image.csv")) == 7 * 4 + 7  # sources, two methods, a baseline
    assert json.dumps(results(merged)) == json.dumps(results(whole))  # NaN is NaN
    pictures = {path.relative_to(whole): path for path in whole.rglob("*.png")}
    assert pictures
    for name, path in pictures.items():
        assert (merged / name).read_bytes() == path.read_bytes(), name


def test_every_sample_is_in_one_shard_whatever_the_batches(root):
    (data,) = open_data(Data(root=str(root)))
    whole = SameShapeBatches(data, 2).batches
    places = [(rank, k) for rank in (0, 1) for k in (1, 2, 3)]
    parts = [SameShapeBatches(data, 2, rank, 2, shard=(k, 3)).batches for rank, k in places]
    assert sorted(batch for part in parts for batch in part) == whole


def test_a_missing_shard_is_named(shards, capsys):
    assert "shard 1/3 is missing" in refused(capsys, *shards[:2])


def test_a_doubled_shard_is_named(shards, capsys):
    assert "are both shard 2/3" in refused(capsys, *shards, shards[0])


@pytest.mark.slow
def test_shards_of_other_evaluations_are_refused(evaluate, shards, capsys):
    other = evaluate("--shard", "3/3", "--metrics.names", "[EN]")
    line = refused(capsys, shards[0], shards[2], other)
    assert "are not of one evaluation: they differ in metrics" in line
    other = evaluate("--shard", "3/3", "--ttd.temperature", "2")
    line = refused(capsys, shards[0], shards[2], other)
    assert "IFCNN+TTD has changed" in line or "calibrated temperatures" in line
    assert "is no shard; make shards with" in refused(capsys, evaluate())


def test_a_shard_that_was_interrupted_is_refused(shards, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(shards[0], broken)
    about = json.loads((broken / "summary.json").read_text())
    (broken / "summary.json").write_text(json.dumps({**about, "results": []}))
    assert "has not finished; fusionlab evaluate --resume" in refused(capsys, *shards[1:], broken)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "4/3"], "shard must be i/n with i from 1 to n"),
        (["--shard", "7/9"], "shard 7/9 has no samples; make fewer shards"),
        (["--shard", "1/2", "--trainer.limit_test_batches", "2"], "use conditions.limit"),
    ],
)
def test_what_cannot_be_sharded_is_refused(evaluate, capsys, words, said):
    with pytest.raises(SystemExit):
        evaluate(*words)
    assert said in capsys.readouterr().err
