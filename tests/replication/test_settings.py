import pytest

from fusionlab.laboratory.replication.settings import SETTINGS, default_label
from fusionlab.settings import TTD


@pytest.mark.parametrize("takes_largest", [True, False])
def test_the_packages_default_is_among_the_settings(takes_largest):
    found = SETTINGS[default_label(takes_largest)]
    assert found.choices() == TTD().resolved(takes_largest).choices()
