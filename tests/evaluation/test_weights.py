"""Checkpoints found in folders."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import evaluate
from fusionlab.cli.arguments import config_folder
from fusionlab.errors import InputError
from fusionlab.evaluation.api import evaluate as evaluated
from fusionlab.evaluation.weights import methods_with_weights
from fusionlab.fusing import Fuser
from fusionlab.networks import NETWORKS, create_network, save_checkpoint
from fusionlab.networks.checkpoints import file_sha256
from fusionlab.networks.published import Published
from fusionlab.settings import Method
from tests.conftest import write_pairs

TABLES = ("vif", "mif", "mef", "mff")
SAVIC = ("near", "far", "gt")  # folders


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Files as if FFMEF's authors had published them, one for each of two tasks."""
    folder = tmp_path / "weights" / "their names"
    folder.mkdir(parents=True)
    entries = []
    for seed, task in enumerate(("vif", "mef")):
        torch.manual_seed(seed)
        path = folder / f"renamed {task}.pth"
        torch.save(create_network("ffmef").state_dict(), path)
        entries.append(Published(f"{task}.pth", sha256=file_sha256(path), tasks=(task,)))
    monkeypatch.setattr(NETWORKS["ffmef"], "published", tuple(entries))
    return folder.parent


def test_the_file_of_the_task_is_taken_whatever_it_is_called(weights):
    shutil.copytree(weights / "their names", weights / "again")
    for task in ("vif", "mef"):
        (method,), lines = methods_with_weights([Method("ffmef")], [str(weights)], [task])
        assert method.checkpoint.endswith(f"renamed {task}.pth")
        assert method.tasks == [task]
        assert lines == []


def test_what_is_of_another_task_is_named(weights):
    methods, (line,) = methods_with_weights([Method("ffmef")], [str(weights)], ["mff"])
    assert methods == []
    assert "renamed mef.pth" in line
    assert line.endswith("is not for mff")


def test_every_file_of_a_network_is_a_method(weights):
    given = [Method("average"), Method("ffmef", name="F"), Method("ffmef", "mine.pth")]
    methods, _ = methods_with_weights(given, [str(weights)], ["vif", "mef"])
    found = [(one.name, one.checkpoint and one.checkpoint.rpartition("/")[2]) for one in methods]
    assert found == [
        (None, None),
        ("F (renamed mef)", "renamed mef.pth"),
        ("F (renamed vif)", "renamed vif.pth"),
        (None, "mine.pth"),
    ]


def test_our_own_files_say_what_they_are(tmp_path):
    network = create_network("densefuse", rule="l1")
    save_checkpoint(network, tmp_path / "trained.safetensors")
    (tmp_path / "other.safetensors").write_text("no safetensors")
    (tmp_path / "notes.txt").write_text("no weights")
    (method,), lines = methods_with_weights([Method("densefuse")], [str(tmp_path)], ["vif"])
    assert (method.checkpoint, lines) == (str(tmp_path / "trained.safetensors"), [])


def test_a_name_is_enough_only_where_no_hash_is_on_record(tmp_path):
    for name in ("CDDFuse_IVF.pth", "fusionmodel_final.pth"):
        torch.save({}, tmp_path / name)
    given = [Method("cddfuse"), Method("seafusion")]
    (method,), (line,) = methods_with_weights(given, [str(tmp_path)], ["vif"])
    assert method.network == "cddfuse"
    assert line.startswith("seafusion is left out: no weights of it in ")
    assert line.endswith("(fusionmodel_final.pth)")


def test_a_bundled_checkpoint_serves_where_there_is_no_file(tmp_path):
    (method,), lines = methods_with_weights([Method("ifcnn")], [str(tmp_path)], ["vif"])
    assert (method, lines) == (Method("ifcnn"), [])


def test_a_folder_that_is_not_there_is_refused(refused, pairs):
    line = refused(evaluate, "--data.root", pairs, "--methods", "ffmef", "--weights", "nowhere")
    assert "weights: no folder nowhere" in line


