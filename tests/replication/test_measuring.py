import shutil

import pytest

from fusionlab.evaluation import measure
from fusionlab.networks.ifcnn import IFCNN
from fusionlab.settings import TTD
from replication.experiments import SETTINGS

from .conftest import replicate_tiny


@pytest.fixture
def copied(replicated, tmp_path):
    """The data and the values of the fixture, which may be changed."""
    for folder in ("medical", "infrared", "truth"):
        (tmp_path / folder).symlink_to(replicated / folder)
    shutil.copytree(replicated / "values", tmp_path / "values")
    return tmp_path


def texts(root):
    """The page without its command, and the files beside it, by name."""
    page = (root / "page.md").read_text().partition("```")[0]
    return {"page": page, **{one.name: one.read_text() for one in (root / "page").iterdir()}}


@pytest.mark.slow
def test_nothing_is_fused_again(replicated, copied, monkeypatch):
    monkeypatch.setattr(IFCNN, "encode", None)
    replicate_tiny(copied)
    assert texts(copied) == texts(replicated)


@pytest.mark.slow
def test_an_interrupted_program_goes_on(replicated, copied, monkeypatch):
    folder = copied / "values" / "IFCNN-MAX" / "TNO" / "masking-and-contrast"
    path = folder / "per_image.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-5]))  # the last sample, and one method of the one before
    read = []
    measured = measure._measure_batch
    monkeypatch.setattr(
        measure,
        "_measure_batch",
        lambda bench, condition, stations, batch, *rest: (
            read.extend(batch["id"]) or measured(bench, condition, stations, batch, *rest)
        ),
    )
    replicate_tiny(copied)
    assert read == ["3N", "4N"]
    assert texts(copied) == texts(replicated)


def refusal(root, capsys, *more):
    with pytest.raises(SystemExit) as stop:
        replicate_tiny(root, *more)
    assert stop.value.code == 2
    assert not (root / "page.md").exists()
    return capsys.readouterr().err.splitlines()[-1]


def test_other_images_are_refused(copied, capsys):
    assert "the data have other samples" in refusal(copied, capsys, "--limit", "2")


def test_another_definition_of_a_setting_is_refused(copied, capsys, monkeypatch):
    monkeypatch.setitem(SETTINGS, "authors", TTD("authors", temperature=40))
    assert "IFCNN-MAX+TTD (authors) has changed" in refusal(copied, capsys)


def test_other_weights_are_refused(copied, capsys, shared):
    file = shared / "weights" / "ifcnn" / "IFCNN-MAX.pth"
    error = refusal(copied, capsys, "--weights", f"IFCNN-MAX={file}")
    assert "IFCNN-MAX has changed" in error
