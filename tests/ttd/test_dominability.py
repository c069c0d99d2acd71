import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fusionlab.ttd import feature_gain, relative_dominability
from fusionlab.ttd.dominability import score_gain

E = math.e
COMBINATIONS = [
    (form, normalization, correlation)
    for form, normalization, correlation in itertools.product(
        ("exp", "linear", "sigmoid"),
        ("softmax", "proportional", "none"),
        ("negative", "positive"),
    )
    if form != "linear" or normalization == "softmax"
]
each_combination = pytest.mark.parametrize(("form", "normalization", "correlation"), COMBINATIONS)


def pixel(*losses: float) -> Tensor:
    """Losses of M sources at one pixel."""
    return torch.tensor(losses).view(1, -1, 1, 1, 1)


# Losses 0 and ln 2 make every score a fraction: e^∓γℓ is 1 and 1/2 (or 2), σ is 1/2 and 1/3 (2/3).
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(
    ("form", "normalization", "correlation", "first", "second"),
    [
        ("exp", "softmax", "negative", E / (E + E**0.5), E**0.5 / (E + E**0.5)),
        ("exp", "softmax", "positive", E / (E + E**2), E**2 / (E + E**2)),
        ("exp", "proportional", "negative", 2 / 3, 1 / 3),
        ("exp", "proportional", "positive", 1 / 3, 2 / 3),
        ("linear", "softmax", "negative", 2 / 3, 1 / 3),
        ("linear", "softmax", "positive", 1 / 3, 2 / 3),
        ("sigmoid", "softmax", "negative", 1 / (1 + E ** (-1 / 6)), 1 / (1 + E ** (1 / 6))),
        ("sigmoid", "softmax", "positive", 1 / (1 + E ** (1 / 6)), 1 / (1 + E ** (-1 / 6))),
        ("sigmoid", "proportional", "negative", 3 / 5, 2 / 5),
        ("sigmoid", "proportional", "positive", 3 / 7, 4 / 7),
    ],
)
def test_two_sources_by_hand(form, normalization, correlation, first, second, temperature):
    losses = pixel(0, math.log(2) / temperature)
    rd = relative_dominability(losses, temperature, form, normalization, correlation)
    assert rd.flatten().tolist() == pytest.approx([first, second])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(
    ("form", "correlation", "first", "second"),
    [
        ("exp", "negative", 1, 1 / 2),
        ("exp", "positive", 1, 2),
        ("sigmoid", "negative", 1 / 2, 1 / 3),
        ("sigmoid", "positive", 1 / 2, 2 / 3),
    ],
)
def test_scores_that_are_not_normalised_by_hand(form, correlation, first, second, temperature):
    """Their RD is their share of the sum all the same."""
    losses = pixel(0, math.log(2) / temperature)
    gain = score_gain(losses, temperature, form, correlation)
    assert gain.flatten().tolist() == pytest.approx([first, second])
    rd = relative_dominability(losses, temperature, form, "none", correlation)
    assert_close(rd, gain / gain.sum(1, keepdim=True))


def test_the_defaults_are_equation_6():
    """γ = 1, softmax of e^−ℓ."""
    scores = [math.exp(-loss) for loss in (0.1, 0.4, 0.2)]
    total = sum(math.exp(score) for score in scores)
    expected = [math.exp(score) / total for score in scores]
    rd = relative_dominability(pixel(0.1, 0.4, 0.2))
    assert rd.flatten().tolist() == pytest.approx(expected)


@each_combination
def test_rd_sums_to_one_at_every_pixel(form, normalization, correlation):
    losses = torch.rand(2, 5, 1, 6, 7)
    rd = relative_dominability(losses, 3.0, form, normalization, correlation)
    assert rd.shape == losses.shape
    assert_close(rd.sum(1), torch.ones(2, 1, 6, 7), rtol=0, atol=5e-7)


@each_combination
def test_permuted_losses_have_permuted_rd(form, normalization, correlation):
    losses, order = torch.rand(2, 4, 1, 6, 7), [2, 0, 3, 1]
    rd = relative_dominability(losses, 3.0, form, normalization, correlation)
    permuted = relative_dominability(losses[:, order], 3.0, form, normalization, correlation)
    assert_close(permuted, rd[:, order])


@each_combination
def test_a_worse_source_weighs_less_or_more_as_the_correlation_says(
    form, normalization, correlation
):
    losses = pixel(0.1, 0.3, 0.2)
    rd = relative_dominability(losses, 2.0, form, normalization, correlation).flatten()
    ranks = rd.argsort(descending=correlation == "negative").tolist()
    assert ranks == [0, 2, 1]
    assert rd.unique().numel() == 3


@each_combination
def test_equal_losses_have_exactly_the_same_rd(form, normalization, correlation):
    for count, loss, temperature in itertools.product(
        (1, 2, 3, 6, 7, 41, 49), (0.0, 0.3, 3.0), (0.0, 1.0, 50.0, 1e4)
    ):
        losses = torch.full((1, count, 1, 5, 7), loss)
        rd = relative_dominability(losses, temperature, form, normalization, correlation)
        assert torch.equal(rd, torch.full_like(losses, 1 / count)), (count, loss, temperature)


