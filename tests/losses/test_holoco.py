"""HoLoCo's objective: its terms by hand and by their properties, its optimisers."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.holoco import Discriminator, HoLoCoObjective, judging_loss
from fusionlab.networks import create_network
from fusionlab.networks.holoco import HoLoCo
from fusionlab.settings import Training
from tests.losses.vgg import save_vgg


@pytest.fixture
def objective(tmp_path) -> HoLoCoObjective:
    torch.manual_seed(0)
    return create_objective("holoco", vgg=save_vgg(tmp_path / "vgg.pth", 16))


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    truth = torch.rand(1, 3, 64, 64)
    return {"rgb": torch.stack([truth / 2, (truth + 1) / 2], 1), "reference": truth}


def test_judging_by_hand():
    """Real 3 and 1, fake 0 and 2: above the mean fake 2 and 0, below the mean real -2 and 0."""
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([0.0, 2.0])
    assert judging_loss(real, fake).item() == ((2 - 1) ** 2 + (0 - 1) ** 2 + 4 + 0) / 4


def test_the_discriminator_has_the_sides_of_the_papers_layers():
    network = Discriminator()
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 1, 11, 11)
    assert [tuple(p.shape[:2]) for p in network.parameters() if p.ndim == 4] == [
        (64, 3), (128, 64), (256, 128), (512, 256), (1, 512),
    ]  # fmt: skip


def test_contrast_is_none_at_the_truth_and_one_where_all_are_as_far(objective, batch):
    sources, truth = batch["rgb"], batch["reference"]
    assert objective.contrast(truth, truth, sources).item() == 0
    other = torch.rand_like(truth)
    same = truth.unsqueeze(1).expand(-1, 2, -1, -1, -1)
    assert objective.contrast(other, truth, same).item() == pytest.approx(1, abs=1e-3)
    assert objective.distance(truth, truth).item() == 0
    assert objective.contrasts(other, truth, same).item() == pytest.approx(1, abs=1e-3)
    objective.local = True
    assert objective.contrasts(other, truth, same).item() == pytest.approx(1.1, abs=1e-3)


def test_each_optimiser_teaches_its_own(objective, batch):
    """The U-Nets' terms do not reach the attention networks, nor theirs the U-Nets."""
    network = create_network("holoco", **HoLoCo.small).train()
    terms = objective(network, batch, Step())
    assert list(terms) == [
        "attention", "pixel", "perceptual", "contrast", "mef_ssim", "adversarial",
    ]  # fmt: skip
    attended = network.combine(network.encode(batch["rgb"]))
    assert terms["attention"].item() == pytest.approx(
        (attended - batch["reference"]).square().mean().item(), rel=1e-5
    )
    sum(value for name, value in terms.items() if name != "attention").backward()
    assert all(p.grad is None for p in network.A_1.parameters())
    assert all(p.grad is not None for p in network.G_A.parameters())
    network.zero_grad()
    terms = objective(network, batch, Step(optimizer="discriminator"))
    terms["discriminator"].backward()
    assert list(terms) == ["discriminator"]
    assert all(p.grad is None for p in network.parameters())
    assert all(p.grad.any() for p in objective.discriminator.parameters() if p.ndim == 4)
    groups = objective.parameter_groups(network)
    assert [group.optimizer for group in groups] == ["main", "discriminator"]


def test_it_learns_from_exposures_with_a_truth(objective):
    data, validation = objective.open_data(Training(crop_size=64, limit=1), seed=0)
    assert validation is None
    item = data[0]
    assert item["rgb"].shape == (2, 3, 64, 64)  # under and over, without the middle
    assert item["reference"].shape == (3, 64, 64)
    assert item["rgb"][0].mean() < item["reference"].mean() < item["rgb"][-1].mean()


def test_what_cannot_be_is_refused(objective, tmp_path):
    with pytest.raises(InputError, match=r"set network\.options\.unets true"):
        objective.check_network(create_network("holoco", unets=False))
    with pytest.raises(InputError, match="learns with a VGG-16, got None"):
        create_objective("holoco")
    vgg = save_vgg(tmp_path / "other.pth", 16)
    with pytest.raises(InputError, match="local must be true or false, got 1"):
        create_objective("holoco", vgg=vgg, local=1)
