"""What several groups ask of their values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fusionlab.errors import InputError


def at_least(key: str, value: float | None, least: float) -> None:
    """Refuse what is not a finite number of at least ``least``.

    Raises:
        InputError: If it is none; the message names the key.
    """
    if value is None or not least <= value < math.inf:
        raise InputError(f"{key} must be at least {least}, got {value}")


def check_range(key: str, value: float | str | dict[str, float | str] | None) -> None:
    """Refuse what is neither a white level above 0, ``auto``, nor either by source.

    Raises:
        InputError: If it is none; the message names the key.
    """
    for one in value.values() if isinstance(value, dict) else [value]:
        if one is None or one == "auto":
            continue
        if isinstance(one, (str, bool)) or not 0 < one < math.inf:
            raise InputError(f"{key} must be a number above 0 or auto, or by source, got {one!r}")


def check_places(settings: Any, trains: bool = False) -> None:
    """Refuse folders and files that are not there, before seconds are spent on imports.

    What opens them checks them again, and says the same.

    Args:
        settings: The settings of a command; groups that it lacks are passed over.
        trains: Whether ``training.root`` is read.

    Raises:
        InputError: Naming the first.
    """
    folders = [
        (
            getattr(settings.get("data"), "root", None),
            "no folder {}; set data.root to an existing one",
        )
    ]
    if trains:
        text = "no folder {}; set training.root to an existing one"
        folders.append((getattr(settings.get("training"), "root", None), text))
    fused = "no folder {}; set fused to folders of fused images"
    folders += [(path, fused) for path in settings.get("fused") or ()]
    weights = "weights: no folder {}; give folders that hold checkpoints"
    folders += [(path, weights) for path in settings.get("weights") or ()]
    for path, text in folders:
        if path is not None and not Path(path).is_dir():
            raise InputError(text.format(path))
    files = [(path, "no file or folder {}") for path in settings.get("inputs") or ()]
    checkpoint = getattr(settings.get("network"), "checkpoint", None)
    if checkpoint is not None and "://" not in checkpoint and checkpoint != "bundled":
        text = "no checkpoint at {}; set network.checkpoint to an existing file"
        files.append((checkpoint, text))
    for path, text in files:
        if not Path(path).exists():
            raise InputError(text.format(path))


def at_home(path: str | None) -> str | None:
    """A path in which ``~`` is the user's home, as a shell has it."""
    return path if path is None or not path.startswith("~") else str(Path(path).expanduser())


def stays_inside(kind: str, name: str) -> None:
    """Refuse a name that, as part of a path, leads out of the folder it is written below.

    Args:
        kind: What it is a name of.
        name: The name; slashes lead into subfolders.

    Raises:
        InputError: If it is absolute, holds ``..`` or a character that no file name has.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or name.startswith(("/", "\\")) or ".." in parts or "\0" in name:
        raise InputError(f"{kind} {name!r} leads out of its folder; rename it")


def as_name(key: str, value: object) -> str:
    """A name that YAML may have read as a number.

    Raises:
        InputError: If what was written cannot be told from it, as of NO, which becomes false.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{key} has {value!r}; write the name in quotes: '\"NO\"', say")


def shard_of(text: str | None) -> tuple[int, int]:
    """``i/n`` as two numbers; (1, 1) where there is none.

    Raises:
        InputError: If it is no shard.
    """
    one, _, of = ("1/1" if text is None else text).partition("/")
    if not (one.isdecimal() and of.isdecimal() and 1 <= int(one) <= int(of)):
        raise InputError(f"shard must be i/n with i from 1 to n, as 1/8, got {text}")
    return int(one), int(of)
