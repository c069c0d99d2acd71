"""SeAFusion learns with a segmenter that looks at its pictures."""

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.seafusion import fusion_terms
from fusionlab.networks import create_network
from fusionlab.settings import Training
from fusionlab.tasks.guided import hard_cross_entropy
from fusionlab.tasks.opening import save_model
from fusionlab.tasks.upernet import UPerNet
from fusionlab.training.datamodule import training_loader


@pytest.fixture
def segmenter(tmp_path) -> str:
    torch.manual_seed(0)
    model = UPerNet(("background", "lesion"), "test_resnet", 16)
    path = tmp_path / "segmenter.safetensors"
    save_model(model, "segmenter", "upernet", model.options, path)
    return str(path)


def test_easy_pixels_do_not_count_where_enough_are_hard():
    scores = torch.zeros(1, 2, 4, 4)
    scores[:, 0] = 4  # sure of the first class
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[0, 0, :3] = 1
    expected = torch.nn.functional.cross_entropy(torch.tensor([[4.0, 0.0]]), torch.tensor([1]))
    torch.testing.assert_close(hard_cross_entropy(scores, mask), expected)
    mask[0, 0, 1:3] = 255  # one hard pixel is left, of two that are learnt from at least
    easy = torch.nn.functional.cross_entropy(torch.tensor([[4.0, 0.0]]), torch.tensor([0]))
    torch.testing.assert_close(hard_cross_entropy(scores, mask), (expected + easy) / 2)
    mask.fill_(255)
    assert hard_cross_entropy(scores, mask) == 0


@pytest.mark.slow
def test_the_network_learns_and_the_segmenter_stays(segmenter):
    torch.manual_seed(0)
    network = create_network("seafusion").train()
    objective = create_objective("seafusion_segment", segmenter=segmenter, round=2).train()
    before = {key: x.clone() for key, x in objective.model.state_dict().items()}
    settings = Training(crop_size=48, batch_size=2, batches_per_epoch=6)
    data, _ = objective.open_data(settings, seed=0)
    (group,) = objective.parameter_groups(network)
    optimizer = torch.optim.Adam(group.parameters, 1e-3)
    found = []
    for batch in training_loader(data, settings, seed=0):
        terms = objective(network, batch, Step())
        expected = fusion_terms(network(batch["sources"]), batch["sources"])
        assert {k: terms[k].item() for k in expected} == pytest.approx(
            {k: v.item() for k, v in expected.items()}, rel=1e-5
        )
        assert terms["segmentation"] > 0
        optimizer.zero_grad()
        terms["segmentation"].backward(retain_graph=True)
        assert all(one.grad is not None for one in group.parameters), "it reaches the network"
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        found.append(sum(terms.values()).item())
    assert min(found[3:]) < found[0]
    assert all(torch.equal(x, objective.model.state_dict()[key]) for key, x in before.items())
    assert objective.save(None) is None


def test_a_round_doubles_the_segmentation(segmenter):
    torch.manual_seed(0)
    network = create_network("seafusion")
    first, second = (
        create_objective("seafusion_segment", segmenter=segmenter, round=n) for n in (1, 2)
    )
    data, _ = first.open_data(Training(crop_size=48, batch_size=2, batches_per_epoch=1), seed=0)
    second.open_data(Training(crop_size=48, batch_size=2, batches_per_epoch=1), seed=0)
    batch = {key: torch.stack([torch.as_tensor(data[k][key]) for k in range(2)]) for key in data[0]}
    one, two = (objective(network, batch, Step())["segmentation"] for objective in (first, second))
    torch.testing.assert_close(two, 2 * one)


def test_a_segmenter_is_needed():
    with pytest.raises(InputError, match=r"set training\.options\.segmenter"):
        create_objective("seafusion_segment")
