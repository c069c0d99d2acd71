import torch

from fusionlab.losses.base import Step
from fusionlab.losses.ifcnn import IFCNNObjective
from fusionlab.networks import create_network


def test_the_objective_is_the_mean_squared_error():
    generator = torch.Generator().manual_seed(0)
    batch = {
        "sources": torch.rand(2, 2, 3, 8, 9, generator=generator),
        "reference": torch.rand(2, 3, 8, 9, generator=generator),
    }
    network = create_network("ifcnn")
    terms = IFCNNObjective()(network, batch, Step())
    difference = (network(batch["sources"]) - batch["reference"]).detach().numpy()
    assert list(terms) == ["mse"]
    assert abs(terms["mse"].item() - (difference**2).mean()) < 1e-6
    terms["mse"].backward()
    assert network.conv1.weight.grad is not None
