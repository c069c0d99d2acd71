import math
from itertools import product

import pytest

from fusionlab.errors import InputError
from fusionlab.registry import TTD_LOSSES
from fusionlab.settings import TTD, TTD_PRESETS
from fusionlab.settings.ttd import label, varied


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"preset": "mine"}, "ttd.preset must be one of paper, authors, structure, got 'mine'"),
        ({"preset": []}, "ttd.preset is an empty list; give values or leave it out"),
        ({"basis": "both"}, "ttd.basis must be one of loss, gradient, got 'both'"),
        ({"compare": "static"}, "ttd.compare must be one of components, fused, got 'static'"),
        ({"loss": "l2"}, "ttd.loss must be one of l1, mse, ssim, structure, objective, got 'l2'"),
        ({"temperature": -1.0}, "ttd.temperature must be at least 0, got -1.0"),
        ({"temperature": math.nan}, "ttd.temperature must be at least 0, got nan"),
        ({"temperature": 1e7}, "ttd.temperature must be at most 1e.06, got 1e.07"),
        (
            {"temperature": 11.0, "normalization": "none", "correlation": "positive"},
            "ttd.temperature must be at most 10 with normalization none, correlation positive and "
            "form exp, got 11",
        ),
        ({"temperature": "warm"}, "ttd.temperature must be a number or auto, got warm"),
        ({"form": "log"}, "ttd.form must be one of exp, linear, sigmoid, got 'log'"),
        (
            {"normalization": "max"},
            "ttd.normalization must be one of softmax, proportional, none, got 'max'",
        ),
        ({"correlation": "no"}, "ttd.correlation must be one of negative, positive, got 'no'"),
        ({"gain": "peak"}, "ttd.gain must be one of share, largest, auto, got 'peak'"),
        ({"form": "linear", "normalization": "proportional"}, "set ttd.normalization to softmax"),
        ({"form": "linear", "normalization": "none"}, "set ttd.normalization to softmax"),
        ({"normalization": "none", "gain": "largest"}, "set ttd.gain to share"),
        ({"channel": 58}, "set ttd.basis to gradient"),
        ({"channel": "auto"}, "set ttd.basis to gradient"),
        ({"basis": "gradient", "channel": -1}, "ttd.channel must be mean, auto or a number from 0"),
        ({"basis": "gradient", "channel": "max"}, "must be mean, auto .*got 'max'"),
        ({"basis": "gradient", "channel": True}, "must be mean, auto .*got True"),
        ({"loss": "objective"}, "set ttd.basis to gradient and ttd.compare to components"),
        ({"loss": "objective", "basis": "gradient", "compare": "fused"}, "ttd.compare to comp"),
        ({"loss": ["l1", "l2"]}, "ttd.loss must be one of .*got 'l2'"),
    ],
    ids=str,
)
def test_a_choice_that_cannot_be_is_refused(choice, reason):
    with pytest.raises(InputError, match=reason):
        TTD(**choice)


PAPER = {
    "basis": "loss",
    "compare": "components",
    "loss": "l1",
    "temperature": 1.0,
    "channel": "mean",
    "form": "exp",
    "normalization": "softmax",
    "correlation": "negative",
    "gain": "share",
}
STRUCTURE = {"compare": "fused", "loss": "structure", "temperature": "auto", "gain": "auto"}


def test_the_presets_by_hand():
    """Eq. 6 with M times RD for every rule; the published script; ours."""
    assert TTD("paper").options() == PAPER
    assert TTD("authors").options() == {**PAPER, "loss": "mse", "temperature": 50.0}
    assert TTD("structure").options() == {**PAPER, **STRUCTURE}
    assert list(TTD_PRESETS) == ["paper", "authors", "structure"]


def test_what_is_unset_is_the_paper_s():
    assert TTD() == TTD("paper")


@pytest.mark.parametrize(
    "choice",
    [
        {"temperature": "auto"},
        {"temperature": 0},
        {"basis": "gradient", "channel": 58},
        {"basis": "gradient", "channel": "auto", "loss": "objective", "temperature": "auto"},
        {"compare": "fused", "loss": "ssim"},
        {"normalization": "none", "gain": "share"},
        {"gain": "largest"},
    ],
    ids=str,
)
def test_a_choice_stays_beside_the_preset(choice):
    for preset in TTD_PRESETS:
        if choice.get("loss") != "objective" or preset != "structure":  # it compares components
            assert TTD(preset, **choice).options() == {**TTD(preset).options(), **choice}


@pytest.mark.parametrize(("max_rule", "expected"), [(True, "largest"), (False, "share")])
def test_an_automatic_gain_is_resolved_by_the_rule_and_nothing_else_is(max_rule, expected):
    for preset in TTD_PRESETS:
        settings = TTD(preset, gain="auto", form="linear")
        assert settings.resolved(max_rule) == TTD(preset, gain=expected, form="linear")
        assert settings.gain == "auto"
    for given in ("share", "largest"):
        assert TTD(gain=given).resolved(max_rule) == TTD(gain=given)


def test_temperature_and_channel_need_a_data_set_where_they_are_automatic():
    assert TTD("structure").needs_calibration
    assert TTD(basis="gradient", channel="auto").needs_calibration
    assert not TTD("structure", temperature=3.0).needs_calibration
    assert not TTD("paper", gain="auto").needs_calibration  # the network tells


def test_lists_are_every_combination():
    settings = TTD(["paper", "authors"], loss=["l1", "ssim"], temperature=2.0)
    found = settings.combinations()
    assert found == [
        TTD(preset, loss=loss, temperature=2.0)
        for preset, loss in product(["paper", "authors"], ["l1", "ssim"])
    ]
    assert TTD("authors").combinations() == [TTD("authors")]


def test_a_preset_sets_what_it_sets_in_each_combination():
    found = TTD(["paper", "authors"]).combinations()
    assert [one.temperature for one in found] == [1.0, 50.0]


@pytest.mark.parametrize(
    ("settings", "names", "labels"),
    [
        ([TTD("paper"), TTD("authors")], ["preset"], ["paper", "authors"]),
        (
            [TTD(temperature=0.5), TTD(temperature=2.0), TTD(temperature="auto")],
            ["temperature"],
            ["γ 0.5", "γ 2", "γ auto"],
        ),
        (
            [TTD(loss="l1", temperature=2.0), TTD(loss="mse", temperature=2.0)],
            ["loss"],
            ["l1", "mse"],
        ),
        (
            [TTD("paper"), TTD("authors"), TTD("authors", form="sigmoid")],
            ["preset", "form"],
            ["paper, exp", "authors, exp", "authors, sigmoid"],
        ),
        (
            [TTD(basis="gradient", channel=58), TTD("paper")],
            ["basis", "channel"],
            ["gradient, channel 58", "loss"],
        ),
    ],
    ids=["presets", "temperatures", "losses", "preset and form", "channel"],
)
def test_settings_are_told_apart_by_what_they_differ_in(settings, names, labels):
    assert varied(settings) == names
    assert [label(one, names) for one in settings] == labels


def test_one_setting_needs_no_label():
    assert varied([TTD("authors")]) == []
    assert label(TTD("authors"), []) == ""


def test_a_loss_of_ones_own_may_be_chosen(monkeypatch):
    monkeypatch.setitem(TTD_LOSSES, "mine", object())
    assert TTD(loss="mine").loss == "mine"
