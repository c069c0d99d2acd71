"""The names that sources and ground truths have in data sets of the field."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

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
ROLES = {  # the names in which networks speak of their sources, see places_of
    **dict.fromkeys(("vi", "vis", "visible", "rgb", "crop_lr_visible"), "vi"),
    **dict.fromkeys(("ir", "infrared", "thermal", "cropinfrared"), "ir"),
    **dict.fromkeys(("under", "ue"), "under"),
    **dict.fromkeys(("over", "oe"), "over"),
}
REFERENCES = ("gt", "reference", "ref", "ground_truth", "groundtruth", "full_clear", "label")
# Elsewhere a folder of this name holds results.
REFERENCES_OF: dict[tuple[str, ...], tuple[str, ...]] = {
    ("imagea", "imageb"): ("fusion",)
}  # Real-MFF


def task_of(source_names: Iterable[str]) -> str | None:
    """The task that names of sources tell, or None."""
    names = {name.casefold() for name in source_names}
    return next((task for known, task in KNOWN_SOURCES.items() if names == set(known)), None)


def places_of(wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    """Places of the sources of a sample in a network's order; as they are if one is unknown to it.

    Args:
        wanted: Names of the network's sources, in its order; a sample need not have all.
        names: Names of the sources of a sample.
    """
    roles = _roles(names)
    if not has_roles(wanted, names):
        return list(range(len(roles)))
    return [roles.index(name) for name in wanted if name in roles]


def has_roles(wanted: Sequence[str], names: Sequence[str]) -> bool:
    """Whether names of sources tell their places in a network's order."""
    roles = _roles(names)
    return len(set(roles)) == len(roles) and set(roles) <= set(wanted)


def _roles(names: Sequence[str]) -> list[str]:
    return [ROLES.get(name.casefold(), name.casefold()) for name in names]


def known(names: Iterable[str]) -> tuple[str, ...] | None:
    """The first known sources that are all among these names."""
    have = set(names)
    return next((sources for sources in KNOWN_SOURCES if have.issuperset(sources)), None)


def truth_among(reference: str | None, names: Iterable[str], have: Collection[str]) -> str:
    """Name of the ground truth, of those at hand; empty if there is none."""
    if reference:
        return reference if reference in have else ""
    names = tuple(names)
    # beside infrared and visible images, labels are classes (FMB)
    excluded = {*names, *(["label"] if task_of(names) == "vif" else [])}
    usual = (*REFERENCES_OF.get(names, ()), *REFERENCES)
    return next((name for name in usual if name in have and name not in excluded), "")


def is_letter(name: str) -> bool:
    """Whether it is a single letter, as the A and B of multi-focus pairs."""
    return len(name) == 1 and name.isalpha()
