"""Files with boxes: YOLO text, KAIST text, Pascal VOC XML, COCO JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from fusionlab.data.layouts.listing import Sample
from fusionlab.errors import InputError

KAIST = "% bbGt"  # how its text files begin
UNSURE = {"person?": "person", "person?a": "person", "people": "person"}  # KAIST: ignored


@dataclass(frozen=True)
class FoundBox:
    """A box as its file states it.

    Args:
        kind: Index or name of its class.
        corners: Left, top, right, bottom.
        is_share: Whether these are shares of the width and height, else pixels.
        ignored: Whether it may be found or not.
        score: How sure a detector is; 1 for labels.
    """

    kind: int | str
    corners: tuple[float, float, float, float]
    is_share: bool = False
    ignored: bool = False
    score: float = 1.0


def read_text(path: Path, scored: bool = False) -> list[FoundBox]:
    """YOLO: a class and the centre, width and height in shares of the picture per line; or KAIST.

    Args:
        path: The file.
        scored: Whether a score ends each line, as detectors write.

    Raises:
        InputError: Naming the first line that is not so.
    """
    lines = _read(path).splitlines()
    if lines and lines[0].startswith(KAIST) and not scored:
        return [_of_kaist(path, k, line) for k, line in enumerate(lines[1:], 2) if line.strip()]
    return [_of_yolo(path, k, line, scored) for k, line in enumerate(lines, 1) if line.strip()]


def _of_yolo(path: Path, number: int, line: str, scored: bool) -> FoundBox:
    cells = line.split()
    count = 6 if scored else 5
    try:
        kind, *values = int(cells[0]), *map(float, cells[1:])
    except ValueError:
        values, kind = [], -1
    if len(values) + 1 != count or kind < 0 or not all(map(math.isfinite, values)):
        said = "class, x, y, width, height" + (", score" if scored else "")
        raise InputError(f"line {number} of {path} is not {said}")
    x, y, width, height = values[:4]
    if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < width <= 2 and 0 < height <= 2):
        raise InputError(
            f"line {number} of {path} lies outside the picture; YOLO has shares of its width and "
            "height, from 0 to 1"
        )
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return FoundBox(kind, corners, is_share=True, score=values[4] if scored else 1.0)


def _of_kaist(path: Path, number: int, line: str) -> FoundBox:
    """A line of name, left, top, width, height and more."""
    name, *cells = line.split()
    try:
        left, top, width, height = map(float, cells[:4])
    except ValueError:
        raise InputError(f"line {number} of {path} is not name, left, top, width, height") from None
    corners = (left, top, left + width, top + height)
    return FoundBox(UNSURE.get(name, name), corners, ignored=name in UNSURE)


def read_xml(path: Path) -> list[FoundBox]:
    """Pascal VOC: ``object`` with ``name`` and ``bndbox``; difficult ones are ignored.

    Raises:
        InputError: If it is no such file.
    """
    try:
        root = ElementTree.fromstring(_read(path))
        return [_of_xml(one) for one in root.iter("object")]
    except (ElementTree.ParseError, ValueError) as fault:
        raise InputError(f"{path} is no annotation in Pascal VOC's XML ({fault})") from None


def _of_xml(element: ElementTree.Element) -> FoundBox:
    name, box = (element.findtext("name") or "").strip(), element.find("bndbox")
    if not name or box is None:
        raise ValueError("an object without name or bndbox")
    left, top, right, bottom = (
        float(box.findtext(one) or "nan") for one in ("xmin", "ymin", "xmax", "ymax")
    )
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError("a bndbox without numbers")
    ignored = (element.findtext("difficult") or "0").strip() == "1"
    return FoundBox(name, (left, top, right, bottom), ignored=ignored)


def read_table(path: Path, samples: Sequence[Sample]) -> dict[int, list[FoundBox]]:
    """COCO JSON: the boxes of the samples that it lists, by number of the sample.

    Crowds are ignored. A JSON file without ``images`` and ``annotations`` is none of these and
    has no boxes.

    Raises:
        InputError: If it is damaged.
    """
    content = _json(path)
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        return {}
    known = {sample.id.casefold(): k for k, sample in enumerate(samples)}
    for index, sample in enumerate(samples):
        for file in sample.sources.values():
            known.setdefault(file.stem.casefold(), index)
    try:
        names = {int(one["id"]): str(one["name"]) for one in content.get("categories", [])}
        places = {one["id"]: Path(str(one["file_name"])).stem for one in content["images"]}
        listed = {id_: known.get(stem.casefold()) for id_, stem in places.items()}
        found: dict[int, list[FoundBox]] = {k: [] for k in listed.values() if k is not None}
        for one in content["annotations"]:
            place = listed[one["image_id"]]
            if place is not None:
                found[place].append(_of_coco(one, names))
    except (LookupError, TypeError, ValueError) as fault:
        raise InputError(f"{path} is no table in COCO's JSON ({_said(fault)})") from None
    return found


def categories(path: Path) -> list[tuple[int, str]]:
    """Pairs of ``category_id`` and name of a COCO JSON file."""
    content = _json(path)
    listed = content.get("categories", []) if isinstance(content, dict) else []
    return [(int(one["id"]), str(one["name"])) for one in listed]


def read_found_table(path: Path) -> list[tuple[str, int, FoundBox]]:
    """COCO results: of each box ``image_id`` as text, ``category_id`` and the box with its score.

    Raises:
        InputError: If it is no list of such.
    """
    content = _json(path)
    found = []
    try:
        for one in content:
            left, top, width, height = map(float, one["bbox"])
            corners = (left, top, left + width, top + height)
            kind, score = int(one["category_id"]), float(one["score"])
            if not all(map(math.isfinite, (*corners, score))):
                raise ValueError("a number is not finite")
            found.append((str(one["image_id"]), kind, FoundBox(kind, corners, score=score)))
    except (LookupError, TypeError, ValueError) as fault:
        raise InputError(f"{path} is no list of COCO results ({_said(fault)})") from None
    return found


def _of_coco(one: dict[str, Any], names: dict[int, str]) -> FoundBox:
    left, top, width, height = map(float, one["bbox"])
    kind = names[int(one["category_id"])]
    return FoundBox(
        kind, (left, top, left + width, top + height), ignored=bool(one.get("iscrowd", 0))
    )


def read_names(path: Path) -> list[str]:
    """Names of classes by index: a name per line, or ``names`` of a YAML file as YOLO has it.

    Raises:
        InputError: If there are none.
    """
    text = _read(path)
    if path.suffix.casefold() == ".txt":
        found = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            content = yaml.safe_load(text)
            names = content["names"]
            found = [str(names[k]) for k in range(len(names))]
        except (yaml.YAMLError, LookupError, TypeError) as fault:
            raise InputError(f"{path} states no names ({_said(fault)})") from None
    if not found:
        raise InputError(f"{path} states no names of classes")
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as fault:
        raise InputError(f"{path} cannot be read as JSON ({fault})") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"{path} cannot be read as text ({fault})") from None


def _said(fault: Exception) -> str:
    return " ".join(f"{type(fault).__name__}: {fault}".split())