@each_combination
def test_a_temperature_of_zero_gives_all_exactly_the_same_rd(form, normalization, correlation):
    losses = 10 * torch.rand(2, 3, 1, 5, 7)
    rd = relative_dominability(losses, 0.0, form, normalization, correlation)
    assert torch.equal(rd, torch.full_like(losses, 1 / 3))


@pytest.mark.parametrize("normalization", ["softmax", "proportional"])
@pytest.mark.parametrize("temperature", [50.0, 1e4])
def test_a_large_temperature_turned_round_chooses_the_worst_source(temperature, normalization):
    """e^150 is beyond single precision."""
    losses = pixel(0.0, 3.0, 2.5)
    rd = relative_dominability(losses, temperature, "exp", normalization, "positive")
    assert_close(rd, pixel(0.0, 1.0, 0.0), rtol=0, atol=1e-10)


def test_gains_by_hand():
    rd = pixel(0.5, 0.125, 0.375)
    assert feature_gain(rd).flatten().tolist() == pytest.approx([1.5, 0.375, 1.125])
    assert feature_gain(rd, "largest").flatten().tolist() == pytest.approx([1, 0.25, 0.75])


@pytest.mark.parametrize("gain", ["share", "largest"])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_uniform_rd_has_a_gain_of_exactly_one(kind, gain):
    """41 · (1/41) is not 1 in float32."""
    for count in range(1, 101):
        uniform = torch.full((1, count, 1, 2, 3), 1 / count, dtype=kind)
        assert (feature_gain(uniform, gain) == 1).all(), count


@pytest.mark.parametrize("count", [1, 2, 3, 41])
def test_the_largest_gain_leaves_the_best_source_as_it_is_and_no_other_grows(count):
    losses = torch.rand(2, count, 1, 6, 7)
    rd = relative_dominability(losses, 3.0)
    gain = feature_gain(rd, "largest")
    assert (gain.gather(1, losses.argmin(1, keepdim=True)) == 1).all()
    assert (gain <= 1).all()
    assert_close(gain / gain.sum(1, keepdim=True), rd)


def test_every_image_may_have_its_own_temperature():
    losses = torch.rand(2, 3, 1, 4, 5)
    temperatures = torch.tensor([2.0, 0.0]).view(2, 1, 1, 1, 1)
    rd = relative_dominability(losses, temperatures)
    assert torch.equal(rd[:1], relative_dominability(losses[:1], 2.0))
    assert torch.equal(rd[1:], torch.full((1, 3, 1, 4, 5), 1 / 3))


@pytest.mark.parametrize("temperature", [50.0, 1e4])
def test_a_large_temperature_chooses_the_best_source_by_proportion(temperature):
    """Every score is 0 in single precision: e^−150 and less."""
    losses = pixel(4.0, 3.0, 3.5)
    rd = relative_dominability(losses, temperature, "exp", "proportional")
    assert_close(rd, pixel(0.0, 1.0, 0.0), rtol=0, atol=1e-10)


@each_combination
@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_extreme_losses_give_no_nan(form, normalization, correlation, kind):
    values = torch.tensor([0.0, 1e-7, 0.5, 3.0, 1e4], dtype=kind)
    losses = torch.cartesian_prod(values, values, values).T.reshape(1, 3, 1, 5, 25)
    for temperature in (0.0, 1.0, 50.0, 1e4, 1e30):
        rd = relative_dominability(losses, temperature, form, normalization, correlation)
        assert rd.isfinite().all(), temperature
        assert (rd >= 0).all(), temperature
        assert (rd.sum(1) - 1).abs().max() < 1e-6, temperature
        if normalization == "none":
            gain = score_gain(losses, temperature, form, correlation)
            assert gain.isfinite().all(), temperature
            assert (gain >= 0).all(), temperature


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_losses_weigh_as_in_single_precision(kind):
    losses = torch.rand(1, 3, 1, 4, 5).to(kind)
    assert torch.equal(relative_dominability(losses), relative_dominability(losses.float()))


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"form": "log"}, "form must be exp, linear or sigmoid, got 'log'"),
        (
            {"normalization": "max"},
            "normalization must be softmax, proportional or none, got 'max'",
        ),
        ({"correlation": "none"}, "correlation must be negative or positive, got 'none'"),
        ({"temperature": -0.1}, "temperature must be at least 0, got -0.1"),
        ({"form": "linear", "normalization": "proportional"}, "must be softmax"),
        ({"form": "linear", "normalization": "none"}, "must be softmax"),
    ],
    ids=str,
)
def test_an_unknown_choice_is_refused(choice, reason):
    with pytest.raises(ValueError, match=reason):
        relative_dominability(pixel(0.1, 0.2), **choice)


def test_an_unknown_gain_is_refused():
    with pytest.raises(ValueError, match="gain must be share or largest, got 'peak'"):
        feature_gain(pixel(0.5, 0.5), "peak")
