import pytest

from fusionlab.errors import InputError
from fusionlab.settings import TTD


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


def test_the_presets_are_what_they_were():
    assert TTD().choices() == {
        "basis": "loss",
        "compare": "components",
        "loss": "l1",
        "temperature": 1.0,
        "channel": "mean",
        "form": "exp",
        "normalization": "softmax",
        "correlation": "negative",
    }
    assert TTD("authors").choices() == {**TTD().choices(), "loss": "mse", "temperature": 50.0}


@pytest.mark.parametrize(
    "choice",
    [
        {"temperature": "auto"},
        {"basis": "gradient", "channel": 58},
        {"basis": "gradient", "channel": "auto", "loss": "objective", "temperature": "auto"},
        {"compare": "fused", "loss": "ssim"},
    ],
    ids=str,
)
def test_a_choice_stays_beside_the_preset(choice):
    assert TTD(**choice).choices() == {**TTD().choices(), **choice}
