"""Against NumPy in double precision, from what the network returns; 1e-5 is float32's rounding."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fusionlab.errors import InputError
from fusionlab.losses.base import Step
from fusionlab.losses.cddfuse import CDDFuseObjective, correlation
from fusionlab.networks import create_network

PHASE_ONE = ["ssim_1", "mse_1", "ssim_2", "mse_2", "gradient_1", "decomposition"]
PHASE_TWO = ["intensity", "gradient", "decomposition"]


def smooth_batch(count=2, sources=2, height=24, width=20):
    """Waves, in each source others."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / height
    a, b, phase = rng.uniform(2, 9, (3, count, sources, 1, 1, 1))
    images = 0.5 + 0.4 * np.sin(a * x + phase) * np.cos(b * y - phase)
    return {"sources": torch.tensor(images, dtype=torch.float32)}


def network(residual="first"):
    torch.manual_seed(0)
    return create_network("cddfuse", residual=residual).train()


def double(tensor):
    return tensor.detach().double().numpy()


def gaussian(x):
    for axis in (-2, -1):
        x = ndimage.gaussian_filter1d(x, 1.5, axis, mode="mirror", radius=5)
    return x


def ssim_loss(x, y):
    mx, my = gaussian(x), gaussian(y)
    vx, vy, vxy = gaussian(x * x) - mx**2, gaussian(y * y) - my**2, gaussian(x * y) - mx * my
    ssim = (2 * mx * my + 0.01**2) * (2 * vxy + 0.03**2)
    ssim /= (mx**2 + my**2 + 0.01**2) * (vx + vy + 0.03**2)
    return (np.clip(1 - ssim, 0, 1) / 2).mean()


def sobel(x, axis, mode):
    """Along the last or last but one axis, of every image by itself."""
    other = -1 if axis == -2 else -2
    smoothed = ndimage.correlate1d(x, [1, 2, 1], other, mode=mode, cval=0)
    return ndimage.correlate1d(smoothed, [-1, 0, 1], axis, mode=mode, cval=0)


def edges(x):
    return abs(sobel(x, -1, "constant")) + abs(sobel(x, -2, "constant"))


def decomposition(base, detail):
    def cc(features):
        values = [
            np.clip((a @ b) / (np.sqrt(a @ a) * np.sqrt(b @ b) + 1.19e-7), -1, 1)
            for first, second in features.reshape(*features.shape[:3], -1)
            for a, b in zip(
                first - first.mean(1, keepdims=True),
                second - second.mean(1, keepdims=True),
                strict=True,
            )
        ]
        return np.mean(values)

    return 2 * cc(detail) ** 2 / (1.01 + cc(base))


@pytest.mark.slow
@pytest.mark.parametrize("residual", ["first", "sum", "none"])
def test_phase_one(residual):
    net, batch = network(residual), smooth_batch()
    terms = CDDFuseObjective()(net, batch, Step(epoch=39))
    base, detail = net.encode(batch["sources"])
    expected = {"decomposition": decomposition(double(base), double(detail))}
    for m in (0, 1):
        source = batch["sources"][:, m]
        skip = None if residual == "none" else source
        x, y = double(source), double(net.decoder(base[:, m], detail[:, m], skip))
        expected[f"ssim_{m + 1}"] = 5 * ssim_loss(x, y)
        expected[f"mse_{m + 1}"] = ((x - y) ** 2).mean()
        if m == 0:
            differences = [
                sobel(x, axis, "nearest") - sobel(y, axis, "nearest") for axis in (-1, -2)
            ]
            expected["gradient_1"] = 5 * np.abs(differences).mean() / 8
    assert list(terms) == PHASE_ONE
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("residual", ["first", "sum", "none"])
def test_phase_two(residual):
    net, batch = network(residual), smooth_batch()
    terms = CDDFuseObjective()(net, batch, Step(epoch=40))
    base, detail = (double(x) for x in net.encode(batch["sources"]))
    fused, sources = double(net(batch["sources"])), double(batch["sources"])
    strongest = np.maximum(edges(sources[:, 0]), edges(sources[:, 1]))
    expected = {
        "intensity": abs(fused - np.maximum(sources[:, 0], sources[:, 1])).mean(),
        "gradient": 10 * abs(edges(fused) - strongest).mean(),
        "decomposition": decomposition(base, detail),
    }
    assert list(terms) == PHASE_TWO
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_correlation_by_hand():
    ramp = torch.arange(12.0).view(1, 1, 3, 4)
    assert correlation(ramp, 5 - 2 * ramp).item() == pytest.approx(-1)
    features = torch.cat((ramp, ramp), 1)  # one channel correlates fully, the other not at all
    other = torch.cat((ramp, torch.ones(1, 1, 3, 4)), 1)
    assert correlation(features, other).item() == pytest.approx(0.5)


def test_a_dead_channel_has_a_finite_gradient():
    dead = torch.zeros(1, 1, 3, 4, requires_grad=True)
    correlation(dead, torch.arange(12.0).view(1, 1, 3, 4)).backward()
    assert torch.isfinite(dead.grad).all()


@pytest.mark.parametrize(("epoch", "start"), [(0, 1), (1, 1), (0, 0)])
def test_gradient_reaches_who_learns_in_this_phase(epoch, start):
    net, objective = network(), CDDFuseObjective(start)
    terms = objective(net, smooth_batch(count=1), Step(epoch))
    sum(terms.values()).backward()
    for group in objective.parameter_groups(net):
        learns = epoch >= group.first_epoch
        assert all((p.grad is not None) == learns for p in group.parameters), group.name
    assert sorted(terms) == sorted(PHASE_ONE if epoch < start else PHASE_TWO)


def test_the_groups_are_the_parts_and_hold_every_parameter_once():
    net = network()
    groups = CDDFuseObjective(7).parameter_groups(net)
    starts = {"encoder": 0, "decoder": 0, "base_fusion": 7, "detail_fusion": 7}
    assert {group.name: group.first_epoch for group in groups} == starts
    for group in groups:
        part = getattr(net, group.name)
        assert list(map(id, group.parameters)) == list(map(id, part.parameters()))
    assert sum(len(group.parameters) for group in groups) == len(list(net.parameters()))


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_few_steps_lower_the_loss(epoch):
    net, objective, batch = network(), CDDFuseObjective(1), smooth_batch(count=1)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        losses.append(sum(objective(net, batch, Step(epoch)).values()))
        adam.zero_grad()
        losses[-1].backward()
        adam.step()
    assert losses[-1] < 0.9 * losses[0]


def test_only_pairs():
    with pytest.raises(InputError, match="pairs, got 3 sources"):
        CDDFuseObjective()(network(), smooth_batch(sources=3), Step())


@pytest.mark.parametrize("epochs", [-1, 1.5, "40", True])
def test_unusable_epochs(epochs):
    with pytest.raises(InputError, match=r"training\.options\.decomposition_epochs must be"):
        CDDFuseObjective(epochs)
