"""Checkpoints in folders: whose they are, and the methods that they make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from safetensors import SafetensorError, safe_open

from fusionlab.errors import InputError
from fusionlab.networks.checkpoints import LEARNED, bundled_checkpoint, file_sha256
from fusionlab.networks.published import Published
from fusionlab.registry import NETWORKS
from fusionlab.settings import Method, Task
from fusionlab.settings.bench import EVERY

OURS = ".safetensors"


@dataclass(frozen=True)
class Found:
    """A checkpoint of a network.

    Args:
        network: The network's name.
        path: The file.
        tasks: What it alone was trained for; empty if that is what its network is for.
    """

    network: str
    path: Path
    tasks: tuple[str, ...]


def methods_with_weights(
    given: Sequence[Method], folders: Sequence[str], tasks: Sequence[str]
) -> tuple[list[Method], list[str]]:
    """A method for each checkpoint in the folders, in place of a network that names none.

    A network without weights, or with a checkpoint, stays as it is. Of a network that has no file
    for these tasks the one that the package carries is taken, else it is left out.

    Args:
        given: Methods; ``all`` is every network that is made for one of the tasks.
        folders: Searched with their subfolders. The authors' files are known by their hash, or by
            their name where no hash is on record; our own say what they are.
        tasks: Of the data.

    Returns:
        The methods, and a line on each network that is left out.

    Raises:
        InputError: If a folder does not exist.
    """
    given = _without_all(given, tasks)
    needing = [one.network for one in given if one.checkpoint is None and _trainable(one.network)]
    found = find_weights(folders, list(dict.fromkeys(needing))) if folders else []
    methods, lines = [], []
    for method in given:
        if method.checkpoint is not None or not _trainable(method.network):
            methods.append(method)
            continue
        own = [one for one in found if one.network == method.network]
        fitting = [one for one in own if not one.tasks or set(one.tasks) & set(tasks)]
        methods += [_with(method, one, len(fitting) > 1) for one in fitting]
        if not fitting and _is_bundled(method.network):
            methods.append(method)
        elif not fitting:
            lines.append(_missing(method.network, own, folders, tasks))
    return methods, lines


def _without_all(given: Sequence[Method], tasks: Sequence[str]) -> list[Method]:
    """``all`` as every network with weights that is made for a task, and is not named besides."""
    named = {one.network for one in given}
    found: list[Method] = []
    for one in given:
        if one.network != EVERY:
            found.append(one)
            continue
        names = [name for name in sorted(NETWORKS) if name not in named and _trainable(name)]
        found += [replace(one, network=x) for x in names if set(NETWORKS[x].tasks) & set(tasks)]
    return found


def find_weights(folders: Sequence[str], names: Sequence[str]) -> list[Found]:
    """The checkpoints of some networks in folders, in the order of their paths.

    Two files with the same bytes count once.

    Raises:
        InputError: If a folder does not exist.
    """
    whole = [name for name in names if not NETWORKS[name].parts]
    entries = [(name, entry) for name in whole for entry in NETWORKS[name].published]
    endings = {OURS, *(Path(entry.file).suffix for _, entry in entries)}
    found = {(name, str(path)): Found(name, path, ()) for name, path in _in_parts(folders, names)}
    for path in _files(folders, endings):
        sha256 = file_sha256(path)
        for name, entry in entries:
            if entry.sha256 == sha256 or (entry.sha256 is None and entry.file == path.name):
                one = Found(name, path, entry.tasks)
                found.setdefault((name, sha256), one)
        if path.suffix == OURS and (name := _stated(path)) in names:
            found.setdefault((name, sha256), Found(name, path, ()))
    return list(found.values())


def _in_parts(folders: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Folders that hold every part of a network."""
    for name in names:
        files = [f"{part}.pth" for part in NETWORKS[name].parts]
        for path in _files(folders, {".pth"} if files else set()):
            if path.name == files[0] and all((path.parent / one).is_file() for one in files):
                yield name, path.parent


def _files(folders: Sequence[str], endings: set[str]) -> Iterator[Path]:
    for folder in folders:
        if not Path(folder).is_dir():
            raise InputError(f"weights: no folder {folder}; give folders that hold checkpoints")
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix in endings and path.is_file():
                yield path


def _stated(path: Path) -> str:
    """The network that a file of ours says it is of."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("network", "")
    except (SafetensorError, OSError):
        return ""


def _with(method: Method, found: Found, several: bool) -> Method:
    named = method.name and several
    name = f"{method.name} ({found.path.stem})" if named else method.name
    tasks = [one for one in get_args(Task) if one in found.tasks] or method.tasks
    return replace(method, checkpoint=str(found.path), name=name, tasks=tasks)


def _missing(name: str, own: Sequence[Found], folders: Sequence[str], tasks: Sequence[str]) -> str:
    """Why a network is left out, and what would bring it in."""
    where = ", ".join(folders)
    if own:
        files = ", ".join(one.path.name for one in own)
        return f"{name} is left out: {files} in {where} is not for {', '.join(tasks)}"
    published = NETWORKS[name].published
    wanted = [one for one in published if not one.tasks or set(one.tasks) & set(tasks)]
    joint = " with " if NETWORKS[name].parts else " or "
    files = joint.join(_linked(one) for one in wanted)
    remedy = files or "none is published: train it, or convert other weights to safetensors"
    reason = f"no weights of it in {where}" if folders else "no folder of weights is given"
    return f"{name} is left out: {reason} ({remedy})"


def _linked(entry: Published) -> str:
    return f"{entry.file} ({entry.url})" if entry.url else entry.file


def _trainable(name: str) -> bool:
    return bool(NETWORKS[name].trainable)


def _is_bundled(name: str) -> bool:
    """Whether bundled weights stand in; those of a task do not pass for their authors'."""
    own = {network for network, _ in LEARNED.values()}
    if name in own and NETWORKS[name].published:
        return False
    try:
        bundled_checkpoint(name)
    except InputError:
        return False
    return True
