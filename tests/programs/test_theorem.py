"""The theorem of TTD as evaluate.py measures it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fusionlab.data.images import read_image
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.base import scale_features
from fusionlab.ttd import TestTimeDynamicFusion, generalisation_bound, reconstruction_loss

from .conftest import write_pairs


class Linear(FusionNetwork):
    """Linear, pixel by pixel: each source half as bright, their mean 1.5 times."""

    def encode(self, sources: Tensor) -> Tensor:
        return sources / 2

    def combine(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, weights)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return 1.5 * combined


class LinearSum(Linear):
    """The same with a sum rule, whose components are those of the mean."""

    def combine(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, weights))


def lines_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "theorem.csv").open() as file:
        return list(csv.DictReader(file))


def sources_of(root: Path, name: str) -> Tensor:
    """As IFCNN takes them, (1, 2, 3, H, W)."""
    files = [root / source / f"{name}.png" for source in ("vi", "ir")]
    return torch.stack([read_image(path).expand(3, -1, -1) for path in files])[None]


@pytest.mark.parametrize(
    "argv",
    [
        ["--ttd.preset", "paper"],
        ["--ttd.preset", "authors"],
        ["--ttd"],
        ["--ttd.preset", "paper", "--ttd.basis", "gradient"],
    ],
)
def test_what_is_written_is_what_the_mathematics_says(argv, pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", str(pairs), *argv)
    options = {name: value for name, value in summary["ttd"].items() if name != "channels"}
    dynamic = TestTimeDynamicFusion(create_network("ifcnn", "bundled"), **options)
    lines = lines_of(folder)
    assert [(one["data"], one["task"], one["id"], one["source"]) for one in lines] == [
        ("pairs", "vif", name, source) for name in ("01", "02") for source in ("vi", "ir")
    ]
    for k, name in enumerate(("01", "02")):
        sources = sources_of(pairs, name)
        with torch.inference_mode():
            network, weights = dynamic.network, dynamic(sources).weights
            components = network.components(network.encode(sources), sources)
            losses = reconstruction_loss(components, sources, dynamic.map_loss)
        shares = (weights / weights.sum(1, keepdim=True)).double()
        bound = generalisation_bound(shares, losses.double())
        for m, line in enumerate(lines[2 * k : 2 * k + 2]):
            for column, expected in (
                ("weight", bound.weights[0, m]),
                ("loss", bound.losses[0, m]),
                ("covariance", bound.covariances[0, m]),
                ("covariance_sum", bound.covariances.sum()),
                ("static_bound", losses.mean()),
                ("dynamic_bound", (shares * losses).sum(1).mean()),
            ):
                assert float(line[column]) == pytest.approx(expected.item(), rel=1e-4, abs=1e-9)
            holds = float(line["dynamic_bound"]) < float(line["static_bound"])
            assert float(line["dynamic_is_lower"]) == holds
            assert line["static_error"] == line["truth_loss"] == ""


def test_the_summary_has_the_means(pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", str(pairs), "--ttd.preset", "paper")
    found, lines = summary["results"][0]["theorem"], lines_of(folder)
    for name in ("vi", "ir"):
        own = [line for line in lines if line["source"] == name]
        assert list(found["sources"][name]) == ["weight", "loss", "covariance"]
        for value, mean in found["sources"][name].items():
            assert mean == pytest.approx(np.mean([float(line[value]) for line in own]))
    for value in ("static_bound", "dynamic_bound", "covariance_sum", "dynamic_is_lower"):
        assert found[value] == pytest.approx(np.mean([float(line[value]) for line in lines]))
    assert found["dynamic_is_lower"] == 1  # with its own loss RD always lowers the bound
    assert "static_error" not in found
    assert "l1 loss" in summary["conventions"]["theorem"]


@pytest.mark.parametrize("loss", ["l1", "mse"])
@pytest.mark.parametrize("compare", ["components", "fused"])
def test_of_a_linear_network_no_error_exceeds_its_bound(
    loss, compare, tmp_path, run_evaluate, monkeypatch
):
    monkeypatch.setattr("fusionlab.programs.evaluate.create_network", lambda *_, **__: Linear())
    root = write_pairs(tmp_path / "trio", sources=("near", "far", "gt"))
    argv = ["--ttd.preset", "paper", "--ttd.compare", compare, "--ttd.loss", loss]
    argv += ["--ttd.temperature", "20", "--metrics.names", "[EN]", "--report", "false"]
    folder, summary = run_evaluate("--data.root", str(root), *argv)
    for line in lines_of(folder):
        for row in ("static", "dynamic"):
            assert float(line[f"{row}_error"]) <= float(line[f"{row}_truth_bound"])
        path = root / line["source"] / f"{line['id']}.png"
        source, truth = (
            np.asarray(Image.open(one)) / 255 for one in (path, root / "gt" / path.name)
        )
        differences = (np.abs(x - 0.75 * source) for x in (source, truth))
        power = 1 if loss == "l1" else 2
        for column in ("loss", "truth_loss"):
            expected = (next(differences) ** power).mean()
            assert float(line[column]) == pytest.approx(expected, rel=1e-5)
    assert {"static_error", "dynamic_truth_bound"} <= summary["results"][0]["theorem"].keys()


@pytest.mark.parametrize(
    ("rule", "normalization", "row"), [("sum", "softmax", "static"), ("mean", "peak", "dynamic")]
)
def test_where_an_error_exceeds_its_bound_the_summary_says_what_is_missing(
    rule, normalization, row, tmp_path, run_evaluate, monkeypatch
):
    """The network is linear and the loss convex, which is not enough."""
    network = Linear() if rule == "mean" else LinearSum()
    monkeypatch.setattr("fusionlab.programs.evaluate.create_network", lambda *_, **__: network)
    root = tmp_path / "trio"
    for name, level in (("near", 160), ("far", 80), ("gt", 120)):
        (root / name).mkdir(parents=True)
        Image.new("L", (16, 16), level).save(root / name / "01.png")
    argv = ["--ttd.preset", "paper", "--ttd.normalization", normalization]
    argv += ["--ttd.temperature", "20", "--metrics.names", "[EN]", "--report", "false"]
    folder, summary = run_evaluate("--data.root", str(root), *argv)
    for line in lines_of(folder):
        assert float(line[f"{row}_error"]) > float(line[f"{row}_truth_bound"])
    said = summary["conventions"]["theorem"]
    assert "if the loss is convex, the rule the mean, and the network linear" in said
    assert ("not of what peak fused" in said) == (normalization == "peak")


def test_components_are_decoded_once_more_only_where_ttd_did_not(pairs, run_evaluate, monkeypatch):
    calls = []
    original = FusionNetwork.components

    def counted(self, features, sources):
        calls.append(1)
        return original(self, features, sources)

    monkeypatch.setattr(FusionNetwork, "components", counted)
    counts = {}
    for name, argv in (
        ("fused", ["--ttd"]),
        ("off", ["--ttd", "--theorem", "false"]),
        ("components", ["--ttd.preset", "paper"]),
        ("components off", ["--ttd.preset", "paper", "--theorem", "false"]),
    ):
        calls.clear()
        run_evaluate("--data.root", str(pairs), "--report", "false", *argv)
        counts[name] = len(calls)
    assert counts["fused"] == 2  # once for each image, not when the network is warmed up
    assert counts["off"] == 0
    assert counts["components"] == counts["components off"]


@pytest.mark.parametrize("argv", [[], ["--ttd", "--theorem", "false"]])
def test_without_it_nothing_is_said_of_it(argv, pairs, run_evaluate, capsys):
    folder, summary = run_evaluate("--data.root", str(pairs), *argv)
    assert not (folder / "theorem.csv").exists()
    assert summary["results"][0]["theorem"] is None
    assert "theorem" not in summary["conventions"]
    assert "theorem:" not in capsys.readouterr().out


def test_the_line_below_the_table(pairs, run_evaluate, capsys):
    run_evaluate("--data.root", str(pairs), "--ttd.preset", "paper")
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("theorem:")]
    assert line.startswith("theorem: Eq. 5 holds on 2 of 2 images; Cov(ω, ℓ) −")
    assert line.endswith("(ir)")
    assert len(line) <= 80
    run_evaluate("--data.root", str(pairs), "--ttd.preset", "paper", "--quiet")
    assert line in capsys.readouterr().out.splitlines()
    run_evaluate("--data.root", str(pairs), "--ttd.preset", "paper", "--json")
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["theorem"]["dynamic_is_lower"] == 1


def test_batches_change_no_value(tmp_path, run_evaluate):
    root = write_pairs(tmp_path / "pairs", names=("a", "b", "c"))
    one, two = (
        lines_of(run_evaluate("--data.root", str(root), "--ttd", "--data.batch_size", size)[0])
        for size in "13"
    )
    for single, batched in zip(one, two, strict=True):
        assert (single["id"], single["source"]) == (batched["id"], batched["source"])
        assert float(single["covariance"]) == pytest.approx(float(batched["covariance"]), rel=1e-3)
        assert float(single["loss"]) == pytest.approx(float(batched["loss"]), rel=1e-5)
