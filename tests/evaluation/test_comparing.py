"""``fusionlab report A B``: one run of what two runs share."""

import json
import shutil

import pytest

from fusionlab.cli import main
from fusionlab.errors import InputError
from fusionlab.evaluation.comparing import compare_runs
from fusionlab.runs.run import Run

ARGV = ["--report", "false", "--wandb", "disabled", "--quiet", "--metrics.names"]


@pytest.fixture
def two(pairs, run_evaluate):
    """The same network with another rule, on the same pairs; the second has one metric more."""
    first, _ = run_evaluate("--data.root", pairs, "--ttd", *ARGV, "[EN, SD]")
    options = ["--network.options.rule", "mean"]
    second, _ = run_evaluate("--data.root", pairs, "--ttd", *options, *ARGV, "[SD, AG, EN]")
    return first, second


def test_two_runs_side_by_side(two, tmp_path, capsys):
    main(["report", *map(str, two), "--output", str(tmp_path / "both")])
    said = capsys.readouterr()
    assert "left out" not in said.err
    assert f"A: {two[0].name}; B: {two[1].name}" in said.out
    both, a, b = Run.open(tmp_path / "both"), Run.open(two[0]), Run.open(two[1])
    assert both.metrics == ["EN", "SD"]
    (result,), (one,), (other,) = (run.about["results"] for run in (both, a, b))
    for name in ("IFCNN", "IFCNN+TTD"):
        for metric in both.metrics:
            means = result["means"]
            assert means[f"{name} (A)"][metric] == one["means"][name][metric]
            assert means[f"{name} (B)"][metric] == other["means"][name][metric]
            difference = means[f"{name} (B)"][metric] - means[f"{name} (A)"][metric]
            found = result["differences"][f"{name} (B)"][metric]["mean"]
            assert found == pytest.approx(difference, abs=1e-9)
    assert one["differences"]["IFCNN+TTD"]["EN"] == result["differences"]["IFCNN+TTD (A)"]["EN"]
    sample = both.samples[0]
    assert sample.rd["IFCNN+TTD (B)"] == b.samples[0].rd["IFCNN+TTD"]
    picture = (both.folder / sample.picture("IFCNN (B)")).read_bytes()
    assert picture == (b.folder / sample.picture("IFCNN")).read_bytes()
    report = (both.folder / "report" / "data.js").read_text("utf-8")
    assert "IFCNN (B) with TTD" in report
    assert str(two[0].parent) not in report


def test_what_cannot_be_compared(two, tmp_path):
    first, second = two
    edited = tmp_path / "edited"
    shutil.copytree(second, edited)
    about = json.loads((edited / "summary.json").read_text("utf-8"))

    def refused(change, said):
        changed = json.loads(json.dumps(about))
        change(changed)
        (edited / "summary.json").write_text(json.dumps(changed), "utf-8")
        with pytest.raises(InputError, match=said):
            compare_runs([first, edited], tmp_path / "both")
        assert not (tmp_path / "both").exists()

    def other_pictures(one):
        one["data"][0]["hashes"] = dict.fromkeys(one["data"][0]["hashes"], "other")

    def other_names(one):
        one["data"][0]["ids"] = ["x"]

    def other_conventions(one):
        for metric in one["metrics"].values():
            metric["convention"] = "mine"

    refused(other_pictures, "is another picture in each run")
    refused(other_names, "share no sample")
    refused(other_conventions, "share no metric of the same convention")
    refused(lambda one: one.update(results=[]), "has not finished")
