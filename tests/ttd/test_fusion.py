import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.networks.base import scale_features
from fusionlab.settings import TTD_PRESETS
from fusionlab.ttd import (
    TestTimeDynamicFusion,
    automatic_temperature,
    relative_dominability,
)

RULES = ["max", "sum", "mean"]
DEFAULTS = {"form": "exp", "normalization": "softmax", "correlation": "negative"}


class Dim(FusionNetwork):
    """Features are the sources, the rule is their mean, the decoder halves it."""

    def encode(self, sources: Tensor) -> Tensor:
        return sources

    def combine(self, features: Tensor, weights: Tensor | None = None) -> Tensor:
        return sum(scale_features(features, weights)) / features.shape[1]

    def decode(self, combined: Tensor, sources: Tensor) -> Tensor:
        return combined / 2


@pytest.fixture(params=RULES)
def network(request) -> FusionNetwork:
    torch.manual_seed(0)
    return create_network("ifcnn", rule=request.param)


@pytest.mark.parametrize(
    ("preset", "losses", "exponents"),
    [("paper", (0.2, 0.4), (-0.2, -0.4)), ("authors", (0.04, 0.16), (-2, -8))],
)
def test_two_sources_by_hand(preset, losses, exponents):
    """0.4 and 0.8 are halved: they miss themselves by 0.2 and 0.4."""
    sources = torch.tensor([0.4, 0.8]).view(1, 2, 1, 1, 1)
    result = TestTimeDynamicFusion(Dim(), preset)(sources)
    shares = [math.exp(math.exp(exponent)) for exponent in exponents]
    weights = [share / sum(shares) for share in shares]
    assert result.components.flatten().tolist() == pytest.approx([0.2, 0.4])
    assert result.losses.flatten().tolist() == pytest.approx(losses)
    assert result.weights.flatten().tolist() == pytest.approx(weights)
    fused = (weights[0] * 0.4 + weights[1] * 0.8) / 2
    assert result.fused.item() == pytest.approx(fused)


def test_presets():
    paper, authors = (TestTimeDynamicFusion(Dim(), preset) for preset in ("paper", "authors"))
    assert (paper.loss, paper.weighting) == ("l1", {"temperature": 1, **DEFAULTS})
    assert (authors.loss, authors.weighting) == ("mse", {"temperature": 50, **DEFAULTS})


@pytest.mark.parametrize("rule", RULES)
def test_by_default_the_fused_image_is_compared_and_the_rule_decides_the_normalization(rule):
    dynamic = TestTimeDynamicFusion(create_network("ifcnn", rule=rule))
    chosen = "peak" if rule == "max" else "softmax"
    assert (dynamic.basis, dynamic.compare, dynamic.loss) == ("loss", "fused", "structure")
    assert dynamic.weighting == {**DEFAULTS, "temperature": "auto", "normalization": chosen}


@torch.no_grad()
@pytest.mark.parametrize("rule", RULES)
def test_an_automatic_normalization_is_the_one_that_is_meant_bit_for_bit(rule):
    torch.manual_seed(0)
    network, sources = create_network("ifcnn", "bundled", rule=rule), torch.rand(1, 3, 1, 12, 13)
    meant = {"normalization": "peak" if rule == "max" else "softmax"}
    results = [TestTimeDynamicFusion(network, **choice)(sources) for choice in ({}, meant)]
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert results[0].weights.std() > 1e-3


@torch.no_grad()
def test_under_a_rule_of_the_largest_no_feature_grows():
    torch.manual_seed(0)
    network, sources = create_network("ifcnn", rule="max"), torch.rand(1, 3, 1, 12, 13)
    features, weights = network.encode(sources), TestTimeDynamicFusion(network)(sources).weights
    assert (network.combine(features, weights) <= network.combine(features)).all()
    assert_close(weights.amax(1), torch.full((1, 1, 12, 13), 1 / 3))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", 7.0),
        ("temperature", 0.0),
        ("form", "sigmoid"),
        ("form", "linear"),
        ("normalization", "none"),
        ("correlation", "positive"),
    ],
)
def test_a_keyword_overrides_its_preset_alone(key, value):
    dynamic = TestTimeDynamicFusion(Dim(), "authors", **{key: value})
    assert dynamic.loss == "mse"
    assert dynamic.weighting == {"temperature": 50, **DEFAULTS, key: value}


