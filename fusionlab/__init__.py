"""fusionlab: train, evaluate and improve deep image fusion networks."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionlab.evaluation.api import evaluate, score
    from fusionlab.fusing import Fuser
    from fusionlab.networks import create_network
    from fusionlab.settings import TTD

__version__ = "0.1.0"
__all__ = ["TTD", "Fuser", "create_network", "evaluate", "score"]

_PLACES = {  # imported when they are asked for: torch takes seconds
    "TTD": "fusionlab.settings",
    "Fuser": "fusionlab.fusing",
    "create_network": "fusionlab.networks",
    "evaluate": "fusionlab.evaluation.api",
    "score": "fusionlab.evaluation.api",
}


def __getattr__(name: str) -> Any:
    """One of the objects that the package gives by its own name."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
