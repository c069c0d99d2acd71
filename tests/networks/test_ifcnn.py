from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from fusionlab.data.colour import grey_levels
from fusionlab.errors import InputError
from fusionlab.networks import create_network, ifcnn
from fusionlab.networks.ifcnn import IFCNN
from fusionlab.ttd import TestTimeDynamicFusion
from tests.networks import contract

RULES = ["max", "sum", "mean"]
NORMALIZATIONS = ["none", "imagenet"]
MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

# Convolutions of up to 576 terms, summed in another order by every backend.
ROUNDING = {"rtol": 0, "atol": 1e-5}


def scaled(features: list[Tensor], rd: Tensor | None) -> list[Tensor]:
    if rd is None:
        return features
    return [len(features) * rd[:, m] * f for m, f in enumerate(features)]


def plain_ifcnn(
    network: IFCNN, sources: Tensor, rule: str, normalize: str, rd: Tensor | None = None
) -> Tensor:
    """IFCNN as the paper draws it: one pass per source, batch norm as a layer of its own."""
    state = {**network.state_dict(), **dict(network.named_parameters())}  # these with gradients
    mean, std = (MEAN, STD) if normalize == "imagenet" else (0, 1)

    def unit(x: Tensor, name: str) -> Tensor:
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), state[f"{name}.conv.weight"])
        norm = [state[f"{name}.bn.{key}"] for key in ("running_mean", "running_var")]
        gain, bias = state[f"{name}.bn.weight"], state[f"{name}.bn.bias"]
        return F.relu(F.batch_norm(x, *norm, gain, bias, training=False, eps=1e-5))

    features = []
    for source in sources.unbind(1):
        x = F.pad((source - mean) / std, (3, 3, 3, 3), mode="replicate")
        features.append(unit(F.conv2d(x, state["conv1.weight"]), "conv2"))
    stack = torch.stack(scaled(features, rd))
    combined = {"max": stack.amax(0), "sum": stack.sum(0), "mean": stack.mean(0)}[rule]
    image = F.conv2d(unit(combined, "conv3"), state["conv4.weight"], state["conv4.bias"])
    return image * std + mean


@torch.no_grad()
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [(17, 23), (2, 2), (2, 5), (5, 1), (1, 5), (1, 1)], ids=str)
def test_it_computes_what_the_paper_draws(rule, normalize, count, size, lively):
    network = lively("ifcnn", rule=rule, normalize=normalize)
    sources = torch.rand(2, count, 3, *size)
    expected = plain_ifcnn(network, sources, rule, normalize)
    assert_close(network(sources), expected, **ROUNDING)
    rd = (3 * torch.rand(2, count, 1, *size)).softmax(1)
    expected = plain_ifcnn(network, sources, rule, normalize, rd)
    assert_close(network(sources, rd), expected, **ROUNDING)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalize", NORMALIZATIONS)
def test_it_keeps_the_contract_under_every_rule(rule, normalize, lively):
    """At the border it computes again what it padded with zeros: one pixel is all border."""
    network = lively("ifcnn", rule=rule, normalize=normalize)
    channels = 1 if normalize == "none" else 3
    for size in ((17, 23), (2, 3), (9, 1), (1, 1)):
        sources = contract.make_sources(network, 3, size, channels=channels)
        contract.assert_uniform_rd_is_static(network, sources)
        contract.assert_a_batch_is_its_members(network, sources)
        contract.assert_components_are_the_network_alone(network, sources)
        contract.assert_order_does_not_matter(network, sources)
    for count in (2, 41):
        sources = contract.make_sources(network, count, (8, 9), channels=channels)
        contract.assert_rd_matters(network, sources)
        for half in (None, torch.bfloat16, torch.float16):
            contract.assert_uniform_rd_is_static(network, sources, half)
        contract.assert_uniform_rd_is_static(network.train(), sources)
        network.eval()


@pytest.mark.parametrize("rule", RULES)
def test_every_parameter_learns_under_every_rule(rule, lively):
    network = lively("ifcnn", rule=rule).train()
    contract.assert_every_parameter_learns(network, contract.make_sources(network, 2, (8, 9)))


@pytest.mark.parametrize("rule", RULES)
def test_only_the_rule_of_the_maximum_declares_that_it_is_one(rule, lively):
    assert lively("ifcnn", rule=rule).max_rule == (rule == "max")


