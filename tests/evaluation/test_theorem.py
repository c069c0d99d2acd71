"""The theorem of TTD as an evaluation measures it."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fusionlab.data.images import read_image
from fusionlab.evaluation import methods
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.base import scale_features
from fusionlab.runs.run import SOURCE_KEY
from fusionlab.settings import TTD
from fusionlab.ttd import TestTimeDynamicFusion, generalisation_bound, reconstruction_loss

from ..conftest import write_pairs


class Linear(FusionNetwork):
    """Linear, pixel by pixel: each source half as bright, their mean 1.5 times."""

    def encode(self, sources: Tensor) -> Tensor:
        return sources / 2

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return 1.5 * combined


class LinearSum(Linear):
    """The same with a sum rule, whose components are those of the mean."""

    def combine(self, features: Tensor, gain: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, gain))


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
        ["--ttd.preset", "structure", "--ttd.temperature", "2"],
        ["--ttd.basis", "gradient"],
    ],
)
def test_what_is_written_is_what_the_mathematics_says(argv, pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", str(pairs), "--theorem", *argv)
    options = summary["methods"][-1]["facts"]["ttd"]
    dynamic = TestTimeDynamicFusion(create_network("ifcnn", "bundled"), TTD(**options))
    lines = lines_of(folder)
    assert [tuple(one[key] for key in SOURCE_KEY) for one in lines] == [
        ("pairs", "vif", "", name, "IFCNN+TTD", source)
        for name in ("01", "02")
        for source in ("vi", "ir")
    ]
    for k, name in enumerate(("01", "02")):
        sources = sources_of(pairs, name)
        with torch.inference_mode():
            network, rd = dynamic.network, dynamic(sources).rd.double()
            components = network.components(network.encode(sources), sources)
            losses = reconstruction_loss(components, sources, dynamic.pixel_loss)
        bound = generalisation_bound(rd, losses.double())
        for m, line in enumerate(lines[2 * k : 2 * k + 2]):
            for column, expected in (
                ("rd", bound.rd[0, m]),
                ("loss", bound.losses[0, m]),
                ("covariance", bound.covariances[0, m]),
                ("covariance_sum", bound.covariances.sum()),
                ("static_bound", losses.mean()),
                ("dynamic_bound", (rd * losses).sum(1).mean()),
            ):
                assert float(line[column]) == pytest.approx(expected.item(), rel=1e-4, abs=1e-9)
            holds = float(line["dynamic_bound"]) < float(line["static_bound"])
            assert float(line["dynamic_is_lower"]) == holds
            assert line["static_error"] == line["truth_loss"] == ""


def test_the_summary_has_the_means(pairs, run_evaluate):
    folder, summary = run_evaluate("--data.root", str(pairs), "--ttd", "--theorem")
    found, lines = summary["results"][0]["theorem"]["IFCNN+TTD"], lines_of(folder)
    for name in ("vi", "ir"):
        own = [line for line in lines if line["source"] == name]
        assert list(found["sources"][name]) == ["images", "rd", "loss", "covariance"]
        assert found["sources"][name].pop("images") == 2
        for value, mean in found["sources"][name].items():
            assert mean == pytest.approx(np.mean([float(line[value]) for line in own]))
    for value in ("static_bound", "dynamic_bound", "covariance_sum", "dynamic_is_lower"):
        assert found[value] == pytest.approx(np.mean([float(line[value]) for line in lines]))
    assert found["dynamic_is_lower"] == 1  # with its own loss RD always lowers the bound
    assert "static_error" not in found
    assert "GEB leaves out the constant" in summary["notes"]["theorem"]


@pytest.mark.parametrize("loss", ["l1", "mse"])
@pytest.mark.parametrize("compare", ["components", "fused"])
def test_of_a_linear_network_no_error_exceeds_its_bound(
    loss, compare, tmp_path, run_evaluate, monkeypatch
):
    monkeypatch.setattr(methods, "create_network", lambda *_, **__: Linear())
    root = write_pairs(tmp_path / "trio", sources=("near", "far", "gt"))
    argv = ["--ttd.preset", "paper", "--ttd.compare", compare, "--ttd.loss", loss]
    argv += ["--ttd.temperature", "20", "--metrics.names", "[EN]", "--theorem"]
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
    assert {"static_error", "dynamic_truth_bound"} <= summary["results"][0]["theorem"][
        "Linear+TTD"
    ].keys()


def test_under_a_sum_rule_an_error_exceeds_its_bound_and_the_note_says_why(
    tmp_path, run_evaluate, monkeypatch
):
    """The network is linear and the loss convex, which is not enough."""
    monkeypatch.setattr(methods, "create_network", lambda *_, **__: LinearSum())
    root = tmp_path / "trio"
    for name, level in (("near", 160), ("far", 80), ("gt", 120)):
        (root / name).mkdir(parents=True)
        Image.new("L", (16, 16), level).save(root / name / "01.png")
    argv = ["--ttd.temperature", "20", "--metrics.names", "[EN]", "--theorem"]
    folder, summary = run_evaluate("--data.root", str(root), *argv)
    for line in lines_of(folder):
        assert float(line["static_error"]) > float(line["static_truth_bound"])
    assert "the rule the mean, and the network linear" in summary["notes"]["theorem"]


@pytest.mark.slow
def test_components_are_decoded_once_more_only_where_ttd_did_not(pairs, run_evaluate, monkeypatch):
    calls = []
    original = FusionNetwork.components

    def counted(self, features, sources):
        calls.append(1)
        return original(self, features, sources)

    monkeypatch.setattr(FusionNetwork, "components", counted)
    counts = {}
    fused = ["--ttd.compare", "fused"]
    for name, argv in (
        ("fused", [*fused, "--theorem"]),
        ("fused, off", fused),
        ("components", ["--ttd", "--theorem"]),
        ("components, off", ["--ttd"]),
    ):
        calls.clear()
        run_evaluate("--data.root", str(pairs), "--report", "false", *argv)
        counts[name] = len(calls)
    assert counts["fused"] == 2  # once for each image, not when the network is warmed up
    assert counts["fused, off"] == 0
    assert counts["components"] == counts["components, off"] == 3


@pytest.mark.parametrize("argv", [[], ["--ttd"], ["--theorem"]])
def test_without_it_nothing_is_said_of_it(argv, pairs, run_evaluate, capsys):
    _, summary = run_evaluate("--data.root", str(pairs), *argv)
    assert summary["results"][0]["theorem"] == {}
    assert "Eq. 5" not in capsys.readouterr().out


def test_the_line_below_the_table(pairs, run_evaluate, capsys):
    run_evaluate("--data.root", str(pairs), "--ttd", "--theorem")
    printed = capsys.readouterr().out.splitlines()
    (line,) = [one for one in printed if one.startswith("theorem, IFCNN+TTD:")]
    assert line.startswith("theorem, IFCNN+TTD: Eq. 5 holds on 2 of 2 images; Cov(ω, ℓ)")
    assert len(line) <= 80


@pytest.mark.slow
def test_batches_change_no_value(tmp_path, run_evaluate):
    root = write_pairs(tmp_path / "pairs", names=("a", "b", "c"))
    one, two = (
        lines_of(
            run_evaluate("--data.root", str(root), "--ttd", "--theorem", "--data.batch_size", size)[
                0
            ]
        )
        for size in "13"
    )
    for single, batched in zip(one, two, strict=True):
        assert (single["id"], single["source"]) == (batched["id"], batched["source"])
        assert float(single["covariance"]) == pytest.approx(float(batched["covariance"]), rel=1e-3)
        assert float(single["loss"]) == pytest.approx(float(batched["loss"]), rel=1e-5)
