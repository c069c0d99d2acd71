import pytest
import torch

from fusionlab.data.dataset import open_folder
from fusionlab.errors import InputError
from fusionlab.laboratory.conditions import CorruptedDataset, conditions, with_parameter_noise
from fusionlab.laboratory.corruptions import LEVELS, corrupt
from fusionlab.laboratory.settings import Corruption, Experiment
from fusionlab.networks import create_network
from fusionlab.settings import TTD, Data


@pytest.fixture
def network():
    return create_network("ifcnn", "bundled")


@pytest.fixture
def dataset(pairs):
    return open_folder(Data(root=str(pairs)), frozenset(), (1, 3))


def test_contrast_brightness_and_mask_by_hand():
    image = torch.tensor([0.2, 0.4, 0.6, 0.8]).expand(1, 4, 4)
    expected = torch.tensor([0.41, 0.47, 0.53, 0.59])  # 0.3 times the distance from the mean 0.5
    torch.testing.assert_close(corrupt(image, "contrast", 2)[0, 0], expected)
    expected = torch.tensor([0.5, 0.7, 0.9, 1.0])  # 0.3 more, clamped
    torch.testing.assert_close(corrupt(image, "brightness", 3)[0, 0], expected)
    expected = torch.tensor([0.0, 0.1, 0.3, 0.5])
    torch.testing.assert_close(corrupt(image, "darkness", 3)[0, 0], expected)
    masked = corrupt(torch.ones(3, 100, 50), "mask", 4)  # 40 %: 63 rows of 32
    assert (masked == 0).sum() == 3 * 63 * 32
    assert masked[:, 50, 25].eq(0).all()
    assert masked[:, 0].eq(1).all()


def test_blurs_keep_flat_images_and_spread_a_point():
    flat, point = torch.full((1, 9, 9), 0.4), torch.zeros(1, 41, 41)
    point[0, 20, 20] = 1
    for name in ("gaussian_blur", "motion_blur"):
        for severity in range(1, 6):
            torch.testing.assert_close(corrupt(flat, name, severity), flat)
    spread = corrupt(point, "gaussian_blur", 2)[0]  # σ = 2
    assert (spread[20, 22] / spread[20, 20]).item() == pytest.approx(0.6065, rel=1e-3)  # e^-1/2
    streak = corrupt(point, "motion_blur", 1)[0]  # five pixels in a row
    assert streak.sum().item() == pytest.approx(1, abs=1e-5)
    assert streak[20].sum().item() == pytest.approx(1, abs=1e-5)
    assert (streak[20] > 0.1).sum() == 5


def test_noise_has_its_deviation_and_its_seed():
    image = torch.full((1, 200, 200), 0.5)
    noisy = corrupt(image, "gaussian_noise", 2, seed=3)
    assert (noisy - image).std().item() == pytest.approx(0.12, rel=0.02)
    assert torch.equal(noisy, corrupt(image, "gaussian_noise", 2, seed=3))
    assert not torch.equal(noisy, corrupt(image, "gaussian_noise", 2, seed=4))


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("shape", [(1, 12, 16), (3, 17, 15)], ids=str)
def test_damage_grows_with_severity(name, shape):
    rows = torch.linspace(0.2, 0.9, shape[1])[:, None] * torch.linspace(1, 0.3, shape[2])
    image = (rows + 0.1 * torch.sin(7 * torch.arange(shape[2]))).clamp(0, 1).expand(shape)
    damage = [(corrupt(image, name, k) - image).square().mean().item() for k in range(1, 6)]
    assert damage[0] > 0
    assert damage[-1] > 1.2 * damage[0]


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


def test_conditions_of_an_experiment(dataset, network):
    settings = [TTD("paper")]
    noise = Experiment(settings=settings, parameter_noise=[0.5, 0], noise_seeds=2)
    plan = conditions(noise, dataset, network)
    assert [(one.group, one.draw) for one in plan] == [
        ("noise 0", 0),
        ("noise 0.5", 0),
        ("noise 0.5", 1),
    ]
    damage = Experiment(settings=settings, corruption=[Corruption("jpeg", severities=[2, 1])])
    assert [one.group for one in conditions(damage, dataset, network)] == [
        "clean",
        "jpeg 1",
        "jpeg 2",
    ]
    subsets = Experiment(settings=settings, subsets={"day": "*D", "night": "*N"})
    assert [one.dataset.ids for one in conditions(subsets, dataset, network)] == [["01D"], ["02N"]]
    (limited,) = conditions(Experiment(settings=settings, limit=1), dataset, network)
    assert limited.dataset.ids == ["01D"]
    assert limited.dataset[0]["id"] == "01D"