@pytest.mark.parametrize("size", [(6, 7), (2, 2), (5, 1)], ids=str)
def test_its_gradients_are_those_of_the_plain_network(size, lively):
    """In evaluation: nothing written in place may come between."""
    network = lively("ifcnn", rule="mean")
    parameters = dict(network.named_parameters())
    sources = torch.rand(2, 3, 3, *size)
    slopes = torch.rand(2, 3, *size)
    ours = torch.autograd.grad((slopes * network(sources)).sum(), [*parameters.values()])
    plain = (slopes * plain_ifcnn(network, sources, "mean", "none")).sum()
    expected = torch.autograd.grad(plain, [*parameters.values()])
    for name, a, b in zip(parameters, ours, expected, strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-5 * b.abs().max().item(), msg=name)


@torch.no_grad()
@pytest.mark.parametrize("rule", RULES)
def test_training_normalises_by_the_batch_and_remembers_it(rule, lively):
    network = lively("ifcnn", rule=rule).train()
    sources = torch.rand(2, 3, 3, 8, 9)
    remembered = {key: value.clone() for key, value in network.state_dict().items()}
    fused = network(sources)
    state = network.state_dict()

    def unit(x: Tensor, name: str) -> Tensor:
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), state[f"{name}.conv.weight"])
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        for key, value in (("mean", mean), ("var", x.var((0, 2, 3)))):  # PyTorch's momentum, 0.1
            key = f"{name}.bn.running_{key}"
            assert_close(state[key], 0.9 * remembered[key] + 0.1 * value, **ROUNDING)
        gain = state[f"{name}.bn.weight"] / (variance + 1e-5).sqrt()
        x = (x - mean[:, None, None]) * gain[:, None, None]
        return F.relu(x + state[f"{name}.bn.bias"][:, None, None])

    x = F.pad(sources.flatten(0, 1), (3, 3, 3, 3), mode="replicate")
    features = unit(F.conv2d(x, state["conv1.weight"]), "conv2").unflatten(0, (2, 3))
    combined = {"max": features.amax(1), "sum": features.sum(1), "mean": features.mean(1)}[rule]
    expected = F.conv2d(unit(combined, "conv3"), state["conv4.weight"], state["conv4.bias"])
    assert_close(fused, expected, **ROUNDING)


@torch.no_grad()
def test_evaluation_after_training_uses_what_it_learned(lively):
    """The folded batch norm is computed anew from the running statistics."""
    network = lively("ifcnn", rule="mean")
    sources = torch.rand(1, 2, 3, 8, 9)
    before = network(sources)
    network.train()(sources)
    after = network.eval()(sources)
    assert (after - before).abs().max() > 1e-3
    assert_close(after, plain_ifcnn(network, sources, "mean", "none"), **ROUNDING)


@torch.no_grad()
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("normalize", NORMALIZATIONS)
def test_luma_is_the_luma_of_the_colour_result(rule, normalize, lively):
    network = lively("ifcnn", rule=rule, normalize=normalize)
    luma = torch.rand(2, 3, 1, 8, 9)
    red, green, blue = network(luma.repeat(1, 1, 3, 1, 1)).split(1, dim=1)
    expected = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    assert_close(network(luma), expected, rtol=0, atol=2e-6)


@torch.no_grad()
@pytest.mark.parametrize("offset", [10, -10])
@pytest.mark.parametrize("normalize", NORMALIZATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_output_is_not_clamped(offset, normalize, channels, lively):
    network = lively("ifcnn", normalize=normalize)
    sources = torch.rand(1, 2, channels, 8, 9)
    before = network(sources)
    network.conv4.bias += offset
    shift = offset * (STD if normalize == "imagenet" else torch.ones(3, 1, 1))
    if channels == 1:
        shift = (torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1) * shift).sum(0)
    assert_close(network(sources), before + shift, **ROUNDING)


@pytest.mark.parametrize("normalize", NORMALIZATIONS)
def test_size_and_keys_are_the_authors(normalize):
    """83,587 parameters (facts of the published files); what is constant is not saved."""
    network = create_network("ifcnn", normalize=normalize)
    assert sum(p.numel() for p in network.parameters()) == 83_587
    statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    units = [f"{unit}.bn.{key}" for unit in ("conv2", "conv3") for key in statistics]
    convolutions = ["conv1.weight", "conv2.conv.weight", "conv3.conv.weight"]
    assert set(network.state_dict()) == {*units, *convolutions, "conv4.weight", "conv4.bias"}


