"""The built-in scenes as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from fusionlab.console import note
from fusionlab.data.classes import ClassSet
from fusionlab.data.dataset import FusionDataset
from fusionlab.data.labels import Labels, object_labels
from fusionlab.data.scenes import Scene, built_in_scenes

SCENE_CLASSES = {  # of boxes and of masks
    "vif": (ClassSet(("person",)), ClassSet(("background", "person"))),
    "mif": (ClassSet(("lesion",)), ClassSet(("background", "lesion"))),
}


class SceneDataset(FusionDataset):
    """The built-in scenes of one task.

    Args:
        task: The task.
    """

    def __init__(self, task: str) -> None:
        super().__init__(f"built-in {task} scenes", task)
        self._take(built_in_scenes(task))
        self.has_reference = self.scenes[0].reference is not None

    def _take(self, scenes: Sequence[Scene]) -> None:
        self.scenes = tuple(scenes)
        self.ids = [scene.id for scene in self.scenes]
        self.source_names = [scene.source_names for scene in self.scenes]
        self.sizes = [(one.shape[-2], one.shape[-1]) for one in (s.sources[0] for s in scenes)]

    def keep(self, count: int, network: str) -> None:
        """Leave out the scenes that a network does not take, and say so, if it takes some.

        Args:
            count: How many sources it takes.
            network: Its name.
        """
        fitting = [scene for scene in self.scenes if len(scene.sources) == count]
        others = [scene.id for scene in self.scenes if len(scene.sources) != count]
        if fitting and others:
            note(f"{', '.join(others)} left out: {network} takes exactly {count} sources")
            self._take(fitting)

    def images(self, index: int) -> tuple[list[Tensor], Tensor | None]:
        """The tensors of a scene."""
        scene = self.scenes[index]
        return list(scene.sources), scene.reference

    def labels(self, index: int) -> Labels:
        """People and lesions, where the code drew them."""
        return object_labels(self.scenes[index].objects, *self.label_classes)

    @property
    def label_classes(self) -> tuple[ClassSet, ClassSet]:
        """Of infrared and visible scenes the people, of medical ones the lesions."""
        return SCENE_CLASSES.get(self.task, (ClassSet(()), ClassSet(())))

    def describe(self) -> dict[str, Any]:
        """Name, task and ids."""
        names = max(self.source_names, key=len)
        return {
            "name": self.name,
            "task": self.task,
            "source_names": list(names),
            "ids": self.ids,
        }
