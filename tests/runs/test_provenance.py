import json
import re

import pytest
import torch

import fusionlab
from fusionlab.runs.provenance import provenance


@pytest.fixture(autouse=True)
def anew():
    provenance.cache_clear()
    yield
    provenance.cache_clear()


def test_a_result_says_what_made_it():
    found = provenance()
    assert found["fusionlab"] == fusionlab.__version__
    assert torch.__version__.startswith(found["versions"]["torch"])
    assert found["threads"] == torch.get_num_threads()
    assert found["commit"] is None or re.fullmatch("[0-9a-f]{40}(-dirty)?", found["commit"])
    assert json.loads(json.dumps(found)) == found


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    (tmp_path / "__init__.py").write_text("")
    monkeypatch.setattr(fusionlab, "__file__", str(tmp_path / "__init__.py"))
    assert provenance()["commit"] is None


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance()["commit"] is None
