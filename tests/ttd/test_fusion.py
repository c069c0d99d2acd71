import math

import pytest
import torch
from torch.testing import assert_close

from fusionlab.errors import InputError
from fusionlab.networks import FusionNetwork, create_network
from fusionlab.settings import TTD, TTD_PRESETS
from fusionlab.ttd import (
    Encoded,
    TestTimeDynamicFusion,
    feature_gain,
    relative_dominability,
)
from tests.ttd.networks import Counting, Dim

RULES = ["max", "sum", "mean"]
NUMBERS = {"structure": {"temperature": 5.0}}  # in place of what a preset leaves to be calibrated


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
    rd = [share / sum(shares) for share in shares]
    assert result.components.flatten().tolist() == pytest.approx([0.2, 0.4])
    assert result.losses.flatten().tolist() == pytest.approx(losses)
    assert result.rd.flatten().tolist() == pytest.approx(rd)
    fused = (rd[0] * 0.4 + rd[1] * 0.8) / 2
    assert result.fused.item() == pytest.approx(fused)


def test_the_default_is_the_paper():
    assert TestTimeDynamicFusion(Dim()).settings == TTD("paper")
    assert TestTimeDynamicFusion(Dim(), "authors").settings == TTD("authors")


def test_settings_are_taken_as_they_are_and_nothing_is_added_to_them():
    settings = TTD("authors", gain="largest")
    assert TestTimeDynamicFusion(Dim(), settings).settings == settings
    with pytest.raises(InputError, match="temperature beside settings of TTD; put it into them"):
        TestTimeDynamicFusion(Dim(), settings, temperature=3.0)


@torch.no_grad()
@pytest.mark.parametrize("rule", RULES)
def test_an_automatic_gain_is_the_one_that_is_meant_bit_for_bit(rule):
    torch.manual_seed(0)
    network, sources = create_network("ifcnn", "bundled", rule=rule), torch.rand(1, 3, 1, 12, 13)
    meant = "largest" if rule == "max" else "share"
    dynamic = TestTimeDynamicFusion(network, "authors", gain="auto")
    assert dynamic.settings.gain == meant
    results = [dynamic(sources), TestTimeDynamicFusion(network, "authors", gain=meant)(sources)]
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert results[0].rd.std() > 1e-3


@torch.no_grad()
def test_under_a_rule_of_the_maximum_no_feature_grows():
    torch.manual_seed(0)
    network, sources = create_network("ifcnn", rule="max"), torch.rand(1, 3, 1, 12, 13)
    result = TestTimeDynamicFusion(network, "authors", gain="auto")(sources)
    features, gain = network.encode(sources), feature_gain(result.rd, "largest")
    assert torch.equal(result.fused, network.decode(network.combine(features, gain), sources))
    assert (network.combine(features, gain) <= network.combine(features)).all()
    assert_close(gain.amax(1), torch.ones(1, 1, 12, 13))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", 7.0),
        ("temperature", 0.0),
        ("loss", "l1"),
        ("form", "sigmoid"),
        ("form", "linear"),
        ("normalization", "none"),
        ("correlation", "positive"),
        ("gain", "largest"),
    ],
)
def test_a_keyword_overrides_its_preset_alone(key, value):
    dynamic = TestTimeDynamicFusion(Dim(), "authors", **{key: value})
    assert dynamic.settings.options() == {**TTD("authors").options(), key: value}


def test_an_option_changes_what_is_computed():
    dynamic = TestTimeDynamicFusion(Dim(), "authors", loss="l1", correlation="positive")
    result = dynamic(torch.tensor([0.4, 0.8]).view(1, 2, 1, 1, 1))
    assert result.losses.flatten().tolist() == pytest.approx([0.2, 0.4])
    assert_close(result.rd, relative_dominability(result.losses, 50.0, correlation="positive"))


