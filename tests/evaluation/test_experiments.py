"""The experiments on TTD: configs of the bench that vary settings or conditions."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import evaluate
from fusionlab.evaluation.conditions import with_parameter_noise
from fusionlab.networks import create_network

from ..conftest import write_pairs

EXPERIMENTS = sorted((Path(__file__).parents[2] / "configs" / "experiments").glob("*.yaml"))
MANY = {
    "corruptions",
    "grid",
    "noise_on_parameters",
    "rules",
    "masking",
    "basis",
}  # conditions or settings
QUICK = ("--metrics.names", "[SF]", "--report", "false")
TWO = "[{preset: paper}, {preset: authors}]"


@pytest.fixture
def days(tmp_path) -> Path:
    """Two infrared-visible pairs, one by day and one by night."""
    return write_pairs(tmp_path / "pairs", names=("01D", "02N"))


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_image.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(one, id=one.stem, marks=pytest.mark.slow if one.stem in MANY else ())
        for one in EXPERIMENTS
    ],
)
def test_every_experiment_runs(path, days, run_evaluate, capsys):
    content = yaml.safe_load(path.read_text())
    fewer = {"noise_on_parameters": ["--conditions.noise_draws", "2"]}
    argv = ["--data.root", days, "--metrics.names", "[SF]", *fewer.get(path.stem, [])]
    folder, summary = run_evaluate("--config", f"experiments/{path.stem}", *argv)
    assert summary["settings"]["title"] == content["title"]
    assert f"fusionlab evaluate --config experiments/{path.stem}" in path.read_text()
    grid = np.prod([len(v) for v in content.get("ttd", {}).values() if isinstance(v, list)])
    count = len(content.get("ttd_settings", [])) or int(grid)
    conditions = content.get("conditions", {})
    draws = 1 + 2 * 5 if "parameter_noise" in conditions else 1
    damaged = 5 * len(conditions.get("corruption", []))
    fused = [row for row in rows_of(folder) if not row["method"].endswith("alone")]
    assert len(fused) == 2 * (1 + count) * (draws + damaged)
    for result in summary["results"]:
        assert len(result["differences"]) == count
        assert all(one["SF"]["images"] for one in result["differences"].values())
    if count > 1 or len(summary["results"]) > 1:
        head = "## VIF: pairs"
        assert (folder / "tables.md").read_text().startswith(head)
        figures = sorted(folder.glob("*.png"))
        assert len(figures) == max(1, len(conditions.get("corruption", [])))
        assert all(min(Image.open(path).size) > 300 for path in figures)
        assert all(path.with_suffix(".pdf").is_file() for path in figures)
    printed = capsys.readouterr().out
    assert printed.startswith(content["title"])
    assert max(len(line) for line in printed.splitlines() if "/" not in line) <= 80


def test_the_differences_are_those_of_the_rows(days, run_evaluate):
    argv = ("--ttd_settings", TWO, "--data.root", days, "--report", "false")
    folder, summary = run_evaluate(*argv)
    rows = {(one["id"], one["method"]): one for one in rows_of(folder)}
    (result,) = summary["results"]
    for name in ("IFCNN+TTD (paper)", "IFCNN+TTD (authors)"):
        for metric in ("EN", "SF", "CE"):
            static, new = (
                np.array([float(rows[id_, row][f"{metric}:ttd"]) for id_ in ("01D", "02N")])
                for row in ("IFCNN", name)
            )
            found = result["differences"][name][metric]
            assert result["means"][name][metric] == pytest.approx(new.mean())
            assert found["mean"] == pytest.approx((new - static).mean())
            better = new < static if metric == "CE" else new > static
            assert found["improved"] == better.mean()


def test_a_uniform_setting_differs_in_nothing_and_improves_nothing(tmp_path, run_evaluate):
    root = write_pairs(tmp_path / "pairs", sources=("near", "far", "gt"))
    argv = ("--ttd.temperature", "0", "--data.root", root, "--report", "false")
    _, summary = run_evaluate(*argv)
    (result,) = summary["results"]
    differences = result["differences"]["IFCNN+TTD"]
    assert {"PSNR_truth", "SSIM_truth", "EN"} <= set(differences)
    for found in differences.values():
        assert [found[key] for key in ("mean", "low", "high", "improved")] == [0.0] * 4
    assert result["means"]["IFCNN"] == result["means"]["IFCNN+TTD"]


def test_an_image_counts_once_however_often_it_is_drawn(days, run_evaluate):
    noise = ("--conditions.parameter_noise", "[0.3]", "--conditions.noise_draws", "2")
    folder, summary = run_evaluate("--ttd", *noise, "--data.root", days, *QUICK)
    rows = [row for row in rows_of(folder) if row["method"] == "IFCNN"]
    assert [row["condition"] for row in rows] == [f"noise 0.3, draw {k}" for k in (1, 1, 2, 2)]
    values = np.array([float(row["SF:paper"]) for row in rows])
    assert len(set(values)) == 4  # other noise in each draw
    (result,) = summary["results"]
    assert (result["condition"], result["draws"], result["images"]) == ("noise 0.3", 2, 2)
    assert result["means"]["IFCNN"]["SF"] == pytest.approx(values.mean())
    assert result["differences"]["IFCNN+TTD"]["SF"]["images"] == 2


def test_noise_is_in_standard_deviations_of_each_parameter():
    network = create_network("ifcnn", "bundled")
    noisy = with_parameter_noise(network, 0.5, seed=1)
    assert noisy is not network
    before, after = network.conv2.conv.weight, noisy.conv2.conv.weight
    ratio = (after - before).std() / before.std()
    assert ratio.item() == pytest.approx(0.5, rel=0.02)
    same = with_parameter_noise(network, 0.5, seed=1)
    assert (same.conv2.conv.weight == after).all()


def test_metrics_see_the_undamaged_sources(days, run_evaluate):
    """CE compares with the sources: a network that saw black in one is compared with the whole."""
    damage = "[{name: mask, source: vi, severities: [5]}]"
    argv = ("--conditions.corruption", damage, "--data.root", days, "--metrics.names", "[MSE]")
    folder, summary = run_evaluate(*argv, "--report", "false", "--pictures", "true")
    clean, masked = summary["results"]
    assert (clean["condition"], masked["condition"]) == ("clean", "mask 5")
    assert masked["methods"] == ["IFCNN"]  # sources alone are undamaged, and measured once
    assert masked["means"]["IFCNN"]["MSE"] > clean["means"]["IFCNN"]["MSE"]
    assert (folder / "vif" / "mask-5" / "IFCNN" / "01D.png").is_file()


def test_subsets_split_the_samples_by_name(days, run_evaluate):
    argv = ("--conditions.subsets", "{day: '*D', night: '*N'}", "--data.root", days, *QUICK)
    _, summary = run_evaluate(*argv)
    assert [(one["condition"], one["ids"]) for one in summary["results"]] == [
        ("day", ["01D"]),
        ("night", ["02N"]),
    ]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--ttd_settings", "[{los: l1}]"], "los"),
        (["--ttd_settings", "[{loss: l7}]"], "loss"),
        (
            ["--ttd_settings", "[{form: linear, normalization: none}]"],
            "set ttd.normalization to softmax",
        ),
        (["--ttd_settings", "[{preset: paper}, {loss: l1}]"], "two settings of ttd are the same"),
        (["--ttd_settings", "[{preset: paper}]", "--ttd"], "two answers"),
        (["--ttd.los", "l1"], "los"),
        (["--ttd.loss", "[l1, l7]"], "ttd.loss must be one of"),
        (["--ttd.loss", "[]"], "ttd.loss is an empty list"),
        (["--ttd.basis", "gradient", "--ttd.loss", "objective"], "set ttd.loss to one of l1"),
        (["--conditions.parameter_noise", "[-1]"], "parameter_noise must be at least 0"),
        (
            ["--conditions.parameter_noise", "[0]", "--conditions.subsets", "{a: '*'}"],
            "are two experiments",
        ),
        (["--conditions.corruption", "[{name: snow}]"], "snow"),
        (["--conditions.corruption", "[{name: jpeg, severities: [6]}]"], "from 1 to 5, got [6]"),
        (["--conditions.corruption", "[{name: jpeg, source: us}]"], "no source us, it has vi, ir"),
        (["--conditions.subsets", "{dusk: '*X'}"], "called *X, as conditions.subsets.dusk wants"),
        (["--conditions.repeats", "0"], "conditions.repeats must be at least 1"),
        (["--conditions.limit", "0"], "conditions.limit must be at least 1"),
    ],
)
def test_mistakes_are_answered_in_one_line(argv, expected, days, refused):
    assert expected in refused(evaluate, "--data.root", days, *argv)
