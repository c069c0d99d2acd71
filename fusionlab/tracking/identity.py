"""What tells W&B runs apart, and which of them may be compared."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple

CHECKPOINT = "checkpoint"
LONGEST_NAME = 120  # bytes


class Identity(NamedTuple):
    """How a W&B run is filed."""

    group: str
    """``<data>-<hash>``: runs on the same images in the same order share it."""
    name: str
    """``<network>[-ttd]-<data>``."""
    tags: tuple[str, ...]
    """Tasks, ``ttd`` or ``baseline``, and the metrics' conventions."""
    config: dict[str, Any]
    """The resolved settings, weights, data and versions, flat, with dots in the keys."""


def identify(about: dict[str, Any]) -> Identity:
    """Read the identity of a run off its summary.

    Args:
        about: ``network``, ``ttd``, ``settings``, ``data`` and the provenance, as in
            ``summary.json``.
    """
    data, dynamic = about["data"], about["ttd"] is not None
    named = data_name(data)
    network = about["network"]["name"]
    tasks = dict.fromkeys(one["task"] for one in data)
    return Identity(
        group=f"{named}-{images_hash(data)}",
        name=f"{network}{'-ttd' if dynamic else ''}-{named}",
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


def _metrics(settings: dict[str, Any]) -> list[str]:
    metrics = settings.get("metrics") or {}
    return [f"metrics {name}" for name in metrics.get("names") or [metrics.get("preset", "ttd")]]


def _config(about: dict[str, Any]) -> dict[str, Any]:
    network = {key: value for key, value in about["network"].items() if key != CHECKPOINT}
    files = about["network"].get(CHECKPOINT) or {}
    images = {
        one["task"]: {
            **{key: value for key, value in one.items() if key not in ("ids", "ignored")},
            "count": len(one["ids"]),
            "hash": images_hash([one]),
        }
        for one in about["data"]
    }
    provenance = ("fusionlab", "commit", "versions", "python", "platform", "threads", "devices")
    return {
        **flattened(about["settings"]),
        **flattened({"used": network, CHECKPOINT: files}),
        **flattened({"images": images}),
        **flattened({key: about[key] for key in provenance if key in about}),
    }


def flattened(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``; an empty group is kept as it is."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict) and value:
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def short(name: str) -> str:
    """A name that W&B can make a file of, with more to it; long ones end in their hash."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    start = name.encode()[: LONGEST_NAME - 9].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
