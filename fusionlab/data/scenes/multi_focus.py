"""Multi-focus scenes: photographs defocused by their depth, sharp as a reference.

The depth is measured (motorcycle), traced (astronaut, camera) or a slope (coffee on its table).
"""

import torch
from torch import Tensor

from fusionlab.data.defocus import layered_defocus
from fusionlab.data.photographs import motorcycle_disparity
from fusionlab.data.scenes import outlines
from fusionlab.data.scenes.scene import Scene, make_scene, resized, scene_photograph
from fusionlab.data.shapes import grid

SLICES = 13  # of a continuous depth; the ends of the depth of field below fall on slices


def multi_focus_scenes() -> tuple[Scene, ...]:
    """All scenes of task ``mff``."""
    return (_motorcycle(), _coffee(), _camera(), _astronaut())


def _motorcycle() -> Scene:
    """Two planes, a measured disparity, an odd width."""
    size = (250, 371)
    disparity = resized(motorcycle_disparity(), size)
    disparity = (disparity - disparity.min()) / (disparity.max() - disparity.min())
    return _on_planes("motorcycle", scene_photograph("stereo_motorcycle", size), disparity, 2, 14)


def _coffee() -> Scene:
    """Three planes on the slope of the table, nearer towards the viewer."""
    size = (256, 384)
    _, y = grid(size)
    return _on_planes("coffee", scene_photograph("coffee", size), y.expand(1, *size), 3, 16)


def _camera() -> Scene:
    """A grey scene: the man and his tripod before the far side of the field."""
    size = (320, 320)
    front = torch.maximum(outlines.cameraman(size), outlines.tripod(size))
    return _in_front("camera", scene_photograph("camera", size), front, radius=6)


def _astronaut() -> Scene:
    """The astronaut before the flag and the model of the shuttle, odd in both directions."""
    size = (321, 321)
    return _in_front(
        "astronaut", scene_photograph("astronaut", size), outlines.astronaut(size), radius=6
    )


def _in_front(name: str, sharp: Tensor, matte: Tensor, radius: int) -> Scene:
    """Focused on the object in front and on the background."""
    near, far = layered_defocus(sharp, matte, planes=(1.0, 0.0), aperture=radius)
    return make_scene("mff", name, {"near": near, "far": far}, reference=sharp)


def _on_planes(name: str, sharp: Tensor, disparity: Tensor, count: int, aperture: float) -> Scene:
    """Focused on evenly spaced planes whose depths of field touch, nearest first."""
    planes = [1 - (2 * m + 1) / (2 * count) for m in range(count)]
    names = ("near", "far") if count == 2 else ("near", "middle", "far")
    images = layered_defocus(sharp, disparity, planes, aperture, 1 / (2 * count), SLICES)
    return make_scene("mff", name, dict(zip(names, images, strict=True)), reference=sharp)
