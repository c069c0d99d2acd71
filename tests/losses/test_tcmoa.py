"""TC-MoA's objective against its authors' loss."""

from types import SimpleNamespace

import pytest
import torch

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.tcmoa import balance_loss, fusion_terms, prompt_loss, sharper
from fusionlab.networks import create_network
from fusionlab.networks.tcmoa import Choice
from fusionlab.settings import Training
from fusionlab.training.optimization import learning_groups, make_optimizers
from tests.networks.test_tcmoa import formula_network, read


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize(("name", "task"), [("tno01", "vif"), ("house", "mef")])
def test_the_terms_of_the_authors_loss(name, task, shared):
    network, given = formula_network(shared), read(shared, name)
    objective = create_objective("tcmoa")
    order = ("vif", "mef", "mff").index(task)
    factors = {"vif": {}, "mef": {"gradient": 1.8, "pixel": 1.8, "mef_ssim": 3.6, "prompt": 1.8}}
    names = {"ssim": "ssim", "pixel": "pixel", "gradient": "max_grad", "mef_ssim": "MEF_SSIM"}
    for epoch in (0, 5):
        step = Step(epoch=epoch, index=order)
        terms = objective(network, {task: given["sources"]}, step)
        prefix = f"loss_epoch{epoch}_"
        theirs = {
            k.removeprefix(prefix): v.item() for k, v in given.items() if k.startswith(prefix)
        }
        assert sum(terms.values()).item() == pytest.approx(theirs["loss"], rel=1e-4)
        balance = (epoch + 1) * terms["balance"].item()
        assert balance == pytest.approx(theirs["aux_loss"], rel=1e-4)
        late = factors[task] if epoch else {}
        weight = late.get("prompt", 1)
        assert terms["prompt"].item() == pytest.approx(weight * theirs["prompt_loss"], rel=1e-4)
        for ours, published in names.items():
            if task == "mef" and ours in terms and f"{published}_loss" in theirs:
                expected = late.get(ours, 1) * theirs[f"{published}_loss"]
                assert terms[ours].item() == pytest.approx(expected, rel=1e-4)


def test_prompts_and_gates_by_hand():
    """Prompts sum to 1.2 in the encoder, to 0.9 in the decoder; one expert has all tokens."""
    gates = torch.tensor([1.0, 0, 0, 0]).expand(1, 4, 4)
    load = torch.tensor([4.0, 0, 0, 0])
    choices = [Choice(torch.full((2, 1, 4), p), gates, load) for p in (0.6, 0.6, 0.45)]
    assert prompt_loss(choices, 2).item() == pytest.approx(0.75 * 0.04 + 0.25 * 0.01)
    variation = 4.0  # variance of (4, 0, 0, 0) over the square of its mean, 1
    assert balance_loss(choices).item() == pytest.approx(1e-3 * 3 * 2 * variation)


def test_the_target_of_focus_takes_squares_of_the_sharper_source():
    sources = torch.full((1, 2, 3, 32, 40), 0.5)
    sources[0, 1, :, 4:8, 4:8] = 1
    sources[0, 0, :, 20:24, 36:38] = 0
    target = sharper(sources)
    assert torch.equal(target[..., :16, :16], sources[:, 1, :, :16, :16])
    assert torch.equal(target[..., 16:, 32:], sources[:, 0, :, 16:, 32:])


@pytest.mark.slow
def test_tasks_take_turns_and_a_few_steps_lower_each_loss():
    torch.manual_seed(0)
    network, objective = create_network("tcmoa", size="tiny").train(), create_objective("tcmoa")
    ramp = torch.linspace(0.2, 0.8, 112).expand(1, 1, 3, 112, 112)
    batch = {task: torch.cat((ramp, ramp.mT), 1) for task in ("vif", "mef", "mff")}
    adam, losses = torch.optim.Adam(network.parameters(), 1e-3), []
    for index in range(12):
        task = ("vif", "mef", "mff")[index % 3]
        seen = {task: batch[task]}  # what it reads
        losses.append(sum(objective(network, seen, Step(index=index)).values()))
        adam.zero_grad()
        losses[-1].backward()
        adam.step()
    assert all(last < 0.9 * first for first, last in zip(losses[:3], losses[-3:], strict=True))


def test_terms_after_the_warm_up_add_up():
    """Where the fused image and both sources are the same, none is left."""
    image = torch.rand(2, 3, 32, 32)
    for task in ("vif", "mef", "mff"):
        for warm_up in (True, False):
            terms = fusion_terms(task, image, torch.stack((image, image), 1), warm_up)
            assert sum(terms.values()).item() == pytest.approx(0, abs=1e-4)


def test_an_autoencoder_is_loaded_and_stays(tmp_path):
    network = create_network("tcmoa", size="tiny")
    learnt = (
        "Alpha",
        "en_rel",
        "de_rel",
        "Fusion",
        "de_Fusion",
        "blocks_MoA",
        "decoder_blocks_MoA",
    )
    mae = {k: v + 1 for k, v in network.state_dict().items() if not k.startswith(learnt)}
    torch.save({"model": {**mae, "mask_token": torch.zeros(1, 1, 32)}}, tmp_path / "mae.pth")
    objective = create_objective("tcmoa", mae=str(tmp_path / "mae.pth"))
    groups = learning_groups(objective, network)
    state = network.state_dict()
    assert all(torch.equal(state[key], one) for key, one in mae.items())
    trained = {id(one) for group in groups for one in group.parameters}
    names = {key for key, one in network.named_parameters() if id(one) in trained}
    assert names == {key for key, _ in network.named_parameters() if key.startswith(learnt)}
    ((optimizer, _),) = make_optimizers(groups, Training(optimizer="adamw", weight_decay=0.05))
    decays = {group["name"]: group["weight_decay"] for group in optimizer.param_groups}
    assert decays == {"weights": 0.05, "biases": 0.0}
    other = create_network("tcmoa", size="tiny")
    torch.save({"model": {"norm.weight": torch.ones(3)}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no masked autoencoder of the size"):
        create_objective("tcmoa", mae=str(tmp_path / "other.pth")).parameter_groups(other)


def test_a_folder_without_one_of_the_tasks_is_refused(tmp_path):
    settings = SimpleNamespace(root=str(tmp_path), crop_size=112)
    with pytest.raises(
        InputError, match=r"no folder .*vif; training\.root must hold vif, mef, mff"
    ):
        create_objective("tcmoa").open_data(settings, 0)
