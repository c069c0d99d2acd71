"""The run's pictures in the report's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from fusionlab.runs.files import link, write_atomic
from fusionlab.runs.run import Method, Run, Sample

LONGEST = 40  # characters of a name in the name of a file
SHOWN = {".png", ".jpg", ".jpeg", ".bmp"}  # what every browser shows
TIFF_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}  # of 8 bit, which PNG has too


@dataclass(frozen=True)
class Item:
    """One image under one condition.

    Args:
        result: Place of its result.
        id: Its name.
        draws: Its samples, one for each draw of the condition; pictures are of the first.
    """

    result: int
    id: str
    draws: list[Sample]


@dataclass
class Pictures:
    """Addresses of an item's pictures, relative to the page; what is not there is left out.

    Args:
        sources: By name.
        methods: Fused pictures, by method.
        decomposition: What all sources show, under None, and what each shows alone, by method and
            source.
        maps: RD maps, by method and source.
        labels: What is labelled, under None, and what was found, by method; to be laid over.
    """

    sources: dict[str, str] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    decomposition: dict[tuple[str, str | None], str] = field(default_factory=dict)
    maps: dict[tuple[str, str], str] = field(default_factory=dict)
    labels: dict[str | None, str] = field(default_factory=dict)


def items(run: Run, results: list[dict[str, Any]]) -> list[Item]:
    """The images that results are about, in their order."""
    found = []
    for place, result in enumerate(results):
        draws = [one["name"] for one in _conditions(run) if one["group"] == result["condition"]]
        samples: dict[str, list[Sample]] = {id_: [] for id_ in result["ids"]}
        for one in run.samples:
            if one.data == result["data"] and one.condition in draws and one.id in samples:
                samples[one.id].append(one)
        found += [Item(place, id_, own) for id_, own in samples.items()]
    return found


def pictures(run: Run, shown: list[Item], report: Path) -> list[Pictures]:
    """Bring the pictures of items into ``report/images`` and say where they are.

    Each item has a folder, named by its place in the data and so much of its id as every file
    system and address can hold.

    Args:
        run: The run.
        shown: The items.
        report: The report's folder.
    """
    places = _places(run)
    digits = len(str(len(places)))
    groups = {one["name"]: one["group"] for one in _conditions(run)}
    declared = {data["name"]: data["source_names"] for data in run.about["data"]}
    found = []
    for item in shown:
        first = item.draws[0]
        place = places[first.data, groups[first.condition], item.id]
        folder = report / "images" / f"{place:0{digits}d}-{plain_name(item.id)}"
        bring = _Bringer(run, first, folder, report)
        found.append(bring.all(source_names(run, first, declared[first.data])))
    return found


def source_names(run: Run, sample: Sample, declared: list[str]) -> list[str]:
    """The sources that a sample may have: those that the data declare come first."""
    own = [one.source for one in run.methods if one.name in sample.values and one.source]
    return list(dict.fromkeys([*declared, *own]))


def plain_name(text: str) -> str:
    """The text without what means something to a shell, a file system or an address."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text)[:LONGEST].strip("-").lower() or "image"


def _conditions(run: Run) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = run.about["conditions"]
    return conditions


def _places(run: Run) -> dict[tuple[str, str, str], int]:
    """Numbers from 1 of all items that a run may have, the same however far it has come."""
    groups = dict.fromkeys(one["group"] for one in _conditions(run))
    keys = (
        (data["name"], group, id_)
        for data in run.about["data"]
        for group in groups
        for id_ in data["ids"]
    )
    return {key: place for place, key in enumerate(keys, 1)}


@dataclass(frozen=True)
class _Bringer:
    """Links the pictures of one sample into a folder."""

    run: Run
    sample: Sample
    folder: Path
    report: Path

    def all(self, sources: list[str]) -> Pictures:
        shown = Pictures()
        numbered = list(enumerate(sources, 1))
        for number, name in numbered:
            path = self.run.folder / self.sample.source(name)
            if address := self._bring(path, f"source-{number}-{plain_name(name)}"):
                shown.sources[name] = address
        for k, method in enumerate(self.run.methods, 1):
            if not method.is_fused:
                continue
            picture = self._picture(method)
            if picture and (address := self._bring(picture, f"{k}-{plain_name(method.name)}")):
                shown.methods[method.name] = address
            if method.kind == "network":
                self._bring_decomposition(shown, k, method.name, numbered)
            for number, name in numbered if method.kind == "ttd" else ():
                path = self.run.folder / self.sample.rd_map(method.name, name)
                if address := self._bring(path, f"{k}-rd-{number}-{plain_name(name)}"):
                    shown.maps[method.name, name] = address
        for k, of in enumerate((None, *(method.name for method in self.run.methods))):
            path = self.run.folder / self.sample.labels(of)
            if address := self._bring(path, f"{k}-labels"):
                shown.labels[of] = address
        return shown

    def _bring_decomposition(
        self, shown: Pictures, k: int, method: str, numbered: list[tuple[int, str]]
    ) -> None:
        common = self.run.folder / self.sample.common(method)
        if address := self._bring(common, f"{k}-common"):
            shown.decomposition[method, None] = address
        for number, name in numbered:
            path = self.run.folder / self.sample.unique(method, name)
            if address := self._bring(path, f"{k}-unique-{number}-{plain_name(name)}"):
                shown.decomposition[method, name] = address

    def _picture(self, method: Method) -> Path | None:
        if method.kind != "folder":
            return self.run.folder / self.sample.picture(method.name)
        folder = method.facts["folder"]  # the user's own, made by another tool
        name = folder["files"].get(self.sample.id)
        return Path(folder["folder"]) / name if name else None

    def _bring(self, picture: Path, name: str) -> str | None:
        """Its address; None where there is none that a browser shows."""
        suffix = picture.suffix.casefold()
        take: Callable[[Path, Path], bool] = link
        if suffix not in SHOWN:
            take, suffix = _as_png, ".png"
        target = self.folder / f"{name}{suffix}"
        return target.relative_to(self.report).as_posix() if take(picture, target) else None


def _as_png(picture: Path, target: Path) -> bool:
    """Make ``target`` a PNG of a TIFF of 8 bit; whether there is one."""
    if not picture.is_file():
        return False
    times = picture.stat()
    if target.exists() and target.stat().st_mtime_ns == times.st_mtime_ns:
        return True
    with Image.open(picture, formats=("TIFF",)) as image:
        if image.mode not in TIFF_MODES:
            return False
        content = BytesIO()
        image.save(content, format="PNG")
    write_atomic(target, content.getvalue())
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))
    return True
