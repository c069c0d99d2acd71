from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from fusionlab.data.crops import MultiFocusCrops
from fusionlab.errors import InputError
from fusionlab.losses.base import ParameterGroup
from fusionlab.networks import create_network
from fusionlab.settings import Training
from fusionlab.training.module import FusionModule
from fusionlab.training.optimization import (
    build_optimizers,
    check_optimization,
    clip_each_group,
    known_optimizers,
    make_optimizers,
)
from fusionlab.training.schedules import known_schedules, learning_rate_factor

from .conftest import quiet_trainer

TRAINER = SimpleNamespace(
    estimated_stepping_batches=100, max_epochs=10, accumulate_grad_batches=1, max_steps=-1
)
CROPS = MultiFocusCrops([torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))], 16, 8)


def group(value=1.0, name="all", **options) -> ParameterGroup:
    return ParameterGroup(name, [nn.Parameter(torch.full((1, 1), value))], **options)


def built(*groups, trainer=TRAINER, **settings):
    (found,) = build_optimizers(list(groups), Training(**settings), trainer)
    return found


def factors(schedule, counts, first_epoch=0, **settings):
    factor = learning_rate_factor(Training(schedule=schedule, **settings), TRAINER, first_epoch)
    return [factor(count) for count in counts]


def test_polynomial_decay_reaches_0_at_the_last_step():
    assert factors("polynomial", [0, 50, 100, 101], lr_power=2) == [1, 0.25, 0, 0]


def test_halving_starts_with_the_group_and_stops_at_a_hundredth():
    assert factors("halving", [0, 19, 20, 39, 40, 119]) == [1, 1, 0.5, 0.5, 0.25, 1 / 32]
    assert factors("halving", [0, 40, 59, 60, 119], first_epoch=40) == [1, 1, 1, 0.5, 0.125]
    assert factors("halving", [139, 140, 1000]) == [1 / 64, 0.01, 0.01]
    assert factors("halving", [3], halving_epochs=3) == [0.5]


def test_late_decay_begins_halfway():
    """lr (E - e)/(E - E/2) of the port, E = 10."""
    assert factors("late", range(11)) == [1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0]


def test_a_constant_rate_stays():
    assert factors("Constant", [0, 7, 1000]) == [1, 1, 1]


@pytest.mark.parametrize("name", ["polynomial", "late"])
def test_a_schedule_with_an_end_needs_one(name):
    endless = SimpleNamespace(estimated_stepping_batches=float("inf"), max_epochs=-1)
    with pytest.raises(InputError, match="needs an end"):
        learning_rate_factor(Training(schedule=name), endless, 0)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_groups_learn_as_with_an_optimizer_of_their_own(name):
    """The second group has no gradient in the first two steps, as CDDFuse's fusion layers."""
    torch.manual_seed(0)
    groups = [group(name=str(k), first_epoch=2 * k) for k in range(2)]
    found = built(*groups, optimizer=name, lr=0.1, schedule="halving", halving_epochs=1)
    together = [one.parameters[0] for one in groups]
    alone = [nn.Parameter(torch.ones(1, 1)) for _ in range(2)]
    each = [
        torch.optim.SGD([p], 0.1, 0.9) if name == "sgd" else torch.optim.Adam([p], 0.1)
        for p in alone
    ]
    for epoch in range(5):
        for k in range(2 if epoch >= 2 else 1):
            gradient = torch.randn(1, 1)
            together[k].grad, alone[k].grad = gradient.clone(), gradient.clone()
            each[k].param_groups[0]["lr"] = 0.1 * max(0.5 ** (epoch - 2 * k), 0.01)
            each[k].step()
        found["optimizer"].step()
        found["lr_scheduler"]["scheduler"].step()
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one, other)


def test_each_group_is_clipped_by_its_own_norm():
    small, large = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(4))
    small.grad, large.grad = torch.full((4,), 0.001), torch.full((4,), 10.0)
    clip_each_group(torch.optim.SGD([{"params": [small]}, {"params": [large]}], lr=1), 0.01)
    assert torch.equal(small.grad, torch.full((4,), 0.001))
    assert large.grad.norm().item() == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam", "AdamW"])
def test_weight_decay_and_options_are_the_optimizers(name):
    options = {"nesterov": True} if name == "sgd" else {"betas": (0.5, 0.9)}
    found = built(group(), optimizer=name, weight_decay=0.5, optimizer_options=options)
    (own,) = found["optimizer"].param_groups
    assert own["weight_decay"] == 0.5
    assert all(own[key] == value for key, value in options.items())


