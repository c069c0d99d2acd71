"""The page of published pictures: means of our values, and how far they are from published ones."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from fusionlab.runs.run import Run
from replication.cells import markdown
from replication.comparison import Agreement, not_scored, pictures_of
from replication.galleries import Gallery
from replication.results_page import made_with

COMPARED = (
    "Metric there",
    "Ours",
    "Values",
    "Agree",
    "Largest difference",
    "Where",
    "Values there",
)


@dataclass(frozen=True)
class Scored:
    """A collection, scored.

    Args:
        gallery: The collection.
        run: Our values.
        agreements: Beside the published ones; none if nothing is published.
    """

    gallery: Gallery
    run: Run
    agreements: Sequence[Agreement]


def pictures_page(scored: Sequence[Scored], command: str) -> str:
    """The whole page.

    Args:
        scored: At least one collection.
        command: As it was typed, without absolute paths.
    """
    parts = [
        "# Published pictures, scored again",
        "Every number was computed by the command at the end.",
        *(_part(one) for one in scored),
        f"```\n{command}\n```",
        made_with(scored[0].run.about),
    ]
    return "\n\n".join(parts) + "\n"


def _part(one: Scored) -> str:
    gallery, (result,) = one.gallery, one.run.about["results"]
    methods = [method.name for method in one.run.methods if method.is_fused]
    pictures = len(pictures_of(one.run))
    lines = [
        f"## {gallery.name}",
        f"{gallery.layout.title}: {pictures} pictures, {len(methods)} methods on "
        f"{len(gallery.dataset)} pairs. Scored: {gallery.bench.scorer.forms}.",
        means_table(one),
    ]
    if result["images"] < len(gallery.dataset):
        lines.append(
            f"Means are over the {result['images']} pairs of which every method has a picture."
        )
    if one.agreements:
        lines += ["### Beside the published values", agreement_table(one.agreements)]
    left = not_scored(gallery, one.run)
    notes = [f"{left} values of pictures that were not scored"] if left else []
    notes = [f"- Not compared: {note}." for note in [*notes, *gallery.published.notes]]
    return "\n\n".join([*lines, *(["\n".join(notes)] if notes else [])])


def means_table(one: Scored) -> str:
    """A row per method, a column per metric."""
    (result,) = one.run.about["results"]
    columns = [*one.gallery.columns.values()]
    rows = [["Method", *columns]]
    for method in (method.name for method in one.run.methods if method.is_fused):
        rows.append([method, *(_number(result["means"][method][column]) for column in columns)])
    return markdown(rows)


def agreement_table(agreements: Sequence[Agreement]) -> str:
    """A row per metric and form: how many values agree, and the largest difference."""
    rows: list[Sequence[str]] = [COMPARED]
    for one in agreements:
        worst = one.worst
        rows.append(
            [
                worst.metric,
                worst.form,
                f"{len(one.pairs)} of {one.pictures}",
                f"{one.agreeing} to {one.digits} digits",
                _difference(worst.difference, worst.published),
                f"{worst.method}, {worst.sample}",
                f"{worst.published:.10g}, ours {worst.ours:.10g}",
            ]
        )
    return markdown(rows)


def values_csv(agreements: Sequence[Agreement]) -> str:
    """Every pair of values, with all their digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["metric", "form", "method", "sample", "published", "ours", "difference"])
    for pair in (pair for one in agreements for pair in one.pairs):
        values = (pair.published, pair.ours, pair.difference)
        writer.writerow([pair.metric, pair.form, pair.method, pair.sample, *map(repr, values)])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.5g}"


def _difference(difference: float, published: float) -> str:
    if difference == 0 or not math.isfinite(difference) or not published:
        return f"{difference:.2g}"
    return f"{difference:.2g} ({100 * difference / abs(published):.2g} %)"
