"""Batch norm that is held, the logged norm of the gradient and the logged speed."""

from types import SimpleNamespace

import lightning as L
import pytest
import torch
from torch import nn

from fusionlab.networks import create_network
from fusionlab.training import callbacks
from fusionlab.training.callbacks import GradientNorm, HoldBatchNorm, Throughput, gradient_norm

from .conftest import quiet_trainer

AUTOMATIC, MANUAL = (SimpleNamespace(automatic_optimization=one) for one in (True, False))


@pytest.mark.parametrize(("step", "held"), [(0, False), (19, False), (20, True), (99, True)])
@pytest.mark.parametrize("optimizers", [1, 2])
def test_batch_norm_and_nothing_else_is_held_from_its_step_on(step, held, optimizers):
    """Lightning counts the steps of all optimisers."""
    network = create_network("ifcnn").train()
    trainer = SimpleNamespace(
        global_step=optimizers * step,
        estimated_stepping_batches=100,
        optimizers=[None] * optimizers,
        lightning_module=AUTOMATIC if optimizers == 1 else MANUAL,
    )
    HoldBatchNorm(0.2).on_train_batch_start(trainer, network, None, 0)
    for module in network.modules():
        expected = not held if isinstance(module, nn.BatchNorm2d) else True
        assert module.training == expected


def parameter(*gradient: float) -> torch.nn.Parameter:
    one = torch.nn.Parameter(torch.zeros(len(gradient)))
    one.grad = torch.tensor(gradient)
    return one


def logged(groups, optimizers=1) -> dict[str, float]:
    found = {}
    module = SimpleNamespace(log=lambda name, value: found.__setitem__(name, value.item()))
    trainer = SimpleNamespace(optimizers=[None] * optimizers)
    GradientNorm().on_before_optimizer_step(trainer, module, torch.optim.SGD(groups, 1.0))
    return found


def test_it_is_the_root_of_the_sum_of_squares():
    group = {"params": [parameter(3.0), parameter(0.0, 4.0)], "name": "network"}
    assert logged([group]) == {"train/gradient_norm": 5.0}
    assert logged([group], optimizers=2) == {"train/gradient_norm/network": 5.0}


def test_several_groups_are_told_apart():
    idle = torch.nn.Parameter(torch.zeros(1))  # has no gradient yet
    groups = [
        {"params": [parameter(2.0)], "name": "base"},
        {"params": [parameter(1.0), parameter(2.0), idle], "name": "detail"},
        {"params": [torch.nn.Parameter(torch.zeros(1))], "name": "late"},
    ]
    found = logged(groups)
    assert found.pop("train/gradient_norm") == 3.0
    norms = {"base": 2.0, "detail": 5**0.5, "late": 0.0}
    assert found == {f"train/gradient_norm/{name}": pytest.approx(v) for name, v in norms.items()}


def test_half_precision_does_not_overflow():
    one = torch.nn.Parameter(torch.zeros(4, dtype=torch.float16))
    one.grad = torch.full((4,), 5e4, dtype=torch.float16)
    assert gradient_norm([one]).item() == pytest.approx(1e5, rel=1e-3)


class Line(L.LightningModule):
    """Its gradient is (3, 4)."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))

    def training_step(self, batch, batch_idx):
        return (self.weight * torch.tensor([3.0, 4.0])).sum()

    def configure_optimizers(self):
        return torch.optim.SGD([{"params": [self.weight], "name": "network"}], lr=1.0)


def test_the_norm_is_that_before_clipping():
    module = Line()
    trainer = quiet_trainer(max_steps=1, gradient_clip_val=1.0, callbacks=[GradientNorm()])
    trainer.fit(module, torch.utils.data.DataLoader([0]))
    assert trainer.callback_metrics["train/gradient_norm"].item() == 5.0
    assert module.weight.detach().norm().item() == pytest.approx(1.0, rel=1e-4)


def test_speed_counts_all_processes_and_neither_validation_nor_other_epochs(monkeypatch):
    clock = iter([100.0, 103.0, 108.0, 200.0, 201.0])
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(clock))
    found = []
    module = SimpleNamespace(log=lambda name, value, **_: found.append((name, value)))
    trainer, speed = SimpleNamespace(world_size=2), Throughput(batch_size=10)
    for batches in (2, 1):
        speed.on_train_epoch_start(trainer, module)
        for index in range(batches):
            speed.on_train_batch_end(trainer, module, None, None, index)
        speed.on_train_epoch_end(trainer, module)
    name = "train/images_per_second"
    assert found == [(name, 2 * 2 * 10 / 8), (name, 2 * 10 / 1)]
