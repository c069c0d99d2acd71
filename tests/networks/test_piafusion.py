import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.networks.checkpoints import load_weights, read_checkpoint
from fusionlab.networks.piafusion import (
    IlluminationClassifier,
    PIAFusion,
    cross_modality_difference,
)
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import contract

# Sums of up to 2304 terms in float32, in another order in another batch or backend.
ROUNDING = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def network() -> PIAFusion:
    """Weights that let every layer change the image visibly; PyTorch's own give an even grey."""
    torch.manual_seed(0)
    network = PIAFusion().eval()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter, a=0.01)
    return network


def plain_piafusion(network: PIAFusion, sources: Tensor, rd: Tensor | None = None) -> Tensor:
    """The port as its facts tell it, sources (B, 2, 1, H, W), visible first."""
    state = network.state_dict()

    def unit(x: Tensor, name: str) -> Tensor:
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, state[f"{name}.conv.1.weight"], state[f"{name}.conv.1.bias"])
        return torch.where(x > 0, x, 0.01 * x)

    def pointwise(x: Tensor, name: str) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])

    v, r = (
        F.leaky_relu(pointwise(sources[:, m], f"encoder.{name}_conv1"), 0.01)
        for m, name in enumerate(("vi", "ir"))
    )
    for k in (2, 3, 4):
        v, r = unit(v, f"encoder.vi_conv{k}"), unit(r, f"encoder.ir_conv{k}")
        to_v, to_r = (1 / (1 + torch.exp(-d.mean((-2, -1), True))) * d for d in (r - v, v - r))
        v, r = v + to_v, r + to_r
    v, r = unit(v, "encoder.vi_conv5"), unit(r, "encoder.ir_conv5")
    if rd is not None:
        v, r = 2 * rd[:, 0] * v, 2 * rd[:, 1] * r
    x = torch.cat([v, r], 1)
    for k in (1, 2, 3, 4):
        x = unit(x, f"decoder.conv{k}")
    return torch.tanh(pointwise(x, "decoder.conv5")) / 2 + 0.5


@torch.no_grad()
@pytest.mark.parametrize("size", [(17, 23), (2, 3)], ids=str)
def test_it_computes_what_the_port_computes(size, network):
    sources = torch.rand(2, 2, 1, *size)
    expected = plain_piafusion(network, sources)
    assert expected.std() > 0.05  # else a wrong formula could hide
    assert_close(network(sources), expected, **ROUNDING)
    rd = (3 * torch.rand(2, 2, 1, *size)).softmax(1)
    assert_close(network(sources, rd), plain_piafusion(network, sources, rd), **ROUNDING)


def test_difference_of_modalities_by_hand():
    """A mean difference of ln 3 moves visible by 3/4 of the difference, infrared by 1/4."""
    visible = torch.zeros(1, 1, 1, 2)
    infrared = torch.tensor([0.0, 2 * np.log(3)]).view(1, 1, 1, 2).float()
    v, r = cross_modality_difference(visible, infrared)
    assert_close(v, 0.75 * infrared)
    assert_close(r, 0.75 * infrared)


def test_modalities_that_differ_by_nothing_on_average_meet_halfway():
    """Per channel and sample: the other channel's and sample's means are not zero."""
    visible = torch.tensor([[[[0.0, 2]], [[0, 0]]], [[[0, 0]], [[0, 0]]]])
    infrared = torch.tensor([[[[2.0, 0]], [[5, 9]]], [[[3, 3]], [[3, 3]]]])
    v, r = cross_modality_difference(visible, infrared)
    assert_close(v[0, 0], torch.ones(1, 2))
    assert_close(r[0, 0], torch.ones(1, 2))
    assert v[0, 1].min() > 4.9  # sigmoid(7) of the way from 0 to 5


@torch.no_grad()
@pytest.mark.parametrize("size", [(17, 23), (2, 3), (1, 4), (1, 1)], ids=str)
def test_a_component_is_the_network_with_its_source_on_both_inputs(size, network):
    sources = torch.rand(2, 2, 1, *size)
    components = network.components(network.encode(sources), sources)
    assert components.shape == sources.shape
    for m in range(2):
        twice = sources[:, [m, m]]
        assert_close(components[:, m], network(twice), **ROUNDING)


