import math

import pytest

from fusionlab.errors import InputError
from fusionlab.settings import Conditions, Corruption, Method


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("ifcnn", Method("ifcnn")),
        ("ifcnn@IFCNN-MAX.pth", Method("ifcnn", "IFCNN-MAX.pth")),
        ("MAX=ifcnn@IFCNN-MAX.pth", Method("ifcnn", "IFCNN-MAX.pth", name="MAX")),
        ("mine=densefuse", Method("densefuse", name="mine")),
        ("densefuse@hf://a/b/c=d.pth", Method("densefuse", "hf://a/b/c=d.pth")),
        ("a=ifcnn@b=c@d.pth", Method("ifcnn", "b=c@d.pth", name="a")),
    ],
)
def test_the_short_form_of_a_method(text, method):
    assert Method.parse(text) == method


@pytest.mark.parametrize("text", ["", "@a.pth", "ifcnn@", "name=", "name=@a.pth"])
def test_what_is_no_method_is_refused_with_the_form(text):
    with pytest.raises(InputError, match="is no method; write NETWORK, NETWORK@CHECKPOINT or NAM"):
        Method.parse(text)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"network": "ifccn"}, r"methods\.network must be one of .*ifcnn.*, got 'ifccn'"),
        ({"network": "ifcnn", "name": " "}, r"methods\.name must not be empty"),
        ({"network": "ifcnn", "options": {"checkpoint": "a"}}, "set network.checkpoint"),
    ],
)
def test_a_method_that_cannot_be_is_refused(given, reason):
    with pytest.raises(InputError, match=reason):
        Method(**given)


@pytest.mark.parametrize("severities", [[], [0], [1, 6]])
def test_severities_are_from_1_to_5(severities):
    with pytest.raises(InputError, match="severities must be from 1 to 5"):
        Corruption("jpeg", severities=severities)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"parameter_noise": [0.1], "subsets": {"day": "*D"}}, "two experiments; unset one"),
        ({"corruption": [Corruption("jpeg")], "subsets": {"a": "b"}}, "two experiments"),
        ({"parameter_noise": [-0.1]}, "conditions.parameter_noise must be at least 0"),
        ({"parameter_noise": [math.inf]}, "conditions.parameter_noise must be at least 0"),
        ({"noise_draws": 0}, "conditions.noise_draws must be at least 1"),
        ({"repeats": 0}, "conditions.repeats must be at least 1"),
        ({"limit": 0}, "conditions.limit must be at least 1"),
    ],
    ids=str,
)
def test_conditions_that_cannot_be_are_refused(given, reason):
    with pytest.raises(InputError, match=reason):
        Conditions(**given)