@torch.no_grad()
def test_scores_without_normalization_scale_the_features_and_rd_still_sums_to_one():
    """Losses 0.2 and 0.4, γ = 1: features are scaled by e^-0.2 and e^-0.4."""
    sources = torch.tensor([0.4, 0.8]).view(1, 2, 1, 1, 1)
    result = TestTimeDynamicFusion(Dim(), normalization="none")(sources)
    first, second = math.exp(-0.2), math.exp(-0.4)
    assert result.fused.item() == pytest.approx((first * 0.4 + second * 0.8) / 2 / 2)
    rd = [first / (first + second), second / (first + second)]
    assert result.rd.flatten().tolist() == pytest.approx(rd)


@pytest.mark.parametrize(
    "choice", [{"preset": "mine"}, {"loss": "l2"}, {"temperature": -1.0}, {"form": "log"}], ids=str
)
def test_a_choice_that_cannot_be_is_refused(choice):
    (name,) = choice
    with pytest.raises(InputError, match=f"ttd.{name} must be"):
        TestTimeDynamicFusion(Dim(), **choice)


@pytest.mark.parametrize(
    "settings",
    [TTD("structure"), TTD(temperature="auto"), TTD(basis="gradient", channel="auto")],
    ids=str,
)
def test_what_is_automatic_is_calibrated_first(settings):
    dynamic = TestTimeDynamicFusion(Dim(), settings)
    with pytest.raises(InputError, match=r"is auto: .* fusionlab\.ttd\.calibrate, or give a num"):
        dynamic(torch.rand(1, 2, 1, 8, 9))


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
    result = TestTimeDynamicFusion(network)(sources)
    assert encoded == [sources.shape]
    assert sum(decoded) == 2 * (count + 1)
    assert result.fused.shape == (2, channels, 8, 9)
    assert result.components.shape == (2, count, channels, 8, 9)
    assert result.rd.shape == result.losses.shape == (2, count, 1, 8, 9)


@torch.no_grad()
def test_comparing_the_fused_image_decodes_it_once_and_nothing_else():
    network, sources = Counting(), torch.rand(2, 3, 1, 8, 9)
    static = network(sources)
    network.calls.clear()
    result = TestTimeDynamicFusion(network, compare="fused", temperature=5.0)(sources)
    assert network.calls == ["encode", "decode", "decode"]
    assert torch.equal(result.components, static.unsqueeze(1).expand_as(sources))
    assert_close(result.losses, (static.unsqueeze(1) - sources).abs())
    assert torch.equal(result.fused, network(sources, result.rd))


@torch.no_grad()
def test_the_source_nearer_to_the_fused_image_gains():
    """The mean of 0, 0.2 and 1, halved, is 0.2: nearest to the second."""
    sources = torch.tensor([0.0, 0.2, 1.0]).view(1, 3, 1, 1, 1)
    result = TestTimeDynamicFusion(Dim(), compare="fused")(sources)
    assert_close(result.losses.flatten(), torch.tensor([0.2, 0.0, 0.8]))
    assert_close(result.rd, relative_dominability(result.losses))


