"""GIFNet's objective against its authors' loss."""

import pytest
import timm
import torch
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.gifnet import (
    common_term,
    focus_pair,
    intensity_term,
    laplacian_energy,
)
from fusionlab.networks import create_network
from tests.networks import references


def test_the_authors_losses(shared):
    given = references.read(shared / "reference" / "networks" / "gifnet_losses.npz")
    infrared, visible = given["ir"], given["vi"]
    weights = torch.tensor([given["w_ir"].item(), 1 - given["w_ir"].item()])
    for task in ("ivif", "mfif"):
        ours = common_term(given[f"rec_{task}"], visible)
        assert ours.item() == pytest.approx(given[f"common_{task}"].item(), abs=1e-5)
    ours = intensity_term(given["out_ivif"], infrared, visible, weights)
    assert ours.item() == pytest.approx(given["intensity"].item(), rel=1e-5)
    supervised = F.mse_loss(given["out_mfif"], visible)
    assert supervised.item() == pytest.approx(given["supervised"].item(), rel=1e-5)


def test_energy_by_hand():
    """A point of height 1 in each of two channels: 2 there, a quarter in its eight neighbours."""
    features = torch.zeros(1, 2, 5, 5)
    features[..., 2, 2] = 1
    assert laplacian_energy(features).item() == pytest.approx((4 + 8 / 16) / 25)
    assert laplacian_energy(torch.ones(1, 3, 4, 4)).item() == pytest.approx(0, abs=1e-12)


def test_each_pixel_is_sharp_in_one_of_the_pair():
    torch.manual_seed(0)
    image = torch.rand(3, 1, 20, 24)
    near, far = focus_pair(image)
    sharp = torch.stack([near == image, far == image])
    assert (sharp.sum(0) == 1).all()
    assert (sharp.float().mean((2, 3, 4)) > 0.05).all()


@pytest.fixture(scope="module")
def densenet(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("densenet") / "densenet121.pth"
    torch.save(timm.create_model("densenet121", pretrained=False).state_dict(), path)
    return path


@pytest.mark.slow
def test_names_of_torchvision_s_file_are_understood_and_others_refused(densenet, tmp_path):
    state = torch.load(densenet, weights_only=True)
    old = {
        key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): x
        for key, x in state.items()
    }
    torch.save(old, tmp_path / "old.pth")
    found = [create_objective("gifnet", densenet=str(p)) for p in (densenet, tmp_path / "old.pth")]
    image = torch.rand(1, 1, 32, 32)
    assert found[0].densenet(image) == found[1].densenet(image)
    del old["features.conv0.weight"]
    torch.save(old, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"no DenseNet-121 \(features\.conv0\.weight\)"):
        create_objective("gifnet", densenet=str(tmp_path / "other.pth"))
    with pytest.raises(InputError, match=r"got None; give training\.options\.densenet"):
        create_objective("gifnet")


@pytest.mark.slow
def test_both_tasks_teach_the_network_and_densenet_stays(densenet):
    torch.manual_seed(0)
    network = create_network("gifnet").train()
    objective = create_objective("gifnet", densenet=str(densenet)).train()
    assert not objective.densenet.training
    terms = objective(network, {"sources": torch.rand(1, 2, 1, 32, 32)}, Step())
    assert list(terms) == ["common_ivif", "intensity", "common_mfif", "supervised"]
    torch.stack(list(terms.values())).sum().backward()
    without = {name for name, p in network.named_parameters() if p.grad is None}
    assert all("weights" in name or "blocks.1" in name for name in without), without
    assert all(p.grad is None for p in objective.parameters())
