"""What sources are, from the words in their names: ``ir_img`` and ``lwir`` are infrared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

TASK_OF: dict[str, str] = {  # in the order in which sources are taken
    **dict.fromkeys(("vi", "ir", "nir", "swir"), "vif"),
    **dict.fromkeys(("mri", "t1", "t2", "flair", "ct", "pet", "spect"), "mif"),
    **dict.fromkeys(("under", "normal", "over"), "mef"),
    **dict.fromkeys(("near", "middle", "far"), "mff"),
}
INFRARED = frozenset({"ir", "nir", "swir"})  # they have no colours of their own
_WORDS: dict[str, str] = {
    **dict.fromkeys(("vi", "vis", "visible", "visual", "rgb", "eo", "visibles", "viz"), "vi"),
    **dict.fromkeys(("ir", "infrared", "infra", "inf", "thermal", "therm", "flir"), "ir"),
    **dict.fromkeys(("tir", "lwir", "mwir", "fir", "thermo", "thermals"), "ir"),
    **{"nir": "nir", "swir": "swir", "shortwave": "swir", "longwave": "ir", "midwave": "ir"},
    **{"mri": "mri", "mr": "mri", "t1": "t1", "t2": "t2", "flair": "flair"},
    **{"ct": "ct", "pet": "pet", "spect": "spect"},
    **dict.fromkeys(("under", "ue", "underexposed", "underexposure", "dark"), "under"),
    **dict.fromkeys(("over", "oe", "overexposed", "overexposure", "bright"), "over"),
    **{"normal": "normal", "ne": "normal"},
    **{"near": "near", "foreground": "near", "far": "far", "background": "far"},
    **dict.fromkeys(("mid", "middle", "medium"), "middle"),
}
_WEAK = {"color": "vi", "colour": "vi"}  # unless another word or another source says otherwise
_TOGETHER = {  # two words that tell one thing: near infrared, MR-T1
    **{frozenset({"near", "ir"}): "nir", frozenset({"far", "ir"}): "ir"},
    **{frozenset({"middle", "ir"}): "ir", frozenset({"swir", "ir"}): "swir"},
    **{frozenset({"mri", one}): one for one in ("t1", "t2", "flair")},
}
_LETTERS = {"v": "vi", "t": "ir", "i": "ir"}  # beside a source that is told
_FILLERS = frozenset(
    {
        *("img", "imgs", "image", "images", "photo", "photos", "pic", "pics", "picture", "frame"),
        *("frames", "crop", "cropped", "lr", "hr", "raw", "aligned", "registered", "reg", "source"),
        *("src", "focus", "focused", "exposed", "exposure", "exp", "light", "gray", "grey"),
        *("camera", "cam", "sensor", "band", "slice", "slices", "scan", "new", "the"),
    }
)
_BITS = re.compile(r"\d+[-_ ]?bits?")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+\d?(?!\d)|\d+")


@cache
def role_of(name: str) -> str:
    """What a source is by its name alone; empty if that does not tell, or tells two things."""
    words = _words(name)
    told = {_WORDS[word] for word in words if word in _WORDS}
    weak = {_WEAK[word] for word in words if word in _WEAK}
    if any(word not in _WORDS and word not in _FILLERS and word not in _WEAK for word in words):
        return ""
    told = {_TOGETHER[frozenset(told)]} if frozenset(told) in _TOGETHER else told
    found = told or weak
    return found.pop() if len(found) == 1 else ""


def roles_of(names: Sequence[str], task: str | None = None) -> list[str]:
    """What every source of a sample is; empty where that cannot be told.

    Convention: a middle image is the normal exposure beside exposures; T and V count beside
    a source that is told, a word of the task among others too (``IR_resized``), and of two sources
    the second is what the first leaves over.

    Args:
        names: Their names.
        task: The task, where it is known.
    """
    roles = [role_of(name) for name in names]
    tasks = {TASK_OF[role] for role in roles if role and role != "middle"}
    task = task or (tasks.pop() if len(tasks) == 1 else None)
    if task == "mef":
        roles = ["normal" if role == "middle" else role for role in roles]
    roles = [role or _hinted(name, task) for role, name in zip(roles, names, strict=True)]
    letters = [_LETTERS.get(name.casefold(), "") for name in names]
    if task == "vif" or ({"vi", "ir"} <= set(letters) and not any(roles)):
        roles = [role or letter for role, letter in zip(roles, letters, strict=True)]
        roles = _without_weak(names, roles)
    if task == "vif" and len(roles) == 2 and roles.count("") == 1:
        other = "ir" if "vi" in roles else "vi"
        roles = [role or other for role in roles]
    return [role if task is None or TASK_OF.get(role) == task else "" for role in roles]


def _hinted(name: str, task: str | None) -> str:
    """What a source of a task is, by the only one of its words that says so."""
    told = frozenset(_WORDS[word] for word in _words(name) if word in _WORDS)
    told = frozenset({_TOGETHER[told]}) if told in _TOGETHER else told
    found = [role for role in told if task is not None and TASK_OF.get(role) == task]
    return found[0] if len(found) == 1 else ""


def _hinted_task(names: Sequence[str]) -> str | None:
    """The one task of which every name has a word."""
    tasks = [
        task for task in dict.fromkeys(TASK_OF.values()) if all(_hinted(n, task) for n in names)
    ]
    return tasks[0] if len(tasks) == 1 else None


def sources_by_role(names: Iterable[str]) -> tuple[str, ...]:
    """Those of many names that are the sources of one task, in their order; none if unclear.

    A name whose role another has too is unclear, and so are names of two tasks.
    """
    have = list(names)
    for task in dict.fromkeys(TASK_OF.values()):
        told = [role_of(name) for name in have]
        near = [
            name
            for name, role in zip(have, told, strict=True)
            if TASK_OF.get(role) == task or role == "middle" or name.casefold() in _LETTERS
        ]
        roles = roles_of(near, task) if len(near) > 1 else []
        found = {role: name for role, name in zip(roles, near, strict=False) if role}
        strong = [role for role in map(role_of, near) if TASK_OF.get(role) == task]
        pair_of_letters = task == "vif" and {"v", "t"} <= {name.casefold() for name in near}
        if len(found) < 2 or len(found) < sum(map(bool, roles)):
            continue
        if strong or pair_of_letters:
            return tuple(found[role] for role in TASK_OF if role in found)
    return ()


def in_order(names: Sequence[str], task: str | None = None) -> list[str]:
    """Names of sources in the order of their roles; as they are if one has none, or two the same.

    Args:
        names: Their names.
        task: The task, where it is known.
    """
    roles = roles_of(names, task or _hinted_task(names))
    if not all(roles) or len(set(roles)) < len(roles):
        return list(names)
    order = list(TASK_OF)
    pairs = sorted(zip(roles, names, strict=True), key=lambda pair: order.index(pair[0]))
    return [name for _, name in pairs]


def _without_weak(names: Sequence[str], roles: list[str]) -> list[str]:
    """A folder called colour is no second visible source, nor the colour of labels."""
    strong = [not set(_words(name)) <= {*_WEAK, *_FILLERS} for name in names]
    is_told = any(role == "vi" and sure for role, sure in zip(roles, strong, strict=True))
    return [
        "" if role == "vi" and not sure and is_told else role
        for role, sure in zip(roles, strong, strict=True)
    ]


def _words(name: str) -> list[str]:
    """Words of a name in lower case, those that stand together without a break taken apart."""
    plain = _BITS.sub(" ", name.casefold())
    if plain == name.casefold():
        whole = [name.casefold()]
        if name.casefold() in {*_WORDS, *_WEAK}:
            return whole
    parts = [part.casefold() for part in _PARTS.findall(_BITS.sub(" ", name))]
    if not all(_is_word(part) for part in parts):
        parts = [part for part in re.split(r"[\W_]+", plain) if part]
    return [word for part in parts for word in _split(part)]


def _is_word(part: str) -> bool:
    return part in _WORDS or part in _WEAK or part in _FILLERS


def _split(part: str) -> list[str]:
    """``rgbvis`` as rgb and vis; what is not made of known words stays whole."""
    if _is_word(part):
        return [part]
    for end in range(len(part) - 1, 1, -1):
        if _is_word(part[:end]):
            rest = _split(part[end:])
            if all(map(_is_word, rest)):
                return [part[:end], *rest]
    return [part]
