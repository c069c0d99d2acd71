"""What made the numbers, in lines for the reader."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from fusionlab.report.results import ttd_line


def method(about: dict[str, Any]) -> str:
    """What the fused images are called: the network's name as in the tables."""
    return about["network"]["name"].upper()


def facts(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a term and its text.

    Folders of the user are left out: a report is made to be handed on.

    Args:
        about: ``summary.json``.
    """
    return [
        ("Network", _network(about["network"])),
        ("Weights", _weights(about["network"]["checkpoint"])),
        ("TTD", _ttd(about["ttd"])),
        *((f"Data, {data['task'].upper()}", _data(data)) for data in about["data"]),
        ("Program", f"fusionlab {about['fusionlab']}, commit {about['commit'] or 'unknown'}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in _versions(about))),
        ("Machine", ", ".join([about["platform"], *(about["devices"] or [_threads(about)])])),
        ("Seed", str(about["settings"]["seed"])),
    ]


def _network(network: dict[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in network["options"].items())
    stretched = "; each image stretched to the full range" if network["stretch"] else ""
    return network["name"] + (f" ({options})" if options else "") + stretched


def _weights(checkpoint: dict[str, Any] | None) -> str:
    if checkpoint is None:
        return "untrained"
    path = checkpoint["path"]
    name = path if "://" in path else PurePath(path).name
    return f"{name}, sha256 {checkpoint['sha256']}"


def _ttd(ttd: dict[str, Any] | None) -> str:
    return "none: the static network alone" if ttd is None else ttd_line(ttd)


def _data(data: dict[str, Any]) -> str:
    count = "1 image" if len(data["ids"]) == 1 else f"{len(data['ids'])} images"
    sources = ", ".join(data["source_names"])
    text = f"{data['name']}: {count}, sources {sources}, fused in {data['colour']}"
    if "split" in data:
        text += f", split {data['split']}"
    if "manifest" in data:
        manifest = data["manifest"]
        text += f", manifest {manifest['name']} (sha256 {manifest['sha256']})"
    return text


def _versions(about: dict[str, Any]) -> list[tuple[str, str]]:
    return [*about["versions"].items(), ("Python", about["python"])]


def _threads(about: dict[str, Any]) -> str:
    return f"CPU, {about['threads']} thread{'s' if about['threads'] != 1 else ''}"