def test_if_nothing_is_left_that_is_said(refused, pairs, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    line = refused(evaluate, "--data.root", pairs, "--methods", "ffmef", "--weights", empty)
    assert "no method is left" in line
    assert "vif.pth" in line


def test_weights_are_not_ignored_where_pictures_are_scored(refused, pairs, tmp_path):
    line = refused(evaluate, "--data.root", pairs, "--fused", pairs / "ir", "--weights", tmp_path)
    assert "ignores weights" in line


def test_a_network_that_does_not_take_the_data_is_named_and_left_out(tmp_path, weights, capsys):
    root = write_pairs(tmp_path / "stacks", names=("01",), sources=("near", "middle", "far"))
    summary = evaluated(["average", "gifnet", "ifcnn"], root, weights=weights, metrics=["EN"])
    assert summary["results"][0]["methods"][-2:] == ["Average", "IFCNN"]
    assert "gifnet is left out" in capsys.readouterr().err
    save_checkpoint(create_network("curvemef"), weights / "curvemef.safetensors")
    evaluated(["average", "curvemef"], root, weights=weights, metrics=["EN"])
    assert "CurveMEF is left out: curvemef takes exactly 2 sources" in capsys.readouterr().err
    with pytest.raises(InputError, match="short form"):
        evaluated({"A": "average"}, root, weights=weights)


@pytest.mark.slow
@pytest.mark.parametrize("task", TABLES)
def test_a_table_without_weights_names_what_it_leaves_out(task, run_evaluate, capsys, tmp_path):
    sources = {"vif": ("vi", "ir"), "mif": ("MRI", "CT"), "mef": ("under", "over")}
    names = sources.get(task, ("near", "far"))
    root = write_pairs(tmp_path / task, sources=names, size=(20, 24))
    folder, summary = run_evaluate("--config", f"tables/{task}", "--data.root", root)
    (result,) = summary["results"]
    assert {f"{name} alone" for name in names} < set(result["methods"])
    assert {"Average", "IFCNN", "IFCNN+TTD"} < set(result["methods"])
    assert "Average+TTD" not in result["methods"]
    assert set(result["median_ms_per_image"]) == set(result["peak_megabytes"])
    assert "gifnet is left out: no folder of weights is given (Final.model)" in (
        capsys.readouterr().err
    )
    again = json.loads((folder / "summary.json").read_text())
    assert again["settings"]["data"]["task"] == task


@pytest.mark.parametrize("task", TABLES)
def test_a_table_has_every_network_of_its_task(task):
    content = yaml.safe_load((config_folder() / "tables" / f"{task}.yaml").read_text())
    given = [Method(one) if isinstance(one, str) else Method(**one) for one in content["methods"]]
    methods, lines = methods_with_weights(given, [], [task])
    found = [*(one.network for one in methods), *(line.partition(" ")[0] for line in lines)]
    made_for = [name for name, one in NETWORKS.items() if task in one.tasks and one.trainable]
    assert sorted(set(found) & set(made_for)) == sorted(made_for)
    assert len(set(found)) == len(found)


def test_all_are_those_that_are_not_named_besides(weights):
    given = [Method("ffmef", "mine.pth"), Method("all", ttd=False)]
    methods, lines = methods_with_weights(given, [str(weights)], ["mef"])
    assert [one.network for one in methods] == ["ffmef", "ifcnn", "weightnet"]
    assert not methods[1].ttd
    assert any(line.startswith("curvemef is left out") for line in lines)
    assert not any(line.startswith("seafusion") for line in lines), "not made for this task"


def test_all_needs_folders(refused, pairs):
    line = refused(evaluate, "--data.root", pairs, "--methods", "all")
    assert "methods: all needs weights" in line
    line = refused(evaluate, "--data.root", pairs, "--methods", "all@x.pth", "--weights", pairs)
    assert "all takes no checkpoint" in line


@pytest.mark.slow
def test_psnr_of_real_stacks(shared):
    """As measured with the authors' modules."""
    weights, data = shared / "weights" / "stackmff", shared / "data" / "mff" / "Savic"
    summary = evaluated(["average", "stackmff"], data, weights=weights, metrics=["PSNR"])
    means = {name: one["PSNR_truth"] for name, one in summary["results"][0]["means"].items()}
    assert means["Average"] == pytest.approx(25.57, abs=0.02)
    assert means["StackMFF (stackmff_v2_final)"] == pytest.approx(30.83, abs=0.02)
    assert means["StackMFF (stackmff_v3_final)"] == pytest.approx(29.11, abs=0.02)


def luma_psnr(network, pair, truth) -> float:
    """Of a pair without roles, in its own order, as (H, W) in [0, 1]."""
    sources = {str(k): image[None] for k, image in enumerate(pair)}
    fused = Fuser(network, "mff", tile=0)(sources).output
    return -10 * (fused.clamp(0, 1).squeeze() - truth).square().mean().log10().item()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file", "options", "images", "expected"),
    [
        ("stackmff", "stackmff/stackmff_v2_final.pth", {}, range(1, 9), (30.83, 31.33)),
        ("stackmff", "stackmff/stackmff_v3_final.pth", {"rule": "hard"}, range(1, 9), (28.13,) * 2),
        ("gifnet", "gifnet/Final.model", {}, [7], (20.92, 19.75)),
        ("gifnet", "gifnet/Final.model", {}, [8], (19.53, 19.02)),
    ],
)
def test_psnr_of_both_orders_of_real_pairs(name, file, options, images, expected, shared):
    """Near first and far first, as measured with the authors' modules on grey levels."""
    data = shared / "data" / "mff" / "Savic"
    network = create_network(name, shared / "weights" / file, **options)
    found = []
    for image in images:
        near, far, truth = (
            torch.from_numpy(np.array(Image.open(path).convert("L"))).float() / 255
            for path in (data / folder / f"savic_{image:02d}.png" for folder in SAVIC)
        )
        found.append([luma_psnr(network, pair, truth) for pair in ((near, far), (far, near))])
    assert np.mean(found, 0).tolist() == pytest.approx(expected, abs=0.02)
