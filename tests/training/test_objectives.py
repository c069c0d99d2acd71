"""Objectives of a user's own: several optimisers, frozen parts, own data and validation."""

import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import train
from fusionlab.data.batches import collate
from fusionlab.data.crops import MultiFocusCrops
from fusionlab.errors import InputError
from fusionlab.losses import OBJECTIVES, Objective, ParameterGroup, Step
from fusionlab.networks import create_network
from fusionlab.settings import Training
from fusionlab.training.module import FusionModule

from .conftest import Noise, quiet_trainer

STEPS, BATCH = 6, 2
CROPS = MultiFocusCrops([torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))], 16, 12)


class Adversarial(Objective):
    """A critic learns to tell truths from fused images, the network to deceive it."""

    learns_from = "multi_focus"
    unused_parameters = True

    def __init__(self):
        super().__init__()
        self.critic = nn.Conv2d(3, 1, 3)
        self.teacher = nn.Linear(1, 1).requires_grad_(False)
        self.seen = []

    def parameter_groups(self, network):
        return [
            ParameterGroup("critic", [*self.critic.parameters()], optimizer="critic"),
            ParameterGroup("network", [*network.parameters(), *self.teacher.parameters()]),
        ]

    def forward(self, network, batch, step):
        self.seen.append((step, batch["index"].tolist()))
        fused = network(batch["sources"])
        if step.optimizer == "critic":
            true, false = self.critic(batch["reference"]), self.critic(fused)
            return {"critic": F.softplus(-true).mean() + F.softplus(false).mean()}
        deceived = F.softplus(-self.critic(fused)).mean()
        return {"mse": F.mse_loss(fused, batch["reference"]), "deceived": 0.1 * deceived}


def adversarial():
    torch.manual_seed(0)
    objective = Adversarial()
    return objective, create_network("ifcnn").train()


