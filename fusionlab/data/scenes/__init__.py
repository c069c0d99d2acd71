"""Scenes that need no download: enough to try every task, small enough for a test.

They are made from photographs that no bundled network was trained on, and from drawn geometry.
"""

from functools import lru_cache

from fusionlab.data.scenes.infrared_visible import infrared_visible_scenes
from fusionlab.data.scenes.medical import medical_scenes
from fusionlab.data.scenes.multi_exposure import multi_exposure_scenes
from fusionlab.data.scenes.multi_focus import multi_focus_scenes
from fusionlab.data.scenes.scene import Scene

__all__ = ["TASKS", "Scene", "built_in_scenes"]

_SCENES_OF = {
    "vif": infrared_visible_scenes,
    "mif": medical_scenes,
    "mef": multi_exposure_scenes,
    "mff": multi_focus_scenes,
}
TASKS = tuple(_SCENES_OF)


@lru_cache
def built_in_scenes(task: str) -> tuple[Scene, ...]:
    """The built-in scenes of one task, made on first use and then kept.

    Args:
        task: ``vif`` (infrared and visible), ``mif`` (medical), ``mef`` (multi-exposure) or ``mff``
            (multi-focus). The last two have references.

    Raises:
        ValueError: If there is no such task.
    """
    if task not in _SCENES_OF:
        raise ValueError(f"no task named {task!r}; there are {', '.join(TASKS)}")
    return _SCENES_OF[task]()
