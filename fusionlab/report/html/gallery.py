"""The run's images in the report's folder."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fusionlab.report.images import link
from fusionlab.report.run import FUSED, EvaluationRun, Sample

LONGEST = 40  # characters of an id or a source's name in the name of a file


@dataclass
class Pictures:
    """Addresses of a sample's images, relative to the page; what is not there is left out.

    Args:
        fused: By row, ``static`` and perhaps ``ttd``.
        sources: By name.
        maps: RD maps by the name of their source.
    """

    fused: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    maps: dict[str, str] = field(default_factory=dict)


def pictures(run: EvaluationRun, report: Path) -> list[Pictures]:
    """Bring the images of the samples into ``report/images`` and say where they are.

    Each sample has a folder, named by its place in the data and so much of its id as every file
    system and address can hold.

    Args:
        run: The run.
        report: The report's folder.
    """
    sources = {data["name"]: data["source_names"] for data in run.about["data"]}
    order = [(data["name"], name) for data in run.about["data"] for name in data["ids"]]
    places = {key: place for place, key in enumerate(order, 1)}
    digits = len(str(len(order)))
    found = []
    for sample in run.samples:
        place = places[sample.data, sample.id]
        folder = report / "images" / f"{place:0{digits}d}-{plain_name(sample.id)}"
        names = in_order(sources[sample.data], sample.source_names)
        found.append(_bring(sample, names, run.folder, folder, report))
    return found


def in_order(declared: list[str], present: Iterable[str]) -> list[str]:
    """The names that are present, those first that the data declare: samples may have others."""
    found = dict.fromkeys(present)
    return [
        *(one for one in declared if one in found),
        *(one for one in found if one not in declared),
    ]


def plain_name(text: str) -> str:
    """The text without what means something to a shell, a file system or an address."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text)[:LONGEST].strip("-").lower() or "image"


def _bring(sample: Sample, sources: list[str], run: Path, folder: Path, report: Path) -> Pictures:
    """Link the images of one sample into its folder."""

    def address(image: Path, name: str) -> str | None:
        target = folder / f"{name}.png"
        return target.relative_to(report).as_posix() if link(run / image, target) else None

    shown = Pictures()
    for row in FUSED:
        if (where := address(sample.image(row), row)) is not None:
            shown.fused[row] = where
    for number, name in enumerate(sources, 1):
        plain = f"{number}-{plain_name(name)}"
        if (where := address(sample.source(name), f"source-{plain}")) is not None:
            shown.sources[name] = where
        if (where := address(sample.weight_map(name), f"rd-{plain}")) is not None:
            shown.maps[name] = where
    return shown
