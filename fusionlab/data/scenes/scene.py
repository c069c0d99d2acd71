"""What a built-in scene is, and the steps that all of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from fusionlab.data.photographs import photograph


@dataclass(frozen=True, eq=False)
class Scene:
    """Co-registered sources of one scene.

    The tensors are shared by everybody who asks for the scene: clone before changing one.

    Args:
        id: Unique among all scenes, such as ``mff-coffee``.
        task: One of ``vif``, ``mif``, ``mef``, ``mff``.
        source_names: The M names, such as ``("near", "far")``, in the order of ``sources``.
        sources: M images of one size, each (1, H, W) or (3, H, W), float32 in [0, 1] on the 256
            levels of an 8-bit file.
        reference: What a perfect fusion shows, on the same levels; None where nobody can know.
        objects: What is to be found in it: names, and mattes (1, H, W) in [0, 1].
    """

    id: str
    task: str
    source_names: tuple[str, ...]
    sources: tuple[Tensor, ...]
    reference: Tensor | None
    objects: tuple[tuple[str, Tensor], ...] = ()


def make_scene(
    task: str,
    name: str,
    sources: Mapping[str, Tensor],
    reference: Tensor | None = None,
    objects: Sequence[tuple[str, Tensor]] = (),
) -> Scene:
    """A scene from sources by name, quantised as if read from 8-bit files."""
    return Scene(
        id=f"{task}-{name}",
        task=task,
        source_names=tuple(sources),
        sources=tuple(quantised(source) for source in sources.values()),
        reference=None if reference is None else quantised(reference),
        objects=tuple(objects),
    )


def quantised(image: Tensor) -> Tensor:
    """Clip to [0, 1] and round to multiples of 1/255."""
    return (image.clamp(0, 1) * 255).round() / 255


def scene_photograph(name: str, size: tuple[int, int]) -> Tensor:
    """A photograph scaled to (H, W) without aliasing, (C, H, W) in [0, 1]."""
    return resized(photograph(name), size)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale a (C, H, W) image to ``size`` without aliasing."""
    return F.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
