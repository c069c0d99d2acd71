import subprocess
import sys

import pytest

from fusionlab.errors import InputError
from fusionlab.registry import (
    LAYOUTS,
    METRICS,
    NETWORKS,
    OBJECTIVES,
    TTD_LOSSES,
    Registry,
)


@pytest.mark.parametrize("registry", [NETWORKS, OBJECTIVES, METRICS, LAYOUTS, TTD_LOSSES])
def test_every_name_stands_for_something(registry):
    for name in registry:
        assert registry[name] is registry[name] is not None


def test_reading_the_names_imports_no_torch():
    """So that ``--help`` answers at once."""
    code = "import fusionlab.registry as r, sys; len(r.NETWORKS), sorted(r.METRICS); "
    code += "sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def registry() -> Registry:
    return Registry("colour", "fusionlab.colours", {"red": "math:pi", "blue": "math:tau"})


def test_a_name_is_imported_when_it_is_asked_for(registry):
    import math

    assert registry["red"] == math.pi
    assert list(registry) == ["red", "blue"]
    assert len(registry) == 2


def test_an_unknown_name_lists_the_known_ones(registry):
    with pytest.raises(InputError, match="unknown colour 'green'; known: red, blue"):
        registry["green"]
    with pytest.raises(InputError, match=r"x\.colour must be one of red, blue, got 'green'"):
        registry.check("x.colour", "green")
    assert registry.get("green") is None
    assert "green" not in registry


def test_what_is_registered_is_found_in_any_case(registry):
    registry["Green"] = 3
    assert registry["GREEN"] == registry.get("green") == 3
    registry.check("x.colour", "green")
    del registry["green"]
    assert "Green" not in registry
