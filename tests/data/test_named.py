"""Named data sets as settings, and what a result says of them."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fusionlab.data.manifest_files import load_manifest, manifest_text
from fusionlab.data.manifest_making import make_manifest
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.settings import Data


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("Visible", "Infrared"):
        for k in (1, 2):
            path = tmp_path / "data" / "test" / name / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (5, 7, 3), np.uint8)).save(path)
    return tmp_path / "data"


@pytest.fixture
def name(tmp_path, root):
    sources = {"vi": "Visible", "ir": "Infrared"}
    manifest = make_manifest(root, "mine", "vif", "auto", sources, split="test")
    path = tmp_path / "mine.yaml"
    path.write_text(manifest_text(manifest))
    return str(path)


def opened(**settings):
    (dataset,) = open_data(Data(**settings))
    return dataset


def test_a_named_data_set_is_opened_as_its_manifest_says(root, name):
    dataset = opened(root=str(root), name=name)
    assert (dataset.name, dataset.task, dataset.ids) == ("mine", "vif", ["1", "2"])
    assert dataset.source_names == [("vi", "ir")] * 2
    assert not dataset[0]["chroma"].equal(dataset[1]["chroma"])
    said = "2 samples of mine, 4 hashes checked (subfolders: vi, ir), task vif"
    assert dataset.found() == f"{root}: {said}"


def test_a_result_names_the_manifest_by_its_hash(root, name):
    described = opened(root=str(root), name=name).describe()
    assert json.loads(json.dumps(described)) == described
    sha256 = load_manifest(name).sha256
    assert described["manifest"] == {"name": "mine", "sha256": sha256, "hashes_checked": 4}
    assert described["split"] == "test"
    unchecked = opened(root=str(root), name=name, verify_hashes=False).describe()
    assert unchecked["manifest"] == {"name": "mine", "sha256": sha256, "hashes_checked": 0}


def test_a_result_without_a_manifest_mentions_none(root):
    described = opened(root=str(root), split="test").describe()
    assert "manifest" not in described
    assert (described["name"], described["split"]) == ("data test", "test")


def test_another_file_is_refused_unless_hashes_are_not_wanted(root, name):
    size = (root / "test/Visible/1.png").stat().st_size
    (root / "test/Visible/1.png").write_bytes(bytes(size))
    with pytest.raises(InputError, match=r"Visible/1\.png is not the file of mine"):
        opened(root=str(root), name=name)
    shutil.copy(root / "test/Visible/2.png", root / "test/Visible/1.png")
    with pytest.raises(InputError, match=r"Visible/1\.png (holds what mine calls test/)?"):
        opened(root=str(root), name=name)


def test_the_task_may_be_repeated_but_not_changed(root, name):
    assert opened(root=str(root), name=name, task="vif").task == "vif"
    with pytest.raises(InputError, match=r"data\.task is mef, but mine is vif; unset it"):
        opened(root=str(root), name=name, task="mef")


def test_a_name_tells_the_task_where_the_sources_do_not(tmp_path):
    for scene in ("day", "dusk"):
        for name in "AB":
            path = tmp_path / "data" / scene / f"{scene}_{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((5, 7), ord(name), np.uint8)).save(path)
    manifest = make_manifest(tmp_path / "data", "m", "mef", sources={"under": "A", "over": "B"})
    (tmp_path / "m.yaml").write_text(manifest_text(manifest))
    dataset = opened(root=str(tmp_path / "data"), name=str(tmp_path / "m.yaml"))
    assert (dataset.task, dataset.source_names[0]) == ("mef", ("under", "over"))


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"name": "mefb"}, r"data\.name mefb needs data\.root, .*fusionlab data list"),
        ({"name": "mefb", "root": "x", "sources": ["A", "B"]}, r"data\.sources is settled by data"),
        ({"name": "mefb", "root": "x", "layout": "scenes"}, r"data\.layout is settled by data\.na"),
        ({"name": "mefb", "root": "x", "split": "test"}, r"data\.split is settled by data\.name"),
        ({"name": "mefb", "root": "x", "reference": "gt"}, r"data\.reference is settled by data"),
        ({"root": "x", "verify_hashes": False}, r"data\.verify_hashes needs data\.name"),
        ({"split": "test"}, r"data\.split needs data\.root"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, mistake):
    with pytest.raises(InputError, match=mistake):
        Data(**settings)


def test_an_unknown_name_is_refused_with_the_known_ones(root):
    with pytest.raises(InputError, match=r"no data set named 'TNO'; there are .*tno42"):
        opened(root=str(root), name="TNO")


def test_a_real_data_set_by_its_name(shared):
    dataset = opened(root=str(shared / "data/mef/MEFB"), name="mefb-15")
    assert len(dataset) == 15
    assert (dataset.task, dataset.source_names[0]) == ("mef", ("under", "over"))
    for index in (0, 14):
        under, over = dataset[index]["grey"].float().mean((1, 2, 3))
        assert under < over
