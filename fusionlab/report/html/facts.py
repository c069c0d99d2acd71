"""What made the numbers, in lines for the reader."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from fusionlab.report.table import ttd_line

MOST_NAMES = 5  # of files that are listed
COLOURS = {"luma": "luma", "rgb": "RGB"}


def facts(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a term and its text.

    Folders of the user are left out: a report is made to be handed on.

    Args:
        about: ``summary.json``.
    """
    seed = about["settings"].get("seed")
    fused = [one for one in about["methods"] if one["kind"] != "source"]
    return [
        *((one["name"], _method(about, one)) for one in fused),
        *((f"Data, {data['task'].upper()}", _data(data)) for data in about["data"]),
        ("Metrics", about["metrics_form"]),
        ("Program", f"fusionlab {about['fusionlab']}, commit {about['commit'] or 'unknown'}"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in _versions(about))),
        ("Machine", ", ".join([about["platform"], *(about["devices"] or [_threads(about)])])),
        *([("Seed", str(seed))] if seed is not None else []),
    ]


def _method(about: dict[str, Any], method: dict[str, Any]) -> str:
    made = method["facts"]
    if method["kind"] == "folder":
        return _folder(made["folder"])
    if method["kind"] == "network":
        return f"{_network(made['network'])}; {_colour(made['colour'])}"
    static = made.get("static", method["base"])  # a comparison has another base
    text = f"{static} with TTD: {ttd_line(made['ttd'])}"
    chosen = [_chosen(one) for one in about["calibrated"] if one["method"] == method["name"]]
    return "; ".join([text, *chosen])


def _network(network: dict[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in network["options"].items())
    checkpoint = network["checkpoint"]
    weights = "untrained" if network["trainable"] else "no weights"
    if checkpoint:
        path = checkpoint["path"]
        name = path if "://" in path else PurePath(path).name
        weights = f"weights {name}, sha256 {checkpoint['sha256']}"
    stretched = "; pictures stretched to the full range" if network["stretch"] else ""
    return network["name"] + (f" ({options})" if options else "") + f", {weights}{stretched}"


def _colour(colour: dict[str, str]) -> str:
    """What is fused, by task where tasks differ."""
    named = {task: COLOURS[one] for task, one in colour.items()}
    if len(set(named.values())) == 1:
        return f"fuses {next(iter(named.values()))}"
    return "fuses " + ", ".join(f"{one} for {task.upper()}" for task, one in named.items())


def _chosen(line: dict[str, Any]) -> str:
    """What was calibrated on a data set."""
    where = ", ".join(part for part in (line["data"], line["condition"]) if part)
    channel = "" if line["channel"] == "mean" else f", channel {line['channel']}"
    return f"on {where} temperature {line['temperature']:.4g}{channel}"


def _folder(folder: dict[str, Any]) -> str:
    count = "1 picture" if folder["images"] == 1 else f"{folder['images']} pictures"
    text = f"{count} in a folder {PurePath(folder['folder']).name}"
    if folder["missing"]:
        text += f"; none for {_some(folder['missing'])}"
    if folder["surplus"]:
        text += f"; ignored: {_some(folder['surplus'])}"
    if folder["jpeg"]:
        text += f"; {len(folder['jpeg'])} of them JPEG"
    return text


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + rest


def _data(data: dict[str, Any]) -> str:
    count = "1 image" if len(data["ids"]) == 1 else f"{len(data['ids'])} images"
    text = f"{data['name']}: {count}, sources {', '.join(data['source_names'])}"
    if "split" in data:
        text += f", split {data['split']}"
    if "resized" in data:
        resized = data["resized"]
        text += f"; {len(resized['ids'])} of them resized to the {resized['to']}"
    text += "".join(f"; {line}" for line in data.get("registration", ()))
    if "manifest" in data:
        manifest = data["manifest"]
        text += f", manifest {manifest['name']} (sha256 {manifest['sha256']})"
    return text


def _versions(about: dict[str, Any]) -> list[tuple[str, str]]:
    return [*about["versions"].items(), ("Python", about["python"])]


def _threads(about: dict[str, Any]) -> str:
    return f"CPU, {about['threads']} thread{'s' if about['threads'] != 1 else ''}"
