from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fusionlab.losses.base import ParameterGroup
from fusionlab.settings import Training
from fusionlab.training.optimization import build_optimizer, clip_each_group, learning_rate_factor

TRAINER = SimpleNamespace(estimated_stepping_batches=100, max_epochs=10)


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
    assert factors("constant", [0, 7, 1000]) == [1, 1, 1]


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_groups_learn_as_with_an_optimizer_of_their_own(name):
    """The second group has no gradient in the first two steps, as CDDFuse's fusion layers."""
    torch.manual_seed(0)
    settings = Training(optimizer=name, lr=0.1, schedule="halving", halving_epochs=1)
    together = [nn.Parameter(torch.ones(3)) for _ in range(2)]
    alone = [nn.Parameter(torch.ones(3)) for _ in range(2)]
    groups = [ParameterGroup(str(k), [p], 2 * k) for k, p in enumerate(together)]
    built = build_optimizer(groups, settings, TRAINER)
    each = [
        torch.optim.SGD([p], 0.1, 0.9) if name == "sgd" else torch.optim.Adam([p], 0.1)
        for p in alone
    ]
    for epoch in range(5):
        for k in range(2 if epoch >= 2 else 1):
            gradient = torch.randn(3)
            together[k].grad, alone[k].grad = gradient.clone(), gradient.clone()
            each[k].param_groups[0]["lr"] = 0.1 * max(0.5 ** (epoch - 2 * k), 0.01)
            each[k].step()
        built["optimizer"].step()
        built["lr_scheduler"]["scheduler"].step()
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one, other)


def test_each_group_is_clipped_by_its_own_norm():
    small, large = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(4))
    small.grad, large.grad = torch.full((4,), 0.001), torch.full((4,), 10.0)
    clip_each_group(torch.optim.SGD([{"params": [small]}, {"params": [large]}], lr=1), 0.01)
    assert torch.equal(small.grad, torch.full((4,), 0.001))
    assert large.grad.norm().item() == pytest.approx(0.01, rel=1e-4)


def test_weight_decay_is_the_optimizers():
    groups = [ParameterGroup("all", [nn.Parameter(torch.ones(1))])]
    for name in ("sgd", "adam"):
        settings = Training(optimizer=name, weight_decay=0.5)
        optimizer = build_optimizer(groups, settings, TRAINER)["optimizer"]
        assert optimizer.param_groups[0]["weight_decay"] == 0.5
