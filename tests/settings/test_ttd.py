import pytest

from fusionlab.errors import InputError
from fusionlab.settings import TTD, TTD_PRESETS


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"basis": "both"}, "ttd.basis must be one of loss, gradient, got 'both'"),
        ({"compare": "static"}, "ttd.compare must be one of components, fused, got 'static'"),
        ({"temperature": "warm"}, "ttd.temperature must be a number or auto, got warm"),
        ({"channel": 58}, "set ttd.basis to gradient"),
        ({"channel": "auto"}, "set ttd.basis to gradient"),
        ({"basis": "gradient", "channel": -1}, "ttd.channel must be mean, auto or a number from 0"),
        ({"basis": "gradient", "channel": "max"}, "must be mean, auto .*got 'max'"),
        ({"basis": "gradient", "channel": True}, "must be mean, auto .*got True"),
        ({"loss": "objective"}, "set ttd.basis to gradient and ttd.compare to components"),
        ({"loss": "objective", "basis": "gradient", "compare": "fused"}, "ttd.compare to comp"),
    ],
    ids=str,
)
def test_a_choice_that_cannot_be_is_refused(choice, reason):
    with pytest.raises(InputError, match=reason):
        TTD(**choice)


def test_the_presets_of_others_are_what_they_were():
    paper = TTD("paper").choices()
    assert paper == {
        "basis": "loss",
        "compare": "components",
        "loss": "l1",
        "temperature": 1.0,
        "channel": "mean",
        "form": "exp",
        "normalization": "softmax",
        "correlation": "negative",
    }
    assert TTD("authors").choices() == {**paper, "loss": "mse", "temperature": 50.0}


def test_what_is_unset_is_fusionlab_s():
    assert TTD() == TTD("fusionlab")
    assert TTD().choices() == {
        "basis": "loss",
        "compare": "fused",
        "loss": "structure",
        "temperature": "auto",
        "channel": "mean",
        "form": "exp",
        "normalization": "auto",
        "correlation": "negative",
    }


@pytest.mark.parametrize(("takes_largest", "expected"), [(True, "peak"), (False, "softmax")])
def test_auto_is_resolved_by_the_rule_and_nothing_else_is(takes_largest, expected):
    for preset in TTD_PRESETS:
        settings = TTD(preset, normalization="auto", form="linear")
        resolved = settings.resolved(takes_largest)
        assert resolved == TTD(preset, normalization=expected, form="linear")
        assert settings.normalization == "auto"
    for given in ("softmax", "proportional", "none", "peak"):
        assert TTD(normalization=given).resolved(takes_largest) == TTD(normalization=given)


@pytest.mark.parametrize(
    "choice",
    [
        {"temperature": "auto"},
        {"basis": "gradient", "channel": 58},
        {"basis": "gradient", "channel": "auto", "loss": "objective", "temperature": "auto"},
        {"compare": "fused", "loss": "ssim"},
        {"normalization": "auto"},
    ],
    ids=str,
)
def test_a_choice_stays_beside_the_preset(choice):
    for preset in TTD_PRESETS:
        if choice.get("loss") != "objective" or preset != "fusionlab":  # it compares components
            assert TTD(preset, **choice).choices() == {**TTD(preset).choices(), **choice}
