"""``fusionlab.evaluate`` and ``fusionlab.score``: the numbers of the command, in Python."""

import shutil
from pathlib import Path

import pytest

import fusionlab
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.settings import TTD, Data


def numbers(summary: dict) -> list[dict]:
    """The results without the times, which no two runs share."""
    results = []
    for result in summary["results"]:
        means = {
            method: {name: value for name, value in values.items() if name != "ms"}
            for method, values in result["means"].items()
        }
        results.append({"means": means, "counts": result.get("counts"), "task": result["task"]})
    return results


def test_a_network_with_ttd_scores_as_the_command_does(pairs, run_evaluate):
    _, summary = run_evaluate("--data.root", pairs, "--ttd")
    for data in (pairs, str(pairs), Data(root=str(pairs)), open_data(Data(root=str(pairs)))):
        assert numbers(fusionlab.evaluate("ifcnn", data, ttd="paper")) == numbers(summary)


@pytest.mark.slow
def test_several_methods_settings_and_metrics(pairs, run_evaluate):
    methods = ["--methods", "MAX=ifcnn@bundled", "{network: ifcnn, options: {rule: mean}, name: M}"]
    argv = ["--ttd.preset", "[paper, authors]", "--metrics.names", "[EN, EI:mefb]"]
    _, summary = run_evaluate("--data.root", pairs, *methods, *argv)
    given = {
        "MAX": "ifcnn",
        "M": fusionlab.create_network("ifcnn", "bundled", rule="mean"),
    }
    ttd = [TTD("paper"), TTD("authors")]
    found = fusionlab.evaluate(given, pairs, ttd=ttd, metrics=["EN", "EI:mefb"])
    assert numbers(found) == numbers(summary)
    assert [one["name"] for one in found["methods"]] == [one["name"] for one in summary["methods"]]


def test_folders_score_as_the_command_scores_them(pairs, run_evaluate, tmp_path):
    for name, source in (("A", "vi"), ("B", "ir")):
        shutil.copytree(pairs / source, tmp_path / name)
    folders = [tmp_path / "A", tmp_path / "B"]
    _, summary = run_evaluate("--data.root", pairs, "--fused", *folders)
    assert numbers(fusionlab.score(folders, pairs)) == numbers(summary)
    means = numbers(fusionlab.score(str(folders[0]), pairs))[0]["means"]
    assert list(means) == ["vi alone", "ir alone", "A"]
    assert means["A"] == means["vi alone"]


def test_folders_beside_networks(pairs, tmp_path):
    shutil.copytree(pairs / "vi", tmp_path / "copy")
    found = fusionlab.evaluate({"net": "ifcnn", "mine": tmp_path / "copy"}, pairs)
    means = numbers(found)[0]["means"]
    assert list(means) == ["vi alone", "ir alone", "mine", "net"]
    assert means["mine"] == means["vi alone"]


def test_nothing_is_kept_unless_it_is_asked_for(pairs, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    fusionlab.evaluate("ifcnn", pairs)
    assert list(Path().iterdir()) == []
    fusionlab.evaluate("ifcnn", pairs, output="kept")
    assert {"summary.json", "per_image.csv", "vif"} <= {
        path.name for path in Path("kept").iterdir()
    }


@pytest.mark.parametrize(
    ("methods", "expected"),
    [("ifcn", "methods.network must be one of"), ({"a": "ifcnn@nowhere.pth"}, "nowhere.pth")],
)
def test_a_mistake_is_an_input_error(pairs, methods, expected):
    with pytest.raises(InputError, match=expected):
        fusionlab.evaluate(methods, pairs)
