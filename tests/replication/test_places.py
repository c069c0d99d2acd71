import pytest

from fusionlab.laboratory.replication import places
from fusionlab.laboratory.replication.places import setting_place, setting_places
from fusionlab.laboratory.replication.settings import SETTINGS
from fusionlab.settings import TTD


def test_a_setting_is_kept_by_what_it_computes():
    paper = setting_place("paper", TTD("paper"))
    assert paper == setting_place("paper", TTD("authors", loss="l1", temperature=1.0))
    assert paper != setting_place("paper", TTD("paper", temperature=2.0))
    digests = {kept.rpartition(" ")[2] for kept in setting_places(SETTINGS).values()}
    assert len(digests) == 1 + len(SETTINGS)  # and static
    assert {len(one) for one in digests - {"static"}} == {8}


@pytest.mark.parametrize("constant", ["FACTOR", "WINDOW", "SIGMA"])
def test_a_setting_is_kept_by_the_constants_it_is_computed_with(constant, monkeypatch):
    before = setting_place("paper", TTD("paper"))
    monkeypatch.setattr(places, constant, getattr(places, constant) + 2)
    assert setting_place("paper", TTD("paper")) != before


def test_the_static_network_is_kept_plain():
    assert setting_places({})["static"] == "static"
