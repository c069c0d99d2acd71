"""U2Fusion's objective against its authors' loss, and the VGG features that it weighs by."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fusionlab.errors import InputError
from fusionlab.losses import Step, create_objective
from fusionlab.losses.u2fusion import fusion_terms, information
from fusionlab.losses.vgg import BLOCKS, VGG
from fusionlab.networks import create_network
from tests.losses.vgg import save_vgg
from tests.networks import references


@pytest.fixture(scope="module")
def given(shared):
    return references.read(shared / "reference" / "networks" / "u2fusion_losses.npz")


def pair(given):
    return torch.stack([given["source_1"], given["source_2"]], 1)


def formula_vgg(folder):
    """The weights that the reference was made with."""
    rng, state, channels = np.random.default_rng(16), {}, 3
    index = 0
    for count, width in zip(BLOCKS[16], (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            shape = (width, channels, 3, 3)
            weight = rng.standard_normal(shape) * math.sqrt(2 / (9 * channels))
            state[f"features.{index}.weight"] = weight
            state[f"features.{index}.bias"] = 0.05 * rng.standard_normal(width)
            index, channels = index + 2, width
        index += 1
    path = folder / "vgg16.pth"
    torch.save({k: torch.from_numpy(v.astype(np.float32)) for k, v in state.items()}, path)
    return str(path)


@pytest.mark.slow
@torch.no_grad()
def test_information_and_weights_of_the_authors_loss(given, tmp_path):
    objective = create_objective("u2fusion", vgg=formula_vgg(tmp_path), c=3200, caffe=True)
    seen = {}
    objective.vgg.register_forward_hook(lambda m, x, features: seen.update(features=features))
    for c in (3200, 3500, 100):
        objective.c = c
        weights = objective.weights(pair(given))
        torch.testing.assert_close(weights, given[f"s_c{c}"], rtol=0, atol=1e-5)
    found = information(seen["features"]).view(2, 2, 5)
    expected = torch.stack([given["g1"], given["g2"]], 1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("c", [3200, 3500, 100])
def test_the_terms_of_the_authors_loss(c, given):
    """Their SSIM is 1e-5 from its value in double precision."""
    terms = fusion_terms(given["fused"], pair(given), given[f"s_c{c}"])
    assert terms["ssim"].item() == pytest.approx(given[f"ssim_c{c}"].item(), abs=2e-5)
    assert terms["mse"].item() == pytest.approx(20 * given[f"mse_c{c}"].item(), rel=1e-5)
    assert sum(terms.values()).item() == pytest.approx(given[f"content_c{c}"].item(), abs=2e-5)


def test_information_by_hand():
    """A dot of 8: −8 where it is, 1 at its eight neighbours."""
    dot = torch.zeros(1, 2, 5, 5)
    dot[0, 0, 2, 2] = 8
    assert information([dot]).item() == pytest.approx((64 + 8) / 50)


@pytest.mark.slow
def test_the_order_of_the_sources_is_drawn_and_weights_follow_it(tmp_path):
    torch.manual_seed(0)
    network = create_network("u2fusion", width=4)
    path = save_vgg(tmp_path / "vgg.pth", 16)
    objective = create_objective("u2fusion", vgg=path, c=0.01)
    sources = torch.rand(2, 2, 1, 16, 16)
    expected = [
        fusion_terms(network(x), x, objective.weights(x))["mse"].item()
        for x in (sources, sources.flip(1))
    ]
    found = [objective(network, {"sources": sources}, Step())["mse"].item() for _ in range(9)]
    assert all(min(abs(x - y) for y in expected) < 1e-6 for x in found)
    assert all(min(abs(x - y) for x in found) < 1e-6 for y in expected)


def test_features_are_those_of_plain_layers(tmp_path):
    path = save_vgg(tmp_path / "vgg.pth", 16)
    state, images = torch.load(path, weights_only=True), torch.rand(1, 3, 13, 18)
    x = images
    for index in (0, 2):
        x = F.conv2d(x, *(state[f"features.{index}.{k}"] for k in ("weight", "bias")), padding=1)
        x = x.relu()
    x = F.max_pool2d(x, 2)
    for index in (5, 7):
        x = F.conv2d(x, *(state[f"features.{index}.{k}"] for k in ("weight", "bias")), padding=1)
        x = x.relu()
    (found,) = VGG(16, path)(images, [2])
    torch.testing.assert_close(found, x)


def test_a_vgg_is_needed_and_must_be_one(tmp_path):
    with pytest.raises(InputError, match=r"VGG-16, got None; give training\.options\.vgg the file"):
        create_objective("u2fusion", c=1)
    with pytest.raises(InputError, match="no checkpoint at nowhere"):
        create_objective("u2fusion", c=1, vgg="nowhere.pth")
    with pytest.raises(InputError, match=r"no VGG-16 \(features\.17\)"):  # 19 has a pool there
        create_objective("u2fusion", c=1, vgg=save_vgg(tmp_path / "vgg19.pth", 19))
    with pytest.raises(InputError, match="is no VGG-19"):
        VGG(19, save_vgg(tmp_path / "vgg16.pth", 16))


@pytest.mark.parametrize(("option", "value"), [("c", 0), ("c", None), ("c", "1"), ("caffe", 1)])
def test_unusable_options_are_refused(option, value, tmp_path):
    options = {"c": 1, "vgg": save_vgg(tmp_path / "vgg.pth", 16), option: value}
    with pytest.raises(InputError, match=rf"training\.options\.{option} must be"):
        create_objective("u2fusion", **options)