@pytest.mark.parametrize("value", ["median", "MAX", None, 3, ["max"]], ids=str)
@pytest.mark.parametrize(
    ("option", "known"), [("rule", "max, sum, mean"), ("normalize", "none, imagenet")]
)
def test_a_wrong_option_value_lists_the_known_ones(option, known, value):
    with pytest.raises(InputError, match=f"ifcnn: {option} must be one of {known}, got"):
        create_network("ifcnn", **{option: value})


@torch.no_grad()
def test_results_of_the_authors_modules(shared):
    paths = sorted((shared / "reference" / "networks").glob("ifcnn_*.npz"))
    assert paths
    for path in paths:
        rule = next(rule for rule in RULES if rule in path.stem.split("_"))
        colour = "rgb" in path.stem or "triple" in path.stem
        network = create_network(
            "ifcnn",
            shared / "weights" / "ifcnn" / f"IFCNN-{rule.upper()}.pth",
            normalize="imagenet" if colour else "none",
        )
        published = {key: torch.from_numpy(value) for key, value in np.load(path).items()}
        sources = published["sources"]
        ours = {"static": network(sources)}
        for key, preset in (("l1", "paper"), ("mse50", "authors")):
            result = TestTimeDynamicFusion(network, preset)(sources)
            ours["components"] = result.components
            ours[f"loss_{key}"] = result.losses
            ours[f"rd_{key}"] = result.rd
            ours[f"ttd_{key}"] = result.fused
        assert ours.keys() == published.keys() - {"sources"}
        for key, value in ours.items():
            worst = (value - published[key]).abs().max().item()
            assert worst < ROUNDING["atol"], f"{path.name}: {key} is off by {worst}"


def read_rgb(path: Path) -> Tensor:
    """(3, H, W) in [0, 1]."""
    levels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
    return levels.permute(2, 0, 1) / 255


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(
    ("published", "first", "second"),
    [
        ("IV-Camp", "vif/IFCNN_IV/vis/Camp.png", "vif/IFCNN_IV/ir/Camp.png"),
        ("IV-T2", "vif/IFCNN_IV/vis/T2.png", "vif/IFCNN_IV/ir/T2.png"),
        ("MD-c01", "mif/IFCNN_MD/1/c01.tif", "mif/IFCNN_MD/2/c01.tif"),
        ("MD-c05", "mif/IFCNN_MD/1/c05.tif", "mif/IFCNN_MD/2/c05.tif"),
    ],
    ids=["Camp", "T2", "c01", "c05"],
)
def test_images_that_the_authors_published(published, first, second, shared):
    network = create_network("ifcnn", shared / "weights" / "ifcnn" / "IFCNN-MAX.pth")
    path = shared / "reference" / "ifcnn_published" / f"IFCNN-MAX-{published}.png"
    expected = torch.from_numpy(np.array(Image.open(path))).int()
    sources = torch.stack([read_rgb(shared / "data" / file) for file in (first, second)])[None]

    rgb = network(sources)[0]
    levels = (rgb.clamp(0, 1) * 255).to(torch.uint8).int()  # truncated, as the authors save
    red, green, blue = levels
    grey = (4899 * red + 9617 * green + 1868 * blue + 8192) >> 14  # OpenCV's RGB to gray
    off = (grey - expected).abs()
    assert off.max() <= 1  # a truncation at the edge of a level
    assert (off > 0).float().mean() < 0.001

    # Ours is the luma of unclamped channels, rounded: at most one level up. Only where channels
    # lie on both sides of the range's end does it see what the authors clamped away.
    off = (grey_levels(network(sources[:, :, :1]))[0, 0].int() - expected).abs()
    outside = (rgb < 0) | (rgb > 1)
    mixed = outside.any(0) & ~outside.all(0)
    assert off[~mixed].max() <= 1
    assert (off > 1).float().mean() < 0.001


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(23, 11), (2, 9), (3, 2), (1, 7)])
def test_strips_change_nothing(size, channels, rule, monkeypatch):
    """Of three rows and of all, beside what is computed whole where gradients are kept."""
    torch.manual_seed(0)
    network = IFCNN(rule, "imagenet").eval()
    sources, rd = torch.rand(2, 2, channels, *size), torch.rand(2, 2, 1, *size)
    rd = rd / rd.sum(1, keepdim=True)
    whole = network(sources, rd).detach()
    for rows in (3, 100):
        monkeypatch.setattr(ifcnn, "STRIP", rows * 64 * size[1])
        with torch.inference_mode():
            assert_close(network(sources, rd), whole, rtol=0, atol=2e-6)
