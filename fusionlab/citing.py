"""The papers of what was run: of networks, objectives, data, metrics and TTD."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from fusionlab.data.manifest_files import list_manifests, load_manifest
from fusionlab.metrics.base import ImageMean
from fusionlab.registry import METRICS, NETWORKS, OBJECTIVES

TTD = (
    "Cao, Xia, Ding, Zhang and Hu: Test-Time Dynamic Image Fusion. Advances in Neural Information "
    "Processing Systems, 2024"
)
FUNCTION = re.compile(r":func:`~?(?:\w+\.)*(\w+)`")  # a reference to one, perhaps with its module
# what may follow the citation in the docstring of a network's module
_FOLLOWS = r"Authors' code|Port|Differs|Per channel|Transform|TTD|Recipe|Rule|Weights|Licence|Needs"
_PAPER = re.compile(rf"\n\n(?!(?:{_FOLLOWS})\b)(.+?)(?=\n(?:{_FOLLOWS})\b|\n\n|\Z)", re.DOTALL)

_YEAR = re.compile(r"\b(19|20)\d\d\b")


def network_paper(name: str) -> str:
    """Where a network was published, as its file states it; empty if nowhere."""
    return _stated(NETWORKS[name]) if NETWORKS[name].paper else ""


def objective_paper(name: str) -> str:
    """Where an objective was published, as its file states it; empty if it is ours."""
    paper = _stated(OBJECTIVES[name])
    return paper if _YEAR.search(paper) else ""


def _stated(member: type) -> str:
    """The citation in the docstring of a class's module, in a line."""
    found = _PAPER.search((sys.modules[member.__module__].__doc__ or "").rstrip())
    return " ".join(found[1].split()) if found else ""


def metric_paper(metric: type[ImageMean]) -> str:
    """Where a metric was published, as its function states it."""
    return docstring_sections(metric_function(metric))[1].get("Source", "")


def metric_function(metric: type[ImageMean]) -> Any:
    """The function that is the mathematics of a metric: the first that its docstring names."""
    named = FUNCTION.search(inspect.getdoc(metric) or "")
    assert named, f"the docstring of {metric.__name__} names no function"
    return getattr(sys.modules[metric.__module__], named[1])


def docstring_sections(function: Any) -> tuple[list[str], dict[str, str]]:
    """The paragraphs before the sections of a docstring, and the sections by name, a line each."""
    paragraphs, sections = [], {}
    for paragraph in (inspect.getdoc(function) or "").split("\n\n"):
        text = " ".join(paragraph.split())
        section = re.match(r"(Convention|Args|Returns|Raises|Source): ", text)
        if section:
            sections[section[1]] = text[section.end() :]
        else:
            paragraphs.append(text)
    return paragraphs, sections


def papers(networks: Iterable[str], metrics: Iterable[str], ttd: bool) -> list[tuple[str, str]]:
    """What was run, and its paper; what is of no paper is left out.

    Args:
        networks: Names in the registry.
        metrics: Names as tables have them, perhaps with a convention, ``EI:mefb``.
        ttd: Whether test-time dynamic fusion was run.
    """
    found = [(NETWORKS[name].title(), network_paper(name)) for name in dict.fromkeys(networks)]
    found += [("TTD", TTD)] if ttd else []
    known = {METRICS[key].name: METRICS[key] for key in METRICS}
    short = dict.fromkeys(name.partition(":")[0] for name in metrics)
    found += [(name, metric_paper(known[name])) for name in short if name in known]
    return [(name, paper) for name, paper in found if paper]


def papers_of_run(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same of ``summary.json``, with data and, of a training, its objective.

    A plug-in's network that is not loaded is left out, and so are data sets of the user.
    """
    methods = about["methods"]
    names = [one["facts"]["network"]["name"] for one in methods if "network" in one["facts"]]
    ttd = any(one["kind"] == "ttd" for one in methods)
    known = [name for name in names if name in NETWORKS]
    found = papers(known, about.get("metrics", ()), ttd)
    if about.get("job") == "train":
        found += _papers_of_training(about["settings"])
    said = [(one.get("manifest") or {}).get("name") for one in about.get("data", ())]
    sets = [load_manifest(name) for name in said if name in list_manifests()]
    found += [(one.title, one.paper) for one in sets if one.paper]
    return list({paper: (name, paper) for name, paper in reversed(found)}.values())[::-1]


def _papers_of_training(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of the network that learns, or stays as it is, and of the objective."""
    name = settings["network"]["name"]
    objective = settings["training"]["objective"] or NETWORKS[name].objective
    return [
        *papers([name], (), ttd=False),
        *[(objective, paper) for paper in [objective_paper(objective)] if paper],
    ]


def cite(found: Iterable[tuple[str, str]], file: TextIO | None = None) -> None:
    """Print papers, a line each, on stdout or to a file."""
    print("", "Cite:", *(f"{name}: {paper}" for name, paper in found), sep="\n", file=file)
