"""Against NumPy in double precision, from what the network returns; 1e-5 is float32's rounding."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from fusionlab.errors import InputError
from fusionlab.losses.base import Step
from fusionlab.losses.densefuse import DenseFuseObjective, ms_ssim
from fusionlab.networks import create_network
from fusionlab.networks.base import FusionNetwork

SIDE = DenseFuseObjective.smallest_crop
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def photographs(count=1, channels=1, low=0.1, high=0.9):
    """Waves of many lengths, from low to high."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    images = np.zeros((count, 1, channels, SIDE, SIDE))
    for length in (3, 10, 40, 90):
        a, b, phase = rng.uniform(-length, length, (3, count, 1, channels, 1, 1))
        images += np.sin(a * x + b * y + phase) / 4
    return {"sources": torch.tensor(low + (high - low) * (images + 1) / 2).float()}


def network(channels=1):
    torch.manual_seed(0)
    return create_network("densefuse", channels_in=channels).train()


def double(tensor):
    return tensor.detach().double().numpy()


def halved(x):
    """Means of 2x2 pixels; an odd row or column at the end is left out."""
    height, width = (side // 2 for side in x.shape[2:])
    return x[..., : 2 * height, : 2 * width].reshape(*x.shape[:2], height, 2, width, 2).mean((3, 5))


def scales(x, y, ranges):
    """Mean contrast and similarity of each scale, shifted to [0, 1]."""
    bell = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(bell, bell)[None, None] / bell.sum() ** 2

    def mean(z):
        return fftconvolve(z, window, mode="valid", axes=(2, 3))

    for data_range in ranges:
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        contrast = (2 * vxy + c2) / (vx + vy + c2)
        similarity = (2 * mx * my + c1) / (mx**2 + my**2 + c1) * contrast
        yield (contrast.mean() + 1) / 2, (similarity.mean() + 1) / 2
        x, y = halved(x), halved(y)


def ms_ssim_numpy(x, y):
    (c1, _), (c2, _), (c3, _), (c4, _), (_, s5) = scales(x, y, [255] * 5)
    a, b, c, d, e = WEIGHTS
    return c1**a * c2**b * c3**c * c4**d * s5**e


def published_ms_ssim_numpy(x, y, ranges):
    levels = list(scales(x, y, ranges))
    coarsest = levels[-1][1] ** WEIGHTS[-1]
    value = 1.0
    for (contrast, _), weight in zip(levels[:-1], WEIGHTS[:-1], strict=True):
        value *= contrast**weight * coarsest
    return value


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_the_terms(channels):
    net, batch = network(channels), photographs(2, channels)
    terms = DenseFuseObjective(ssim_weight=10)(net, batch, Step())
    x, y = 255 * double(net(batch["sources"])), 255 * double(batch["sources"][:, 0])
    expected = {"mse": ((x - y) ** 2).mean(), "ms_ssim": 10 * (1 - ms_ssim_numpy(x, y))}
    assert list(terms) == ["mse", "ms_ssim"]
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5)


class Doubling(FusionNetwork):
    """Returns the photograph, twice as bright."""

    def forward(self, sources, weights=None):
        return 2 * sources[:, 0]


def test_the_reconstruction_is_not_clamped():
    batch = photographs()
    terms = DenseFuseObjective()(Doubling(), batch, Step())
    y = 255 * double(batch["sources"][:, 0])
    assert (2 * y).max() > 255
    expected = {"mse": (y**2).mean(), "ms_ssim": 100 * (1 - ms_ssim_numpy(2 * y, y))}
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_the_default_weight_is_100():
    net, batch = network(), photographs()
    light, default = (
        objective(net, batch, Step())["ms_ssim"].item()
        for objective in (DenseFuseObjective(ssim_weight=1), DenseFuseObjective())
    )
    assert default == pytest.approx(100 * light)


