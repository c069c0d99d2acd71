"""What a config may contain. No torch here: ``--help`` and mistakes answer at once."""

from fusionlab.settings.bench import Conditions, Corruption, Method
from fusionlab.settings.groups import Data, Metrics, Network, Task, Trainer, Training
from fusionlab.settings.tasks import Tasks
from fusionlab.settings.ttd import TTD, TTD_PRESETS

__all__ = [
    "TTD",
    "TTD_PRESETS",
    "Conditions",
    "Corruption",
    "Data",
    "Method",
    "Metrics",
    "Network",
    "Task",
    "Tasks",
    "Trainer",
    "Training",
]
