import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.evaluation.conditions import (
    CorruptedDataset,
    conditions,
    first_samples,
    with_parameter_noise,
)
from fusionlab.networks import create_network
from fusionlab.settings import Conditions, Corruption, Data


@pytest.fixture
def network():
    return create_network("ifcnn", "bundled")


@pytest.fixture
def dataset(tmp_path):
    """A pair by day and one by night, both grey, 24x16 pixels."""
    rng = np.random.default_rng(0)
    for source in ("vi", "ir"):
        (tmp_path / "pairs" / source).mkdir(parents=True)
        for name in ("01D", "02N"):
            pixels = rng.integers(0, 256, (16, 24), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pairs" / source / f"{name}.png")
    return open_data(Data(root=str(tmp_path / "pairs")))[0]


def test_only_one_source_is_damaged_and_metrics_see_none(dataset):
    damaged = CorruptedDataset(dataset, Corruption("mask", "ir"), 5)
    for clean, sample in zip((dataset[0], dataset[1]), (damaged[0], damaged[1]), strict=True):
        assert torch.equal(sample["grey"], clean["grey"])
        assert torch.equal(sample["sources"][0], clean["sources"][0])
        assert (sample["sources"][1] == 0).sum() > (clean["sources"][1] == 0).sum() + 100


def test_an_unknown_source_is_named(dataset):
    with pytest.raises(InputError, match="01D in pairs has no source us, it has vi, ir"):
        CorruptedDataset(dataset, Corruption("mask", "us"), 1)


def test_parameter_noise_is_in_standard_deviations(network):
    before = {name: one.clone() for name, one in network.state_dict().items()}
    noisy = with_parameter_noise(network, 0.2, seed=1)
    for name, one in network.state_dict().items():
        assert torch.equal(one, before[name])
    weight = before["conv3.conv.weight"]
    change = noisy.state_dict()["conv3.conv.weight"] - weight
    assert (change.std() / weight.std()).item() == pytest.approx(0.2, rel=0.02)
    counted = "conv3.bn.running_mean"
    assert torch.equal(noisy.state_dict()[counted], before[counted])
    again = with_parameter_noise(network, 0.2, seed=1).state_dict()
    assert all(torch.equal(one, again[name]) for name, one in noisy.state_dict().items())


def test_no_noise_is_the_network_itself(network):
    plain = with_parameter_noise(network, 0.0, seed=1).state_dict()
    assert all(torch.equal(one, plain[name]) for name, one in network.state_dict().items())


def test_the_conditions_of_a_config(dataset):
    plan = conditions(Conditions(parameter_noise=[0.5, 0], noise_draws=2), dataset)
    assert [(one.group, one.draw) for one in plan] == [
        ("noise 0", 0),
        ("noise 0.5", 0),
        ("noise 0.5", 1),
    ]
    damage = Conditions(corruption=[Corruption("jpeg", severities=[2, 1])])
    assert [one.group for one in conditions(damage, dataset)] == ["clean", "jpeg 1", "jpeg 2"]
    subsets = conditions(Conditions(subsets={"day": "*D", "night": "*N"}), dataset)
    assert [one.dataset.ids for one in subsets] == [["01D"], ["02N"]]


def test_the_first_samples(dataset):
    limited = first_samples(dataset, 1)
    assert limited.ids == ["01D"]
    assert limited[0]["id"] == "01D"
    assert first_samples(dataset, None) is first_samples(dataset, 9) is dataset