def test_the_loss_overrides_its_preset():
    dynamic = TestTimeDynamicFusion(Dim(), "authors", loss="l1")
    losses = dynamic(torch.tensor([0.4, 0.8]).view(1, 2, 1, 1, 1)).losses
    assert losses.flatten().tolist() == pytest.approx([0.2, 0.4])
    assert dynamic.weighting["temperature"] == 50


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"preset": "mine"}, "ttd.preset must be one of fusionlab, paper, authors, got 'mine'"),
        ({"loss": "l2"}, "ttd.loss must be one of l1, mse, ssim, structure, objective, got 'l2'"),
        ({"temperature": -1.0}, "ttd.temperature must be at least 0, got -1.0"),
        ({"temperature": math.nan}, "ttd.temperature must be at least 0, got nan"),
        ({"form": "log"}, "ttd.form must be one of exp, linear, sigmoid, got 'log'"),
        (
            {"normalization": "max"},
            "normalization must be one of auto, softmax, proportional, none, peak, got 'max'",
        ),
        ({"correlation": "no"}, "ttd.correlation must be one of negative, positive, got 'no'"),
        ({"form": "linear", "normalization": "proportional"}, "set ttd.normalization to softmax"),
        ({"form": "linear", "normalization": "none"}, "set ttd.normalization to softmax"),
    ],
    ids=str,
)
def test_a_choice_that_cannot_be_is_refused(choice, reason):
    with pytest.raises(InputError, match=reason):
        TestTimeDynamicFusion(Dim(), **choice)


@torch.no_grad()
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_sources_are_encoded_once_and_decoded_once_more_than_there_are(
    count, channels, network, monkeypatch
):
    encoded, decoded = [], []
    encode, decode = network.encode, network.decode

    def counted_encode(sources):
        encoded.append(sources.shape)
        return encode(sources)

    def counted_decode(combined, sources):
        decoded.append(len(combined))
        return decode(combined, sources)

    monkeypatch.setattr(network, "encode", counted_encode)
    monkeypatch.setattr(network, "decode", counted_decode)
    sources = torch.rand(2, count, channels, 8, 9)
    result = TestTimeDynamicFusion(network, "paper")(sources)
    assert encoded == [sources.shape]
    assert sum(decoded) == 2 * (count + 1)
    assert result.fused.shape == (2, channels, 8, 9)
    assert result.components.shape == (2, count, channels, 8, 9)
    assert result.weights.shape == result.losses.shape == (2, count, 1, 8, 9)


@torch.no_grad()
@pytest.mark.parametrize("is_given", [False, True])
def test_comparing_the_fused_image_decodes_it_once_and_nothing_else(is_given, network, monkeypatch):
    sources = torch.rand(2, 3, 1, 8, 9)
    features, static, decoded = network.encode(sources), network(sources), []
    decode = network.decode

    def counted(combined, sources):
        decoded.append(len(combined))
        return decode(combined, sources)

    monkeypatch.setattr(network, "decode", counted)
    dynamic = TestTimeDynamicFusion(network, "paper", compare="fused", temperature=5.0)
    result = dynamic.fuse(features, sources, static if is_given else None)
    assert decoded == ([2] if is_given else [2, 2])
    assert torch.equal(result.components, static.unsqueeze(1).expand_as(sources))
    assert_close(result.losses, (static.unsqueeze(1) - sources).abs())
    assert torch.equal(result.fused, network(sources, result.weights))


@torch.no_grad()
def test_the_source_nearer_to_the_fused_image_gains():
    """The mean of 0, 0.2 and 1, halved, is 0.2: nearest to the second."""
    sources = torch.tensor([0.0, 0.2, 1.0]).view(1, 3, 1, 1, 1)
    result = TestTimeDynamicFusion(Dim(), "paper", compare="fused")(sources)
    assert_close(result.losses.flatten(), torch.tensor([0.2, 0.0, 0.8]))
    assert_close(result.weights, relative_dominability(result.losses))


@torch.no_grad()
def test_an_automatic_temperature_is_that_of_each_image(network):
    sources = torch.rand(2, 3, 1, 12, 13)
    dynamic = TestTimeDynamicFusion(network, "paper", loss="mse", temperature="auto")
    result = dynamic(sources)
    for b in range(2):
        fixed = automatic_temperature([result.losses[b : b + 1]])
        alone = TestTimeDynamicFusion(network, "paper", loss="mse", temperature=fixed)(
            sources[b : b + 1]
        )
        assert_close(result.weights[b : b + 1], alone.weights)
    assert result.weights.std() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("normalization", ["auto", "softmax", "proportional", "none", "peak"])