@torch.no_grad()
@pytest.mark.parametrize("normalization", ["softmax", "proportional", "none"])
@pytest.mark.parametrize("gain", ["share", "largest"])
@pytest.mark.parametrize("temperature", [0.0, 3.0])
def test_sources_without_a_difference_are_fused_statically_in_every_setting(
    temperature, gain, normalization, network
):
    """And those with one by γ = 0, where scores are 1."""
    if (normalization, gain) == ("none", "largest"):
        return  # refused
    sources = torch.rand(1, 3, 1, 9, 8)
    if temperature != 0:
        sources = sources[:, :1].repeat(1, 3, 1, 1, 1)
    for compare in ("components", "fused"):
        options = {"temperature": temperature, "normalization": normalization, "gain": gain}
        result = TestTimeDynamicFusion(network, compare=compare, **options)(sources)
        if normalization == "none":  # scales features by their scores, below 1 where γ is not 0
            assert temperature != 0 or torch.equal(result.fused, network(sources))
        else:
            assert torch.equal(result.fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("preset", TTD_PRESETS)
@pytest.mark.parametrize("count", [1, 2, 3, 41])
def test_the_result_is_the_network_with_this_rd_bit_for_bit(preset, count, network):
    sources = torch.rand(2, count, 1, 17, 23)
    options = NUMBERS.get(preset, {})
    dynamic = TestTimeDynamicFusion(network, preset, **options)
    result = dynamic(sources)
    gain = feature_gain(result.rd, "largest" if dynamic.settings.gain == "largest" else "share")
    assert torch.equal(result.fused, Encoded(network, sources).fuse(gain))
    if dynamic.settings.gain == "share":
        assert torch.equal(result.fused, network(sources, result.rd))


@torch.no_grad()
def test_dynamic_fusion_is_not_static_fusion(network):
    sources = torch.rand(2, 2, 1, 17, 23)
    result = TestTimeDynamicFusion(network, temperature=3.0)(sources)
    assert (result.fused - network(sources)).abs().mean() > 1e-4  # rounding is 1e-7


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2, 3, 6, 41])
@pytest.mark.parametrize("form", ["exp", "sigmoid"])
def test_a_temperature_of_zero_is_the_static_rule_bit_for_bit(count, form, network):
    sources = torch.rand(2, count, 3, 9, 8)
    dynamic = TestTimeDynamicFusion(network, temperature=0.0, form=form)
    assert torch.equal(dynamic(sources).fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("preset", TTD_PRESETS)
def test_one_source_has_all_of_rd_and_is_fused_statically(preset, network):
    sources = torch.rand(2, 1, 3, 9, 8)
    result = TestTimeDynamicFusion(network, preset, **NUMBERS.get(preset, {}))(sources)
    assert torch.equal(result.rd, torch.ones(2, 1, 1, 9, 8))
    assert torch.equal(result.fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("preset", TTD_PRESETS)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_equal_sources_are_fused_statically(count, preset, network):
    sources = torch.rand(2, 1, 1, 9, 8).repeat(1, count, 1, 1, 1)
    result = TestTimeDynamicFusion(network, preset, **NUMBERS.get(preset, {}))(sources)
    assert torch.equal(result.fused, network(sources))


@torch.no_grad()
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("count", [2, 3])
def test_half_precision_keeps_the_static_rule_and_finite_rd(half, count, network):
    sources = torch.rand(2, count, 1, 9, 8).to(half)
    with torch.autocast("cpu", dtype=half):
        static = TestTimeDynamicFusion(network, temperature=0.0)(sources)
        assert torch.equal(static.fused, network(sources))
        turned = TestTimeDynamicFusion(network, temperature=1e4, correlation="positive")(sources)
    assert turned.rd.isfinite().all()
    assert (turned.rd.amax(1) == 1).all()  # the worst source alone


@torch.no_grad()
def test_the_better_reconstructed_source_gains():
    """Halved, a dark source misses itself by less than a bright one."""
    dark, bright = torch.full((1, 1, 4, 5), 0.1), torch.full((1, 1, 4, 5), 0.9)
    sources = torch.stack([dark, bright], dim=1)
    negative = TestTimeDynamicFusion(Dim())(sources)
    positive = TestTimeDynamicFusion(Dim(), correlation="positive")(sources)
    static = Dim()(sources)
    assert (negative.rd[:, 0] > 0.5).all()
    assert (positive.rd[:, 0] < 0.5).all()
    assert (negative.fused < static).all()
    assert (positive.fused > static).all()


def test_sources_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"sources must be .*got \(2, 1, 8, 8\)"):
        TestTimeDynamicFusion(Dim())(torch.zeros(2, 1, 8, 8))


def test_it_moves_and_trains_with_its_network():
    dynamic = TestTimeDynamicFusion(create_network("ifcnn"))
    assert dynamic.double().network.conv4.weight.dtype == torch.float64
    assert dynamic(torch.rand(1, 2, 1, 8, 9).double()).fused.dtype == torch.float64
