import pytest
import torch
from torch.testing import assert_close

from fusionlab.data.crops import TaskCrops
from fusionlab.errors import InputError
from fusionlab.losses import create_objective
from fusionlab.losses.base import Step
from fusionlab.networks import create_network
from fusionlab.networks.weightnet import WeightNet
from fusionlab.settings import Training


class Exact(WeightNet):
    """Fuses to the reference, which is the first source."""

    def forward(self, sources, rd=None, task=None):
        return sources[:, 0]


def batch():
    sources = torch.rand(2, 2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    return {
        f"{task}_{key}": value
        for task in ("mef", "mff")
        for key, value in (("sources", sources), ("reference", sources[:, 0]))
    }


def test_the_truth_has_no_loss():
    terms = create_objective("synthetic_pairs")(Exact(4), batch(), Step())
    assert set(terms) == {"mef_l1", "mef_ssim", "mff_l1", "mff_ssim"}
    assert all(abs(term.item()) < 1e-6 for term in terms.values())


def test_both_networks_learn():
    torch.manual_seed(0)
    network = WeightNet(4)
    sum(create_objective("synthetic_pairs")(network, batch(), Step()).values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_data_of_both_tasks_are_the_same_every_time():
    objective, settings = create_objective("synthetic_pairs"), Training(crop_size=32)
    crops, validation = objective.open_data(settings, seed=3)
    again, _ = objective.open_data(settings, seed=3)
    assert isinstance(crops, TaskCrops)
    assert validation is None
    for key, value in crops[5].items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, again[5][key])
            assert value.shape == ((2, 1, 32, 32) if key.endswith("sources") else (1, 32, 32))


def test_a_network_that_is_not_told_the_task_learns_of_all_at_once():
    network = create_network("ifcnn")
    objective = create_objective("synthetic_pairs", tasks=["mef", "mff"])
    sources = torch.rand(2, 2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    first = {
        f"{task}_{key}": x
        for task in ("mef", "mff")
        for key, x in (("sources", sources), ("reference", sources[:, 0]))
    }
    terms = objective(network, first, Step())
    assert set(terms) == {"mef_l1", "mef_ssim", "mff_l1", "mff_ssim"}
    assert_close(terms["mef_l1"], terms["mff_l1"])
    alone = (network(sources.repeat(2, 1, 1, 1, 1))[:2] - sources[:, 0]).abs().mean()
    assert_close(terms["mef_l1"], alone)


def test_of_two_sensors_the_stronger_counts():
    """Of a bright flat source and a dark striped one: bright stripes, and like both."""
    stripes = torch.tensor([0.0, 0.0, 0.4, 0.4]).repeat(8).expand(1, 1, 32, 32)
    seen = torch.stack([torch.full_like(stripes, 0.5), stripes], 1)
    network = create_network("ifcnn")
    objective = create_objective("synthetic_pairs", tasks=["vif"])
    batch = {"vif_sources": seen, "vif_reference": seen}

    def terms(picture):
        network.forward = lambda sources: picture
        return {name: term.item() for name, term in objective(network, batch, Step()).items()}

    flat, striped = terms(seen[:, 0]), terms(stripes)
    assert set(flat) == {"vif_intensity", "vif_gradient", "vif_ssim"}
    assert flat["vif_intensity"] == pytest.approx(0, abs=1e-6)
    assert striped["vif_intensity"] == pytest.approx(0.3, abs=1e-6)
    assert striped["vif_gradient"] < flat["vif_gradient"]
    assert flat["vif_ssim"] == pytest.approx(striped["vif_ssim"], abs=1e-5)  # each is one of them


@pytest.mark.parametrize("tasks", [[], ["mif"], ["mef", "all"]])
def test_other_tasks_are_refused(tasks):
    with pytest.raises(InputError, match="must be of mef, mff"):
        create_objective("synthetic_pairs", tasks=tasks)