@pytest.mark.parametrize("name", sorted(known_optimizers()))
def test_every_optimiser_of_torch_is_made_by_its_name(name):
    ((made, _),) = make_optimizers([group()], Training(optimizer=name, lr=0.1))
    assert type(made).__name__.casefold() == name
    assert made.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("name", sorted(known_schedules()))
def test_every_schedule_of_torch_is_made_or_tells_its_options(name):
    options = {
        "cycliclr": {"base_lr": 0.01, "max_lr": 0.1},
        "onecyclelr": {"max_lr": 0.1, "total_steps": 9},
        "cosineannealinglr": {"T_max": 5},
        "cosineannealingwarmrestarts": {"T_0": 5},
        "exponentiallr": {"gamma": 0.9},
        "multisteplr": {"milestones": [2]},
        "steplr": {"step_size": 2},
    }.get(name, {})
    found = built(group(), schedule=name, schedule_options=options)["lr_scheduler"]
    assert type(found["scheduler"]).__name__.casefold() == name
    assert found["interval"] == "epoch"
    if options:
        with pytest.raises(InputError, match=next(iter(options))):
            built(group(), schedule=name)


def test_what_needs_a_function_or_another_schedule_is_none_of_them():
    assert not {"lambdalr", "sequentiallr", "chainedscheduler"} & known_schedules().keys()


def test_optimisers_come_in_the_order_of_their_groups():
    groups = [group(optimizer="b"), group(optimizer="a"), group(optimizer="b")]
    found = build_optimizers(groups, Training(), TRAINER)
    assert [len(one["optimizer"].param_groups) for one in found] == [2, 1]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"optimizer": "best"}, ["training.optimizer", "adamw", "sgd", "'best'"]),
        ({"optimizer_options": {"beta": 1}}, ["optimizer_options", "SGD", "'beta'", "nesterov"]),
        ({"optimizer": "adam", "optimizer_options": {"betas": [2, 2]}}, ["Adam", "beta"]),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, ["LBFGS", "weight_decay"]),
        ({"schedule": "slow"}, ["training.schedule", "polynomial", "steplr", "'slow'"]),
        ({"schedule": "steplr", "schedule_options": {"step": 1}}, ["StepLR", "'step'", "gamma"]),
        ({"schedule": "steplr"}, ["StepLR", "step_size"]),
        ({"schedule_options": {"gamma": 1}}, ["training.schedule_options", "polynomial"]),
    ],
)
def test_what_torch_does_not_take_is_named_beforehand(settings, named):
    with pytest.raises(InputError) as caught:
        check_optimization([group()], Training(**settings))
    assert [part for part in named if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_a_training_follows_the_optimiser_and_schedule_of_torch():
    """Each epoch of two steps, as a loop by hand makes them."""
    settings = Training(
        optimizer="AdamW",
        lr=0.01,
        weight_decay=0.1,
        schedule="ExponentialLR",
        schedule_options={"gamma": 0.5},
    )
    network = create_network("densefuse", channels_in=3)
    other = create_network("densefuse", channels_in=3)
    other.load_state_dict(network.state_dict())
    batches = list(DataLoader(CROPS, 4))
    module = FusionModule(network, "ifcnn", settings)
    quiet_trainer(max_epochs=2).fit(module, DataLoader(CROPS, 4))
    optimizer = torch.optim.AdamW(other.train().parameters(), 0.01, weight_decay=0.1)
    for epoch in range(2):
        optimizer.param_groups[0]["lr"] = 0.01 * 0.5**epoch
        for batch in batches:
            optimizer.zero_grad()
            (other(batch["sources"]) - batch["reference"]).square().mean().backward()
            optimizer.step()
    for key, value in network.state_dict().items():
        assert torch.allclose(value, other.state_dict()[key], atol=1e-6), key


def test_a_plateau_is_one_of_the_training_loss():
    settings = Training(
        lr=0.0, schedule="ReduceLROnPlateau", schedule_options={"patience": 0, "factor": 0.1}
    )
    trainer = quiet_trainer(max_epochs=3)
    network = create_network("ifcnn")
    trainer.fit(FusionModule(network, training=settings), DataLoader(CROPS, 4))
    schedule = trainer.lr_scheduler_configs[0].scheduler
    assert schedule.best == pytest.approx(trainer.callback_metrics["train/loss"].item(), rel=0.5)
    assert schedule.last_epoch == 3