def by_hand(settings, clip):
    """The same training as a loop in plain torch."""
    objective, network = adversarial()
    optimizers = {
        "critic": torch.optim.Adam(objective.critic.parameters(), settings.lr),
        "main": torch.optim.Adam(network.parameters(), settings.lr),
    }
    for index in range(STEPS):
        batch = next(iter(DataLoader(CROPS, BATCH, sampler=range(BATCH * index, 12))))
        for name, optimizer in optimizers.items():
            optimizer.param_groups[0]["lr"] = settings.lr * (1 - index / STEPS) ** 0.9
            terms = objective(network, batch, Step(index // 3, index, STEPS, name))
            for one in (*objective.parameters(), *network.parameters()):
                one.grad = None
            sum(terms.values()).backward()
            parameters = optimizer.param_groups[0]["params"]
            nn.utils.clip_grad_norm_(parameters, clip)
            optimizer.step()
    return objective, network


def test_two_optimisers_make_the_steps_of_a_loop_by_hand():
    settings = Training(optimizer="adam", lr=1e-2)
    objective, network = adversarial()
    teacher = [one.clone() for one in objective.teacher.parameters()]
    module = FusionModule(network, objective, settings)
    trainer = quiet_trainer(max_epochs=1, gradient_clip_val=0.05)
    trainer.fit(module, DataLoader(CROPS, BATCH))
    expected_objective, expected = by_hand(settings, 0.05)
    for name, one in (("critic", objective), ("network", network)):
        other = expected_objective if name == "critic" else expected
        for key, value in other.state_dict().items():
            assert torch.equal(one.state_dict()[key], value), (name, key)
    fresh_objective, fresh = adversarial()
    assert not torch.equal(fresh_objective.critic.weight, objective.critic.weight)
    assert not torch.equal(fresh.conv1.weight, network.conv1.weight)
    assert all(map(torch.equal, teacher, objective.teacher.parameters()))
    assert [(s.index, s.total, s.optimizer) for s, _ in objective.seen] == [
        (index, STEPS, name) for index in range(STEPS) for name in ("critic", "main")
    ]
    assert [numbers for _, numbers in objective.seen[::2]] == [
        [2 * index, 2 * index + 1] for index in range(STEPS)
    ]


def test_epoch_schedules_of_two_optimisers_step_on():
    objective, network = adversarial()
    settings = Training(
        optimizer="rmsprop",
        momentum=0,
        schedule="multisteplr",
        schedule_options={"milestones": [1]},
    )
    module = FusionModule(network, objective, settings)
    trainer = quiet_trainer(max_epochs=2, limit_train_batches=1)
    trainer.fit(module, DataLoader(CROPS, BATCH))
    rates = [group["lr"] for one in trainer.optimizers for group in one.param_groups]
    assert rates == pytest.approx([0.001] * 2)
    assert [step.epoch for step, _ in objective.seen] == [0, 0, 1, 1]
    again = quiet_trainer(max_epochs=1, limit_train_batches=1, gradient_clip_val=1.0)
    again.fit(module, DataLoader(CROPS, BATCH))
    assert len(objective.seen) == 6


@pytest.mark.parametrize(
    ("options", "settings", "named"),
    [
        ({"accumulate_grad_batches": 2}, {}, "trainer.accumulate_grad_batches"),
        ({"max_steps": 4}, {}, "trainer.max_steps"),
        ({}, {"schedule": "ReduceLROnPlateau"}, "ReduceLROnPlateau"),
    ],
)
def test_what_two_optimisers_cannot_do_is_refused(options, settings, named):
    objective, network = adversarial()
    trainer = quiet_trainer(**{"max_epochs": 1, **options})
    with pytest.raises(InputError, match=named):
        trainer.fit(FusionModule(network, objective, Training(**settings)), DataLoader(CROPS, 2))


def test_the_weights_of_an_objective_come_back_to_go_on_and_stay_away_to_fuse(tmp_path):
    objective, network = adversarial()
    module = FusionModule(network, objective, Training(optimizer="adam"))
    options = {"default_root_dir": tmp_path, "enable_checkpointing": True}
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=2, **options)
    trainer.fit(module, DataLoader(CROPS, BATCH))
    path = trainer.checkpoint_callback.best_model_path
    other_objective, other = adversarial()
    again = FusionModule(other, other_objective, Training(optimizer="adam"))
    trainer = quiet_trainer(max_epochs=1, **options)
    trainer.fit(again, DataLoader(CROPS, BATCH), ckpt_path=path)
    assert torch.equal(other_objective.critic.weight, objective.critic.weight)
    loaded = FusionModule.load_from_checkpoint(path)
    assert loaded.objective is None
    assert torch.equal(loaded.network.conv1.weight, network.conv1.weight)
    with pytest.raises(InputError, match=r"training\.objective is none"):
        quiet_trainer(max_epochs=1).fit(loaded, DataLoader(CROPS, BATCH))


def test_frozen_parts_are_no_part_of_a_group():
    network = create_network("ifcnn")
    network.conv1.requires_grad_(False)
    before = network.conv1.weight.clone(), network.conv4.weight.clone()
    module = FusionModule(network, training=Training(weight_decay=0.5))
    trainer = quiet_trainer(max_epochs=1, limit_train_batches=1)
    trainer.fit(module, DataLoader(CROPS, BATCH))
    assert torch.equal(network.conv1.weight, before[0])
    assert not torch.equal(network.conv4.weight, before[1])
    network.requires_grad_(False)
    with pytest.raises(InputError, match="is frozen"):
        trainer.fit(module, DataLoader(CROPS, BATCH))


class Numbered(Dataset):
    """Samples of an objective's own: a crop and a number."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return {**CROPS[index % 12], "number": torch.tensor(float(index))}

    def describe(self):
        ids = [str(k) for k in range(self.count)]
        return {"name": "numbers", "task": "mff", "source_names": ["near", "far"], "ids": ids}


class Guessing(Objective):
    """Brings its data and judges itself; the network learns too."""

    validates = ("nearness", "number")

    def forward(self, network, batch, step):
        return {"mse": F.mse_loss(network(batch["sources"]), batch["reference"])}

    def open_data(self, settings, seed):
        return Numbered(8), Numbered(5)

    def validate(self, network, batch):
        fused = network(batch["sources"])
        errors = (fused - batch["reference"]).square().mean((1, 2, 3))
        return {"nearness": -errors, "number": batch["number"]}


@pytest.fixture
def guessing():
    OBJECTIVES["guessing"] = Guessing
    yield
    del OBJECTIVES["guessing"]


def test_an_objective_brings_its_data_and_its_validation(guessing, tmp_path, capsys):
    argv = ["--training.objective", "guessing", "--training.batch_size", "4"]
    device = ["--trainer.accelerator", "cpu", "--trainer.devices", "1"]
    length = ["--trainer.max_epochs", "2", "--output", str(tmp_path / "runs")]
    train.main([*argv, *device, *length])
    (folder,) = (tmp_path / "runs").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["counts"] == {"training": 8, "validation": 5}
    assert summary["values"]["number"] == 2, "the mean of 0 to 4"
    assert summary["values"]["nearness"] < 0
    best = torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]
    kept = create_network("ifcnn", folder / "ifcnn.safetensors").state_dict()
    assert all(torch.equal(best[f"network.{key}"], value) for key, value in kept.items())
    assert "number on 5 held-out items: 2.0000" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["data.batch_size", "training.samples_every"])
def test_what_such_an_objective_does_not_read_is_refused(guessing, key, refused):
    line = refused(train, "--training.objective", "guessing", f"--{key}", "3")
    assert "training.objective guessing does not read" in line


def test_samples_of_a_data_set_are_judged_by_the_objective_where_it_wants():
    class Brightness(Guessing):
        validates = ("brightness",)

        def validate(self, network, batch):
            return {"brightness": batch["sources"].mean((1, 2, 3, 4))}

    module = FusionModule(create_network("ifcnn"), Brightness())
    data = Noise()
    (found,) = quiet_trainer().validate(module, DataLoader(data, collate_fn=collate), verbose=False)
    assert found["val/brightness"] == pytest.approx(data.pixels[:, :2].mean().item(), rel=1e-6)
