import csv
from pathlib import Path

import pytest
import torch

import evaluate
from fusionlab.data.dataset import open_folder
from fusionlab.laboratory.encoded import EncodedBatch
from fusionlab.laboratory.sweep import Scorer, sweep
from fusionlab.metrics import open_metrics
from fusionlab.networks import create_network
from fusionlab.settings import TTD, Data
from fusionlab.ttd import TestTimeDynamicFusion

from .conftest import write_pairs

SETTINGS = {
    "authors": TTD("authors"),
    "fused": TTD("paper", compare="fused", temperature=9.0),
    "ssim": TTD("paper", loss="ssim", form="linear", temperature="auto"),
    "gradient, structure": TTD("paper", basis="gradient", loss="structure"),
    "gradient": TTD("paper", basis="gradient", temperature="auto"),
    "channel": TTD("paper", basis="gradient", temperature="auto", channel=58),
    "positive": TTD("paper", correlation="positive", normalization="none"),
}


@pytest.fixture(scope="module")
def network():
    return create_network("ifcnn", "bundled").eval()


@pytest.fixture
def scorer():
    return Scorer(open_metrics("ttd"), stretch=False)


def dataset_of(root: Path, network):
    return open_folder(Data(root=str(root)), network.rgb_tasks, network.channels)


@pytest.mark.parametrize("truth", [False, True], ids=["without truth", "with truth"])
def test_values_are_those_of_an_evaluation(tmp_path, network, scorer, truth):
    names = ("near", "far", "gt") if truth else ("vi", "ir")
    root = write_pairs(tmp_path / "pairs", sources=names)
    argv = ["--data.root", str(root), "--ttd.preset", "authors", "--trainer.accelerator", "cpu"]
    evaluate.main([*argv, "--output", str(tmp_path / "runs")])
    (path,) = (tmp_path / "runs").glob("*/per_image.csv")
    with path.open() as file:
        expected = {(line["id"], line["row"]): line for line in csv.DictReader(file)}
    rows = list(sweep(network, dataset_of(root, network), {"ttd": SETTINGS["authors"]}, scorer))
    assert {(row.id, row.setting) for row in rows} == {
        (name, row) for name in ("01D", "02N") for row in ("static", "ttd")
    }
    for row in rows:
        found = dict(zip(scorer.by_name, row.values, strict=True))
        line = {key.partition(":")[0]: cell for key, cell in expected[row.id, row.setting].items()}
        for name, value in found.items():
            if name not in line:
                assert name.endswith("_truth")
                assert value != value
                continue
            # as read back from the file, to the last bit
            assert value == float(line[name]) or (value != value and line[name] == "nan")


@torch.inference_mode()
def test_shared_work_gives_what_each_setting_gives_alone(network):
    torch.manual_seed(0)
    sources = torch.rand(2, 3, 1, 13, 15)
    encoded = EncodedBatch(network, sources)
    torch.testing.assert_close(encoded.static, network(sources), rtol=0, atol=0)
    for ttd in SETTINGS.values():
        dynamic = TestTimeDynamicFusion(network, **ttd.choices())
        torch.testing.assert_close(encoded.fuse(dynamic), dynamic(sources).fused, rtol=0, atol=0)


def test_each_sample_is_read_encoded_and_reconstructed_once(pairs, network, scorer, monkeypatch):
    calls = {"encode": 0, "components": 0, "read": 0}

    def counted(name, function):
        def call(*arguments):
            calls[name] += 1
            return function(*arguments)

        return call

    dataset = dataset_of(pairs, network)
    for name in ("encode", "components"):
        monkeypatch.setattr(network, name, counted(name, getattr(network, name)))
    monkeypatch.setattr(dataset, "images", counted("read", dataset.images))
    losses = {
        f"{loss} {temperature}": TTD("paper", loss=loss, temperature=temperature)
        for loss in ("l1", "mse", "ssim")
        for temperature in (1.0, 50.0)
    }
    assert len(list(sweep(network, dataset, losses, scorer))) == 2 * 7
    assert calls == {"encode": 2, "components": 2, "read": 2}


def test_a_uniform_setting_changes_no_value(pairs, network, scorer):
    uniform = {
        "loss": TTD("paper", temperature=0.0),
        "fused": TTD("paper", temperature=0.0, compare="fused", form="linear"),
        "gradient": TTD("paper", temperature=0.0, basis="gradient"),
    }
    values: dict[str, set] = {}
    for row in sweep(network, dataset_of(pairs, network), uniform, scorer):
        values.setdefault(row.id, set()).add(tuple(row.values[2:]))  # without truth, which is NaN
    assert [len(found) for found in values.values()] == [1, 1]


def test_what_is_done_is_not_computed_again(pairs, network, scorer, monkeypatch):
    dataset = dataset_of(pairs, network)
    rows = list(sweep(network, dataset, SETTINGS, scorer))
    done = {(row.id, row.setting) for row in rows} - {("02N", "gradient"), ("02N", "static")}
    read = []
    whole = dataset.images
    monkeypatch.setattr(dataset, "images", lambda index: read.append(index) or whole(index))
    missing = list(sweep(network, dataset, SETTINGS, scorer, done=done))
    assert read == [1]
    again = {(row.id, row.setting): row.values[2:] for row in missing}
    assert again == {
        (row.id, row.setting): row.values[2:] for row in rows if (row.id, row.setting) not in done
    }


def test_batches_change_no_value(pairs, network, scorer):
    dataset = dataset_of(pairs, network)
    one, two = (
        sorted(sweep(network, dataset, {"ttd": SETTINGS["ssim"]}, scorer, batch_size=size))
        for size in (1, 2)
    )
    for first, second in zip(one, two, strict=True):
        assert first[:2] == second[:2]
        assert first.values[2:] == pytest.approx(second.values[2:], rel=1e-9)