@pytest.mark.parametrize("temperature", [0.0, "auto", 3.0])
def test_sources_without_a_difference_are_fused_statically_in_every_setting(
    temperature, normalization, network
):
    """And those with one by γ = 0, where scores are 1."""
    sources = torch.rand(1, 3, 1, 9, 8)
    if temperature != 0:
        sources = sources[:, :1].repeat(1, 3, 1, 1, 1)
    for compare in ("components", "fused"):
        options = {"temperature": temperature, "normalization": normalization}
        result = TestTimeDynamicFusion(network, "paper", compare=compare, **options)(sources)
        if normalization == "none":  # scales features by their scores, below 1 where γ is not 0
            assert temperature != 0 or torch.equal(result.fused, network(sources))
        else:
            assert torch.equal(result.fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("preset", TTD_PRESETS)
@pytest.mark.parametrize("count", [1, 2, 3, 41])
def test_the_result_is_the_network_with_these_weights_bit_for_bit(preset, count, network):
    sources = torch.rand(2, count, 1, 17, 23)
    dynamic = TestTimeDynamicFusion(network, preset)
    result = dynamic(sources)
    assert torch.equal(result.fused, network(sources, weights=result.weights))
    again = dynamic.fuse(network.encode(sources), sources)
    assert all(torch.equal(a, b) for a, b in zip(again, result, strict=True))


@torch.no_grad()
def test_dynamic_fusion_is_not_static_fusion(network):
    sources = torch.rand(2, 2, 1, 17, 23)
    result = TestTimeDynamicFusion(network, "paper", temperature=3.0)(sources)
    assert (result.fused - network(sources)).abs().mean() > 1e-4  # rounding is 1e-7


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2, 3, 6, 41])
@pytest.mark.parametrize(("form", "normalization"), [("exp", "softmax"), ("sigmoid", "softmax")])
def test_a_temperature_of_zero_is_the_static_rule_bit_for_bit(count, form, normalization, network):
    sources = torch.rand(2, count, 3, 9, 8)
    options = {"form": form, "normalization": normalization}
    dynamic = TestTimeDynamicFusion(network, "paper", temperature=0.0, **options)
    assert torch.equal(dynamic(sources).fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("preset", TTD_PRESETS)
def test_one_source_has_all_the_weight_and_is_fused_statically(preset, network):
    sources = torch.rand(2, 1, 3, 9, 8)
    result = TestTimeDynamicFusion(network, preset)(sources)
    assert torch.equal(result.weights, torch.ones(2, 1, 1, 9, 8))
    assert torch.equal(result.fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("preset", TTD_PRESETS)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_equal_sources_are_fused_statically(count, preset, network):
    sources = torch.rand(2, 1, 1, 9, 8).repeat(1, count, 1, 1, 1)
    result = TestTimeDynamicFusion(network, preset)(sources)
    assert torch.equal(result.fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("count", [2, 3])
def test_half_precision_keeps_the_static_rule_and_finite_weights(half, count, network):
    sources = torch.rand(2, count, 1, 9, 8).to(half)
    with torch.autocast("cpu", dtype=half):
        static = TestTimeDynamicFusion(network, "paper", temperature=0.0)(sources)
        assert torch.equal(static.fused, network(sources))
        turned = TestTimeDynamicFusion(network, "paper", temperature=1e4, correlation="positive")(
            sources
        )
    assert turned.weights.isfinite().all()
    assert (turned.weights.amax(1) == 1).all()  # the worst source alone


@torch.no_grad()
def test_the_better_reconstructed_source_gains():
    """Halved, a dark source misses itself by less than a bright one."""
    dark, bright = torch.full((1, 1, 4, 5), 0.1), torch.full((1, 1, 4, 5), 0.9)
    sources = torch.stack([dark, bright], dim=1)
    negative = TestTimeDynamicFusion(Dim(), "paper")(sources)
    positive = TestTimeDynamicFusion(Dim(), "paper", correlation="positive")(sources)
    static = Dim()(sources)
    assert (negative.weights[:, 0] > 0.5).all()
    assert (positive.weights[:, 0] < 0.5).all()
    assert (negative.fused < static).all()
    assert (positive.fused > static).all()


def test_sources_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"sources must be .*got \(2, 1, 8, 8\)"):
        TestTimeDynamicFusion(Dim(), "paper")(torch.zeros(2, 1, 8, 8))


def test_it_moves_and_trains_with_its_network():
    dynamic = TestTimeDynamicFusion(create_network("ifcnn"), "paper")
    assert dynamic.double().network.conv4.weight.dtype == torch.float64
    assert dynamic(torch.rand(1, 2, 1, 8, 9).double()).fused.dtype == torch.float64
