"""Manifests as YAML files, those of the package and the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import yaml

from fusionlab.data.files import natural
from fusionlab.data.manifest import File, Manifest
from fusionlab.errors import InputError
from fusionlab.settings.yaml_text import checked

PACKAGED = package_files("fusionlab.data") / "manifests"
REQUIRED = ("name", "title", "task", "layout", "origin", "licence")


def list_manifests() -> list[str]:
    """Names of the data sets that the package knows."""
    found = (Path(entry.name) for entry in PACKAGED.iterdir())
    return sorted((path.stem for path in found if path.suffix == ".yaml"), key=natural)


def load_manifest(name: str | Path) -> Manifest:
    """A manifest of the package by its name, or of the user by its path.

    Raises:
        InputError: If there is none, or it is not well-formed.
    """
    if str(name) in list_manifests():
        return parse_manifest((PACKAGED / f"{name}.yaml").read_text("utf-8"), str(name))
    if Path(name).suffix not in (".yaml", ".yml"):
        raise InputError(
            f"no data set named {name!r}; there are {', '.join(list_manifests())}, "
            "or give the path of a manifest (.yaml)"
        )
    try:
        text = Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as reason:
        raise InputError(f"no manifest can be read from {name} ({reason})") from None
    return parse_manifest(text, str(name))


def parse_manifest(text: str, where: str) -> Manifest:
    """A manifest from YAML.

    Raises:
        InputError: If it is not well-formed, naming ``where`` it comes from.
    """
    try:
        # Every scalar as text: an id 010 is no number, and none called NO is false.
        checked(text, where)
        said = yaml.load(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
        return _manifest(_mapping("a manifest", said))
    except (yaml.YAMLError, InputError) as reason:
        raise InputError(f"{where} is no manifest: {' '.join(str(reason).split())}") from None


def manifest_text(manifest: Manifest) -> str:
    """YAML that :func:`parse_manifest` reads back as the same manifest."""
    said: dict[str, Any] = {}
    for key in (field.name for field in fields(Manifest)):
        value = getattr(manifest, key)
        if value not in (None, "", {}):
            said[key] = value
    if manifest.samples is not None:
        said["samples"] = {
            id: {
                name: _Line((key, value) for key, value in vars(file).items() if value is not None)
                for name, file in manifest.samples[id].items()
            }
            for id in manifest.ids or ()
        }
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=240)


class _Line(dict[str, Any]):
    """A mapping that is written in one line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Line,
    lambda dumper, line: dumper.represent_mapping(
        "tag:yaml.org,2002:map", line.items(), flow_style=True
    ),
)


def _manifest(said: Mapping[str, Any]) -> Manifest:
    known = [field.name for field in fields(Manifest)]
    for key in said:
        if key not in known:
            raise InputError(f"{key} is no key; there are {', '.join(known)}")
    for key in REQUIRED:
        if not said.get(key):
            raise InputError(f"{key} is missing")
    values = dict(said)
    for key in values.keys() - {"sources", "samples"}:
        values[key] = _text(key, values[key])
    if "count" in said:
        values["count"] = _number("count", said["count"])
    if "sources" in said:
        sources = _mapping("sources", said["sources"])
        values["sources"] = {name: _text(f"source {name}", at) for name, at in sources.items()}
    if "samples" in said:
        values["samples"] = {
            id: {name: _file(file) for name, file in _mapping(f"sample {id}", sample).items()}
            for id, sample in _mapping("samples", said["samples"]).items()
        }
    return Manifest(**values)


def _file(said: object) -> File:
    values = _mapping("a file", said)
    if "path" not in values or values.keys() - {"path", "size", "sha256"}:
        raise InputError(f"a file has a path, size and sha256, got {', '.join(values)}")
    size = _number("size", values["size"]) if "size" in values else None
    sha256 = _text("sha256", values["sha256"]) if "sha256" in values else None
    return File(_text("path", values["path"]), size, sha256)


def _mapping(key: str, said: object) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise InputError(f"{key} must be a mapping, got {said!r}")
    return said


def _text(key: str, said: object) -> str:
    if not isinstance(said, str):
        raise InputError(f"{key} must be text, got {said!r}")
    return said


def _number(key: str, said: object) -> int:
    if not (isinstance(said, str) and said.isdecimal()):
        raise InputError(f"{key} must be a whole number, got {said!r}")
    return int(said)
