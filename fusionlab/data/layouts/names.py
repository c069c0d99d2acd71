"""The names that sources and ground truths have in data sets of the field."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from fusionlab.data.files import key
from fusionlab.data.layouts.roles import (
    INFRARED,
    TASK_OF,
    in_order,
    role_of,
    roles_of,
    sources_by_role,
)

KNOWN_SOURCES: dict[tuple[str, ...], str] = {  # in this order, case-folded, with their task
    ("crop_lr_visible", "cropinfrared"): "vif",  # RoadScene
    ("vi", "ir"): "vif",
    ("vis", "ir"): "vif",
    ("visible", "infrared"): "vif",
    ("rgb", "thermal"): "vif",
    ("mri", "ct"): "mif",
    ("mri", "pet"): "mif",
    ("mri", "spect"): "mif",
    ("under", "over"): "mef",
    ("ue", "oe"): "mef",
    ("near", "middle", "far"): "mff",
    ("near", "far"): "mff",
    ("imagea", "imageb"): "mff",  # Real-MFF
    ("source_1", "source_2"): "mff",  # MFI-WHU
}
REFERENCES = ("gt", "reference", "ref", "ground_truth", "groundtruth", "full_clear", "label")
LABEL_FOLDERS = (  # of boxes and masks: never sources, unless they are named
    *("labels", "label", "annotations", "annotation", "annotations-xml", "detection"),
    *("segmentation_labels", "masks", "mask"),
)
# Elsewhere a folder of this name holds results.
REFERENCES_OF: dict[tuple[str, ...], tuple[str, ...]] = {
    ("imagea", "imageb"): ("fusion",)
}  # Real-MFF


NO_TRUTH = ""  # as a reference: there is none, whatever names there are


def task_of(source_names: Iterable[str]) -> str | None:
    """The task that names of sources tell, all of them, or None."""
    names = {key(name) for name in source_names}
    exact = next((task for known, task in KNOWN_SOURCES.items() if names == set(known)), None)
    if exact or not is_told(names):
        return exact
    return next(TASK_OF[role] for role in roles_of(sorted(names)) if role)


def is_told(names: Collection[str]) -> bool:
    """Whether each of several names is a source of one task by its role."""
    return len(names) > 1 and len(sources_by_role(sorted(names))) == len(names)


def places_of(wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    """Places of the sources of a sample in a network's order; as they are if one is unknown to it.

    Args:
        wanted: Names of the network's sources, in its order; a sample need not have all.
        names: Names of the sources of a sample.
    """
    roles = named_roles(wanted, names)
    if not has_roles(wanted, names):
        return list(range(len(roles)))
    return [roles.index(name) for name in wanted if name in roles]


def has_roles(wanted: Sequence[str], names: Sequence[str]) -> bool:
    """Whether names of sources tell their places in a network's order."""
    roles = named_roles(wanted, names)
    return len(set(roles)) == len(roles) and set(roles) <= set(wanted)


def named_roles(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """The sources of a sample in the words of a network; in their own where it knows none."""
    task = TASK_OF.get(wanted[0]) if wanted else None
    roles = roles_of(names, task)
    if "ir" not in roles:  # the only one beyond the visible stands for it
        roles = ["ir" if role in INFRARED else role for role in roles]
    return [role or key(name) for role, name in zip(roles, names, strict=True)]


def known(names: Iterable[str]) -> tuple[str, ...]:
    """All sources among these names, in their order; none where names do not tell.

    Convention: names of data sets of the field go first, in the order of the table; to them come
    further sources of the same task, and further numbers or letters of the same name.
    """
    have = [key(name) for name in names]
    pair = next((sources for sources in KNOWN_SOURCES if set(have).issuperset(sources)), ())
    if not pair:
        return sources_by_role(have)
    task = KNOWN_SOURCES[pair]
    told = [role_of(name) for name in pair]
    if not all(told):
        return (*pair, *_next_in_series(pair, have))
    others: dict[str, list[str]] = {}
    for name in have:
        role = "" if name in pair else role_of(name)
        role = "normal" if (role, task) == ("middle", "mef") else role
        if TASK_OF.get(role) == task and role not in told:
            others.setdefault(role, []).append(name)
    more = [found[0] for found in others.values() if len(found) == 1]
    return tuple(in_order([*pair, *more], task))


def resolved(given: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Names as they are given, a number as it is written: 1 is also 01, where there is no 1."""
    have = [key(name) for name in names]
    found = []
    for name in map(key, given):
        same = [
            one for one in have if one.isdecimal() and name.isdecimal() and int(one) == int(name)
        ]
        found.append(same[0] if name not in have and len(set(same)) == 1 else name)
    return tuple(found)


def truth_among(reference: str | None, names: Iterable[str], have: Collection[str]) -> str:
    """Name of the ground truth among the folders given; empty if there is none.

    Infrared–visible and medical sources have none unless it is named: beside them lie masks.
    """
    if reference is not None:
        return reference if reference in have else ""
    names = tuple(names)
    if task_of(names) in ("vif", "mif"):
        return ""
    usual = (*REFERENCES_OF.get(names, ()), *REFERENCES)
    return next((name for name in usual if name in have and name not in names), "")


def is_letter(name: str) -> bool:
    """Whether it is a single letter, as the A and B of multi-focus pairs."""
    return len(name) == 1 and name.isalpha()


def is_free(name: str) -> bool:
    """Whether it is no name of ground truths or labels, and may be that of a source."""
    return name not in (*REFERENCES, *LABEL_FOLDERS)


def _next_in_series(pair: tuple[str, ...], have: Sequence[str]) -> list[str]:
    """``imagec`` after ``imagea`` and ``imageb``, ``source_3`` after ``source_2``."""
    found, last = [], pair[-1]
    while (following := last[:-1] + chr(ord(last[-1]) + 1)) in have:
        found.append(following)
        last = following
    return found
