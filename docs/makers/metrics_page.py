"""Make the page ``docs/metrics.md`` from the docstrings and from one image that is measured.

Run ``python docs/makers/metrics_page.py > docs/metrics.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from fusionlab.citing import FUNCTION
from fusionlab.data.built_in import SceneDataset
from fusionlab.metrics.base import ImageMean
from fusionlab.metrics.presets import PRESETS
from fusionlab.metrics.reference import TruthAffinePSNR, TruthPSNR, TruthSSIM
from fusionlab.metrics.shared import sharing
from fusionlab.registry import METRICS
from metrics_definition import Definition, definition, forms
from metrics_reasons import REASONS
from metrics_text import CODE_BASES, INTRODUCTION, KEYS, METRICS_HEADING, TRUTH, WORKED

SCENE = "vif-astronaut"  # large enough for every metric; every value of it is finite
BETTER = {True: "higher", False: "lower", None: "near 0"}
TRUTH_METRICS: tuple[type[ImageMean], ...] = (TruthPSNR, TruthAffinePSNR, TruthSSIM)


def metrics_page() -> str:
    """The page as GitHub's Markdown."""
    values = worked_values()
    parts = [
        INTRODUCTION,
        table(("preset", "metrics"), presets()),
        KEYS,
        table(("key", "code base"), ((f"`{key}`", link) for key, link in CODE_BASES.items())),
        WORKED,
        "## Overview\n\nM is the number of sources. Unit and range are those of `paper`.",
        table(("metric", "", "better", "sources", "unit and range"), map(overview, METRICS)),
        METRICS_HEADING,
        *(section(METRICS[name], values) for name in METRICS),
        TRUTH,
        *(section(metric, {}) for metric in TRUTH_METRICS),
        filled(REASONS, values),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def worked_pair() -> tuple[Tensor, Tensor]:
    """The fused image, (1, 1, H, W), and the sources, (1, M, 1, H, W), that are measured."""
    scenes = SceneDataset("vif")
    sources = scenes[scenes.ids.index(SCENE)]["grey"][None].double()
    return sources.mean(dim=1).round(), sources


@torch.inference_mode()
def worked_values() -> dict[str, float]:
    """Every metric of the worked pair in every convention, by ``ei:mefb``."""
    fused, sources = worked_pair()
    values = {}
    with sharing():
        for name, metric in METRICS.items():
            for keys, _ in forms(metric.conventions):
                value = metric(keys[0]).score(fused, sources).item()
                values.update({f"{name}:{key}": value for key in keys})
    return values


def presets() -> Iterable[tuple[str, str]]:
    """A row per preset: its name and the metrics."""
    for preset, names in PRESETS.items():
        yield f"`{preset}`", " ".join(linked(METRICS[name]) for name in names.split())
    yield "`all`", "every metric, in the definition `paper`"


def overview(name: str) -> tuple[str, ...]:
    """A metric in a row."""
    metric, said = METRICS[name], definition(METRICS[name])
    better = BETTER[metric.higher_is_better]
    count, span = source_count(metric, said), markdown(said.span)
    return linked(metric), metric.long_name, better, count, span


def source_count(metric: type[ImageMean], said: Definition) -> str:
    """For how many sources a metric is defined."""
    return str(metric.source_count or "any") if said.uses_sources else "not used"


def section(metric: type[ImageMean], values: Mapping[str, float]) -> str:
    """Formula, convention, range, source and conventions; with ``values`` where there are any."""
    said = definition(metric)
    paragraphs = [
        f"### {metric.name}",
        summary(metric, said),
        "\n>\n".join(f"> {markdown(paragraph)}" for paragraph in said.formula),
        f"**Convention:** {markdown(said.convention)}" if said.convention else "",
        f"**Value:** {markdown(said.value)}",
        f"**Source:** {markdown(said.source)}",
    ]
    rows = []
    for keys, text in forms(metric.conventions):
        value = values.get(f"{metric.name.lower()}:{keys[0]}")
        cells = (", ".join(f"`{key}`" for key in keys), text)
        rows.append(cells if value is None else (*cells, f"{value:.5g}"))
    headings = ("convention", "computes", "worked value")[: len(rows[0])]
    return "\n\n".join([*filter(None, paragraphs), table(headings, rows)])


def summary(metric: type[ImageMean], said: Definition) -> str:
    """The line below the heading of a metric."""
    better, size = BETTER[metric.higher_is_better], metric.minimum_size
    facts = [
        metric.long_name,
        "0 is best" if metric.higher_is_better is None else f"{better} is better",
        f"sources: {source_count(metric, said)}",
        f"from {size} x {size} pixels" if size > 1 else "",
        f"`{said.name}`, `{metric.__name__}`",
    ]
    return " · ".join(filter(None, facts))


def filled(text: str, values: Mapping[str, float]) -> str:
    """The text with worked values, ``{ei:mefb}``, and their ratios, ``{ei:mefb / ag:mefb}``."""

    def number(found: re.Match[str]) -> str:
        value, divisor = values[found[1]], values[found[2]] if found[2] else 1.0
        return f"{value / divisor:.5g}"

    return re.sub(r"\{([\w:]+)(?: / ([\w:]+))?\}", number, text)


def markdown(text: str) -> str:
    """A docstring's text with its literals and its references to other metrics."""
    metrics = {definition(one).name: one for one in (*METRICS.values(), *TRUTH_METRICS)}
    text = FUNCTION.sub(lambda found: linked(metrics[found[1]]), text)
    return text.replace("``", "`")


def linked(metric: type[ImageMean]) -> str:
    """The name of a metric as a link to its section."""
    return f"[{metric.name}](#{metric.name.lower()})"


def table(headings: tuple[str, ...], body: Iterable[tuple[str, ...]]) -> str:
    """A table in GitHub's Markdown; a column that is a value is right-aligned."""
    rules = ("---:" if heading.endswith("value") else "---" for heading in headings)
    lines = (headings, rules, *(tuple(cell.replace("|", r"\|") for cell in row) for row in body))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(metrics_page(), end="")
