"""The page of results on tiny pairs."""

import re

import pytest
import torch

from fusionlab.networks import create_network, save_checkpoint
from fusionlab.runs.run import Run
from replication.results import known, main
from replication.results_page import join

from ..conftest import write_pairs


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with data, weights, values and ``page.md``."""
    root = tmp_path_factory.mktemp("results")
    write_pairs(root / "vif", names=("1", "2", "3"), size=(20, 24))
    write_pairs(root / "mff", sources=("near", "far", "gt"), size=(20, 24))
    (root / "weights").mkdir()
    torch.manual_seed(0)
    save_checkpoint(create_network("seafusion"), root / "weights" / "seafusion.safetensors")
    write_page(root)
    return root


def write_page(root, *more: str) -> str:
    argv = ["--data", f"MSRS_test={root / 'vif'}", f"Savic={root / 'mff'}"]
    argv += ["--weights", str(root / "weights"), "--limit", "2", "--few", "seafusion=1"]
    main([*argv, "--values", str(root / "values"), "-o", str(root / "page.md"), *more])
    return (root / "page.md").read_text()


@pytest.mark.slow
def test_every_network_with_weights_is_on_the_page(measured):
    page = (measured / "page.md").read_text()
    assert "| MSRS_test | vif | 2 | 3 |" in page
    assert "SeAFusion: 1" in page
    run = Run.open(measured / "values" / "MSRS_test" / "IFCNN")
    (result,) = run.about["results"]
    mean = result["means"]["IFCNN"]["EN"]
    printed = known()["data"]["MSRS_test"]["rows"]["ifcnn"][0]
    assert f"| IFCNN | {mean:.2f} / {printed:.2f} |" in page
    assert re.search(r"\| IFCNN \| \d+\.\d\d, [+−]\d\.\d{3} \[", page), "PSNR and what TTD changes"
    assert "--data MSRS_test=vif" in page
    assert str(measured) not in page


@pytest.mark.slow
def test_what_is_measured_is_not_measured_again(measured):
    rows = measured / "values" / "Savic" / "Average" / "per_image.csv"
    before = rows.stat().st_mtime_ns
    first = (measured / "page.md").read_text()
    assert write_page(measured) == first
    assert rows.stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_page_is_written_of_what_is_there(measured, tmp_path, capsys):
    (tmp_path / "Savic").symlink_to(measured / "values" / "Savic")
    page = write_page(measured, "--written", "--values", str(tmp_path))
    assert "| MSRS_test | – | 0 | 3 | not measured |" in page
    with pytest.raises(SystemExit):
        write_page(measured, "--written", "--values", str(tmp_path / "none"))
    assert "leave out --written" in capsys.readouterr().err
    write_page(measured)


@pytest.mark.slow
def test_joined_runs_hold_every_method_once(measured):
    folders = [measured / "values" / "Savic" / name for name in ("Average", "IFCNN")]
    run = join([Run.open(folder) for folder in folders])
    names = [method.name for method in run.methods]
    assert names == ["near alone", "far alone", "Average", "IFCNN", "IFCNN+TTD"]
    assert [sorted(sample.values) for sample in run.samples] == [sorted(names)] * 2


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--data", "Paris=x", "--weights", "x"], "--data may name TNO"),
        (["--data", "Savic=x", "--weights", "x", "--limit", "0"], "at least 1"),
        (["--data", "Savic=x", "--weights", "x", "--few", "ifcnn=some"], "--few ifcnn"),
        (["--data", "Savic", "--weights", "x"], "NAME=VALUE"),
    ],
)
def test_a_mistake_is_one_line(argv, expected, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line
