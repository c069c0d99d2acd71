import torch

from fusionlab.data.crops import TaskCrops
from fusionlab.losses import create_objective
from fusionlab.losses.base import Step
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
    terms = create_objective("weightnet")(Exact(4), batch(), Step())
    assert set(terms) == {"mef_l1", "mef_ssim", "mff_l1", "mff_ssim"}
    assert all(abs(term.item()) < 1e-6 for term in terms.values())


def test_both_networks_learn():
    torch.manual_seed(0)
    network = WeightNet(4)
    sum(create_objective("weightnet")(network, batch(), Step()).values()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_data_of_both_tasks_are_the_same_every_time():
    objective, settings = create_objective("weightnet"), Training(crop_size=32)
    crops, validation = objective.open_data(settings, seed=3)
    again, _ = objective.open_data(settings, seed=3)
    assert isinstance(crops, TaskCrops)
    assert validation is None
    for key, value in crops[5].items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, again[5][key])
            assert value.shape == ((2, 1, 32, 32) if key.endswith("sources") else (1, 32, 32))