def noisy_pair(level, seed=0):
    """Photographs around a grey level, and the same with noise, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    y = 255 * photographs(2, low=0, high=2 * level / 255)["sources"][:, 0].double()
    return y + 40 * torch.rand(y.shape, generator=generator, dtype=torch.float64), y


@pytest.mark.parametrize("seed", [0, 1])
def test_one_image_scores_as_in_torchmetrics(seed):
    """Noise that is gone on the coarsest scale, whose reflected border torchmetrics counts too."""
    x, y = noisy_pair(100, seed)
    noise = x - y
    means = torch.nn.functional.avg_pool2d(noise, 16)
    x = y + noise - means.repeat_interleave(16, 2).repeat_interleave(16, 3)
    for one, other in zip(x[:, None], y[:, None], strict=True):
        theirs = multiscale_structural_similarity_index_measure(
            one, other, data_range=255.0, normalize="simple"
        )
        assert theirs < 0.99
        # their weights of the scales are float32 whatever the images are
        assert ms_ssim(one, other).item() == pytest.approx(theirs.item(), rel=1e-7)


def test_flat_images_by_hand():
    x, y = torch.full((2, 1, SIDE, SIDE), 100.0), torch.full((2, 1, SIDE, SIDE), 50.0)
    c1 = 2.55**2  # all contrasts are 1, the similarity is that of the means
    similarity = (2 * 100 * 50 + c1) / (100**2 + 50**2 + c1)
    assert ms_ssim(x, y).item() == pytest.approx(((similarity + 1) / 2) ** 0.1333, rel=1e-5)
    similarity = (2 * 100 * 50 + 1e-4) / (100**2 + 50**2 + 1e-4)  # 100 ≤ 128: the range is 1
    published = ms_ssim(x.double(), y.double(), as_published=True).item()
    assert published == pytest.approx(((similarity + 1) / 2) ** (4 * 0.1333), rel=1e-9)


def test_equal_images_score_1():
    x, _ = noisy_pair(100)
    assert ms_ssim(x, x).item() == pytest.approx(1)
    assert ms_ssim(x, x, as_published=True).item() == pytest.approx(1)


def test_the_published_range_is_that_of_each_scale():
    x, y = (images.clamp_max(126) for images in noisy_pair(100))
    x[0, 0, 4:6, 4:6] = torch.tensor([[255, 0], [0, 0]])  # a bright pixel, gone on scale 2
    score = ms_ssim(x, y, as_published=True).item()
    x, y = double(x), double(y)
    expected = published_ms_ssim_numpy(x, y, [255, 1, 1, 1, 1])
    assert score == pytest.approx(expected, rel=1e-9)
    assert expected != pytest.approx(published_ms_ssim_numpy(x, y, [255] * 5), rel=1e-3)


@pytest.mark.parametrize(("level", "data_range"), [(30, 1), (100, 255)])
def test_the_published_range(level, data_range):
    x, y = noisy_pair(level)
    expected = published_ms_ssim_numpy(double(x), double(y), [data_range] * 5)
    assert ms_ssim(x, y, as_published=True).item() == pytest.approx(expected, rel=1e-9)
    assert ms_ssim(x, y).item() == pytest.approx(ms_ssim_numpy(double(x), double(y)), rel=1e-9)


@pytest.mark.slow
def test_published_rgb_is_scrambled():
    net, batch = network(3).double(), photographs(1, 3)
    batch["sources"] = batch["sources"].double()
    terms = DenseFuseObjective(as_published=True)(net, batch, Step())
    images = batch["sources"][:, 0].numpy()
    wrong = np.stack([image.transpose(1, 2, 0).reshape(3, SIDE, SIDE) for image in images])
    x, y = 255 * double(net(torch.from_numpy(wrong)[:, None])), 255 * wrong
    assert x.max() <= 128
    expected = {
        "mse": ((x - y) ** 2).mean(),
        "ms_ssim": 100 * (1 - published_ms_ssim_numpy(x, y, [1] * 5)),
    }
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=1e-9)


def test_published_grey_is_not_scrambled():
    net, batch = network(), photographs()
    published = DenseFuseObjective(as_published=True)(net, batch, Step())
    assert published["mse"] == DenseFuseObjective()(net, batch, Step())["mse"]


def test_the_smallest_crop():
    x = torch.rand(1, 1, SIDE, SIDE)
    assert ms_ssim(x, x).item() == pytest.approx(1)
    with pytest.raises(ValueError, match=r"at least 176 .* \(176, 175\)"):
        ms_ssim(x[..., 1:], x[..., 1:])


@pytest.mark.slow
def test_every_parameter_learns_and_a_few_steps_lower_the_loss():
    net, batch, objective = network(), photographs(), DenseFuseObjective()
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        losses.append(sum(objective(net, batch, Step()).values()))
        adam.zero_grad()
        losses[-1].backward()
        assert all(p.grad is not None for p in net.parameters())
        adam.step()
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("weight", [-1, "100", True, float("nan"), float("inf")])
def test_unusable_weight(weight):
    with pytest.raises(InputError, match=r"training\.options\.ssim_weight must be"):
        DenseFuseObjective(ssim_weight=weight)


def test_unusable_choice():
    with pytest.raises(InputError, match=r"training\.options\.as_published must be"):
        DenseFuseObjective(as_published="no")