@torch.no_grad()
@pytest.mark.parametrize("size", [(2, 3), (9, 1)], ids=str)
def test_it_keeps_the_contract_on_images_that_reflect_no_pixel(size, lively):
    """Larger ones and those of one pixel are in the test of all networks."""
    network = lively("piafusion")
    sources = contract.make_sources(network, 2, size)
    contract.assert_uniform_rd_is_static(network, sources)
    contract.assert_a_batch_is_its_members(network, sources)


@torch.no_grad()
def test_an_image_one_pixel_high_is_a_row_repeated(network):
    row = torch.rand(1, 2, 1, 1, 7)
    assert_close(network(row), network(row.expand(1, 2, 1, 5, 7))[..., :1, :], **ROUNDING)
    expected = network(row.mT.expand(1, 2, 1, 7, 5))[..., :1]
    assert_close(network(row.mT), expected, **ROUNDING)


@torch.no_grad()
def test_the_order_of_the_sources_matters(network):
    sources = torch.rand(1, 2, 1, 8, 9)
    assert (network(sources.flip(1)) - network(sources)).abs().mean() > 1e-3


def test_size_is_the_ports():
    """Counted in the port's modules."""
    assert sum(p.numel() for p in PIAFusion().parameters()) == 1_176_097
    assert sum(p.numel() for p in IlluminationClassifier().parameters()) == 189_810


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", ["tno01", "odd"])
def test_results_of_the_ports_modules(name, shared):
    folder = shared / "reference" / "networks"
    network = PIAFusion().eval()
    load_weights(network, read_checkpoint(folder / "piafusion_random.pth"))
    file = np.load(folder / f"piafusion_random_{name}.npz")
    published = {key: torch.from_numpy(value) for key, value in file.items()}
    sources = torch.stack([published.pop("vi"), published.pop("ir")], 1)
    ours = {"static": network(sources)}
    for key, preset in (("l1", "paper"), ("mse50", "authors")):
        result = TestTimeDynamicFusion(network, preset)(sources)
        ours["component_vi"], ours["component_ir"] = result.components.unbind(1)
        ours[f"rd_{key}_vi"] = result.rd[:, 0]
        ours[f"ttd_{key}"] = result.fused
    assert ours.keys() == published.keys()
    for key, value in ours.items():
        worst = (value - published[key]).abs().max().item()
        assert worst < 1e-5, f"{key} is off by {worst}"


@pytest.mark.slow
@torch.no_grad()
def test_illumination_of_real_images(shared):
    classifier = IlluminationClassifier().eval()
    path = shared / "weights" / "piafusion" / "best_cls.pth"
    classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    reference = shared / "reference" / "networks" / "piafusion_illumination_msrs.json"
    published = json.loads(reference.read_text())
    assert published
    for name, scores in published.items():
        levels = np.array(Image.open(shared / "data" / "vif" / "MSRS" / "vi" / name))
        image = torch.from_numpy(levels).permute(2, 0, 1)[None] / 255
        assert_close(classifier(image)[0], torch.tensor(scores), rtol=0, atol=1e-4)


@torch.no_grad()
def test_illumination_scores_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    classifier = IlluminationClassifier()
    for layer in (classifier.linear1, classifier.linear2):
        torch.nn.init.normal_(layer.weight)
    images = torch.rand(3, 3, 16, 21)
    scores = classifier(images)
    assert scores.shape == (3, 2)
    assert scores.max() > 0
    for k in range(3):
        assert_close(scores[k], classifier(images[k : k + 1])[0])


def test_the_classifier_starts_as_in_the_port():
    """Convolutions N(0, sqrt(2 / (k k out))), linear layers N(0, 0.01), no biases."""
    torch.manual_seed(0)
    classifier = IlluminationClassifier()
    deviation = classifier.conv3.conv[1].weight.std().item()
    assert deviation == pytest.approx((2 / (4 * 4 * 64)) ** 0.5, rel=0.02)  # of 32,768 values
    assert classifier.linear1.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not any(p.any() for key, p in classifier.named_parameters() if key.endswith("bias"))


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 15, 64)], ids=str)
def test_images_of_another_shape_are_not_classified(shape):
    with pytest.raises(ValueError, match=r"visible must be \(B, 3, H, W\) with H, W ≥ 16, got"):
        IlluminationClassifier()(torch.zeros(shape))
