"""Classes of labelled data sets: names, colours, and what counts as not labelled.

Label images hold indices (MSRS, MFNet, FMB as downloaded), or the colours below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from fusionlab.errors import InputError

IGNORED = 255  # index of pixels that count for nothing
Colour = tuple[int, int, int]

_TURNS = (0, 5, 10, 3, 8, 1, 6, 11, 4, 9, 2, 7)  # around the circle of hues, far from each other


@dataclass(frozen=True)
class ClassSet:
    """The K classes of a data set.

    Args:
        names: By index.
        colours: By index; empty where the data set states none.
        ignored: Indices that count for nothing, besides 255.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...] = ()
    ignored: tuple[int, ...] = ()

    def colour(self, index: int) -> Colour:
        """What a class is drawn in."""
        return self.colours[index] if self.colours else usual_colour(index)


MFNET = ClassSet(
    ("background", "car", "person", "bike", "curve", "car stop", "guardrail", "cone", "bump"),
    (
        *((0, 0, 0), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 192)),
        *((128, 128, 0), (64, 64, 128), (192, 128, 128), (192, 64, 0)),
    ),
)
FMB = ClassSet(
    (
        *("background", "road", "sidewalk", "building", "traffic light", "traffic sign"),
        *("vegetation", "sky", "person", "car", "truck", "bus", "motorcycle", "bicycle", "pole"),
    ),
    (
        *((0, 0, 0), (179, 228, 228), (181, 57, 133), (67, 162, 177), (200, 178, 50)),
        *((132, 45, 199), (66, 172, 84), (179, 73, 79), (76, 99, 166), (66, 121, 253)),
        *((137, 165, 91), (155, 97, 152), (105, 153, 140), (222, 215, 158), (135, 113, 90)),
    ),
)
MASK_CLASSES = {
    "msrs": MFNET,
    "mfnet": MFNET,
    "fmb": FMB,
    "fmb14": ClassSet(FMB.names, FMB.colours, ignored=(0,)),  # without the background
}
BOX_CLASSES = {  # of data whose label files have numbers only
    "m3fd": ClassSet(("person", "car", "bus", "traffic light", "motorcycle", "truck")),
    "llvip": ClassSet(("person",)),
}
SAME = {  # names of the field, by the name that they share
    **dict.fromkeys(("people", "pedestrian", "pedestrians"), "person"),
    **dict.fromkeys(("lamp", "light", "traffic lamp", "trafficlight"), "traffic light"),
    **dict.fromkeys(("motorbike", "motor"), "motorcycle"),
    **dict.fromkeys(("bike", "cycle"), "bicycle"),
    "sign": "traffic sign",
}


def plain_class(name: str) -> str:
    """The name under which a class is compared, whatever a data set calls it."""
    text = " ".join(name.casefold().replace("_", " ").split())
    return SAME.get(text, text)


def known_classes(kind: dict[str, ClassSet], place: PurePath) -> ClassSet | None:
    """The classes of a data set that a folder's name, or its parent's, begins with."""
    for part in place.parts[:-4:-1]:
        name = part.casefold()
        found = [one for one in kind if name.startswith(one)]
        if found:
            return kind[max(found, key=len)]
    return None


def named_classes(kind: dict[str, ClassSet], given: Sequence[str]) -> ClassSet:
    """The classes that a setting names: those of a data set, or by their own names.

    Raises:
        InputError: If a name comes twice.
    """
    names = tuple(given)
    if len(names) == 1 and names[0].casefold() in kind:
        return kind[names[0].casefold()]
    if len({plain_class(one) for one in names}) < len(names):
        raise InputError("data.classes names a class twice; give each index its own name")
    return ClassSet(names)


def usual_colour(index: int) -> Colour:
    """A colour for a class without one: twelve hues, then the same darker."""
    turn, rest = divmod(index, len(_TURNS))
    bright = 255 // (turn + 1)
    hue = _TURNS[rest] / 2
    wave = [abs((hue + shift) % 6 - 3) - 1 for shift in (0, 4, 2)]
    red, green, blue = (round(bright * min(1, max(0, one))) for one in wave)
    return red, green, blue
