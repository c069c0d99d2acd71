"""The logged norm of the gradient."""

from types import SimpleNamespace

import lightning as L
import pytest
import torch

from fusionlab.training.gradient_norm import GradientNorm, gradient_norm


def parameter(*gradient: float) -> torch.nn.Parameter:
    one = torch.nn.Parameter(torch.zeros(len(gradient)))
    one.grad = torch.tensor(gradient)
    return one


def logged(groups) -> dict[str, float]:
    found = {}
    module = SimpleNamespace(log=lambda name, value: found.__setitem__(name, value.item()))
    GradientNorm().on_before_optimizer_step(None, module, torch.optim.SGD(groups, 1.0))
    return found


def test_it_is_the_root_of_the_sum_of_squares():
    group = {"params": [parameter(3.0), parameter(0.0, 4.0)], "name": "network"}
    assert logged([group]) == {"train/gradient_norm": 5.0}


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


def test_the_norm_is_that_before_clipping(tmp_path):
    module = Line()
    trainer = L.Trainer(
        max_steps=1,
        gradient_clip_val=1.0,
        callbacks=[GradientNorm()],
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, torch.utils.data.DataLoader([0]))
    assert trainer.callback_metrics["train/gradient_norm"].item() == 5.0
    assert module.weight.detach().norm().item() == pytest.approx(1.0, rel=1e-4)
