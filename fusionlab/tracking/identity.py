"""What tells W&B runs apart, which of them may be compared, and what their values are called."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

LONGEST_NAME = 120  # bytes
LONGEST_ARTIFACT = 128  # characters, W&B's limit
LISTS = frozenset({"ids", "ignored", "missing", "surplus", "jpeg", "hashes"})  # as long as the data
PROVENANCE = ("fusionlab", "commit", "versions", "python", "platform", "threads", "devices")


class Identity(NamedTuple):
    """How a W&B run is filed."""

    group: str
    """``<data>-<hash>``: runs on the same images in the same order share it."""
    name: str
    """``<networks>[-ttd]-<data>``; without a network the folders of pictures stand for it."""
    tags: tuple[str, ...]
    """Tasks, ``ttd`` or ``baseline``, and the metrics' conventions."""
    config: dict[str, Any]
    """The resolved settings, methods, data and versions, flat, with dots in the keys."""


def identify(about: dict[str, Any]) -> Identity:
    """Read the identity of a run off its summary.

    Args:
        about: ``methods``, ``settings``, ``data`` and the provenance, as in ``summary.json``.
    """
    data, methods = about["data"], about["methods"]
    dynamic = any(method["kind"] == "ttd" for method in methods)
    named = data_name(data)
    fused = "-".join(_fused_by(methods)) + ("-ttd" if dynamic else "")
    tasks = dict.fromkeys(one["task"] for one in data)
    return Identity(
        group=f"{named}-{images_hash(data)}",
        name=short(f"{fused}-{named}"),
        tags=(*tasks, "ttd" if dynamic else "baseline", *_metrics(about["settings"])),
        config=_config(about),
    )


def data_name(data: list[dict[str, Any]]) -> str:
    """Name of a data set, in letters that W&B takes; of several what their names share."""
    words = [one["name"].split() for one in data]
    shared = [word for word in words[0] if all(word in others for others in words)]
    text = " ".join(shared) or " ".join(one["name"] for one in data)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-")[:80] or "data"


def images_hash(data: list[dict[str, Any]]) -> str:
    """First 8 digits of the SHA-256 of all ids in order, and of the manifests."""
    content = [[one["task"], one["ids"], (one.get("manifest") or {}).get("sha256")] for one in data]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]


def place(data: list[dict[str, Any]], task: str, name: str, condition: str = "") -> str:
    """``<task>[/<data set>][/<condition>]``, the part of a key that says where a value belongs.

    The name of the data set is in it where another one has the same task.

    Args:
        data: All data sets of the run.
        task: Task of the one that is meant.
        name: Its name.
        condition: Name of the condition; empty where there is one only.
    """
    several = [one["task"] for one in data].count(task) > 1
    return "/".join([task, *([name] if several else []), *([condition] if condition else [])])


def flattened(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``; an empty group is kept as it is."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name of at most so many bytes; a longer one is cut and ends in its hash."""
    if len(name.encode()) <= longest:
        return name
    start = name.encode()[: longest - 9].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def table_key(run_id: str, key: str) -> str:
    """The key of a table or chart, short enough for the artifact that W&B makes of it."""
    around = f"run-{run_id}-_table-123456"  # the digits: of a hash that W&B may append
    return short(key, LONGEST_ARTIFACT - len(around))


def _fused_by(methods: Iterable[dict[str, Any]]) -> list[str]:
    """The networks by their names in the registry; without any, the folders."""
    found = [one["facts"]["network"]["name"] for one in methods if one["kind"] == "network"]
    found = found or [one["name"] for one in methods if one["kind"] == "folder"]
    return list(dict.fromkeys(found))


def _metrics(settings: dict[str, Any]) -> list[str]:
    metrics = settings.get("metrics")
    return (
        [f"metrics {name}" for name in metrics["names"] or [metrics["preset"]]] if metrics else []
    )


def _config(about: dict[str, Any]) -> dict[str, Any]:
    images = {
        place(about["data"], one["task"], one["name"]): {
            **_without_lists(one),
            "count": len(one["ids"]),
            "hash": images_hash([one]),
        }
        for one in about["data"]
    }
    return {
        **flattened(about["settings"]),
        **flattened({"used": _used(about["methods"])}),
        **flattened({"images": images}),
        **flattened({key: about[key] for key in PROVENANCE if key in about}),
    }


def _used(methods: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """What made the pictures of each method; of one with TTD what it adds to its network."""
    facts = {method["name"]: method["facts"] for method in methods}
    used = {}
    for method in methods:
        known = facts.get(method["base"], {})
        own = {key: value for key, value in method["facts"].items() if key not in known}
        if own:
            used[method["name"]] = {key: _without_lists(value) for key, value in own.items()}
    return used


def _without_lists(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in LISTS}
