"""Names in a manifest may not lead out of the folder below which files of that name are written."""

from pathlib import Path

import pytest
import yaml

import evaluate
from fusionlab.data.manifest_files import parse_manifest
from fusionlab.errors import InputError
from fusionlab.runs.run import Sample

from ..conftest import write_pairs


def manifest(id_: str = "01", source: str = "vi", **more: object) -> str:
    files = {source: {"path": "vi/01.png"}, "ir": {"path": "ir/01.png"}}
    said = {
        **{"name": "n", "title": "t", "task": "vif", "layout": "subfolders", "origin": "o"},
        **{"licence": "l", "count": "1", "sources": {source: "vi", "ir": "ir"}},
        **{"samples": {id_: files}},
        **more,
    }
    return yaml.safe_dump(said)


OUT = ["/tmp/x", "../x", "a/../../x", "a\\..\\..\\x", ""]


def test_names_in_subfolders_are_read():
    assert parse_manifest(manifest("day/01"), "m").ids == ["day/01"]


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("key", ["id_", "source"])
def test_names_that_lead_out_are_refused_when_read(key, name):
    with pytest.raises(InputError, match="leads out of its folder"):
        parse_manifest(manifest(**{key: name}), "m")


@pytest.mark.parametrize("key", ["split", "reference"])
def test_folders_that_lead_out_are_refused(key):
    with pytest.raises(InputError, match=f"{key} .*leads out of its folder"):
        parse_manifest(manifest(**{key: "../x"}), "m")


@pytest.mark.parametrize("name", OUT)
def test_names_in_a_run_folder_are_held_to_it(name):
    with pytest.raises(InputError):
        Sample("data", "vif", "", name)
    with pytest.raises(InputError):
        Sample("data", name, "", "01")
    with pytest.raises(InputError):
        Sample("data", "vif", "", "01").source(name)


def test_nothing_is_written_outside(tmp_path, refused):
    write_pairs(tmp_path / "data", names=("01",))
    (tmp_path / "m.yaml").write_text(manifest(str(tmp_path / "outside")))
    line = refused(evaluate, "--data.root", tmp_path / "data", "--data.name", tmp_path / "m.yaml")
    assert "leads out of its folder" in line
    assert {path.name for path in Path(tmp_path).iterdir()} == {"data", "m.yaml"}
