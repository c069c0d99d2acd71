import os
import re

import pytest

from fusionlab.errors import InputError
from fusionlab.runs.folder import file_stem, make, run_folder


def test_every_run_of_a_process_has_a_folder_of_its_own(tmp_path):
    folders = []
    for _ in range(3):
        folders.append(run_folder(str(tmp_path), "evaluate"))
        make(folders[-1])
    assert len(set(folders)) == 3
    name = rf"evaluate-\d{{8}}-\d{{6}}-{os.getpid()}(-\d+)?"
    assert all(re.fullmatch(name, folder.name) for folder in folders)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot make .*file/run \(.*\); set output"):
        make(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("IFCNN", "IFCNN"),
        ("IFCNN+TTD (γ 0.5, l1)", "IFCNN+TTD-γ-0.5-l1"),
        ("noise 0.1, draw 2", "noise-0.1-draw-2"),
        ("a/b\\c:d", "a-b-c-d"),
        ("..", "unnamed"),
        ("x" * 300, "x" * 100),
    ],
)
def test_names_of_methods_are_names_of_folders(name, stem):
    assert file_stem(name) == stem
