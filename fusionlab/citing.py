"""The papers of what was run: of networks, of metrics and of test-time dynamic fusion."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from fusionlab.metrics.base import ImageMean
from fusionlab.registry import METRICS, NETWORKS

TTD = (
    "Cao, Xia, Ding, Zhang and Hu: Test-Time Dynamic Image Fusion. Advances in Neural Information "
    "Processing Systems, 2024"
)
FUNCTION = re.compile(r":func:`~?(?:\w+\.)*(\w+)`")  # a reference to one, perhaps with its module
# what may follow the citation in the docstring of a network's module
_FOLLOWS = r"Authors' code|Differs|Per channel|Transform|TTD|Recipe|Rule|Weights|Licence|Needs"
_PAPER = re.compile(rf"\n\n(?!(?:{_FOLLOWS})\b)(.+?)(?=\n(?:{_FOLLOWS})\b|\n\n|\Z)", re.DOTALL)


def network_paper(name: str) -> str:
    """Where a network was published, as its file states it; empty if nowhere."""
    module = sys.modules[NETWORKS[name].__module__]
    found = _PAPER.search((module.__doc__ or "").rstrip())
    return " ".join(found[1].split()) if found and NETWORKS[name].paper else ""


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
    found = [(NETWORKS[name].__name__, network_paper(name)) for name in dict.fromkeys(networks)]
    found += [("TTD", TTD)] if ttd else []
    known = {METRICS[key].name: METRICS[key] for key in METRICS}
    short = dict.fromkeys(name.partition(":")[0] for name in metrics)
    found += [(name, metric_paper(known[name])) for name in short if name in known]
    return [(name, paper) for name, paper in found if paper]


def papers_of_run(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same of ``summary.json``; a plug-in's network that is not loaded is left out."""
    methods = about["methods"]
    names = [one["facts"]["network"]["name"] for one in methods if "network" in one["facts"]]
    ttd = any(one["kind"] == "ttd" for one in methods)
    return papers([name for name in names if name in NETWORKS], about["metrics"], ttd)
