"""What the page shows, as plain values: the summary of a run, and the values of each image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fusionlab.report.html.facts import facts
from fusionlab.report.html.gallery import Item, Pictures
from fusionlab.report.table import TRUTH, is_ranked, mark
from fusionlab.runs.rd_colours import RDScale
from fusionlab.runs.run import RD_COLUMNS, THEOREM_OF_SOURCE, Run, Sample
from fusionlab.runs.summary import values_of

DIFFERENCE = ("mean", "low", "high", "improved", "images")
SIDES = ("bound", "truth_bound", "error")  # of Eq. 4, in columns ``static_`` and ``dynamic_``


def content(
    run: Run, results: list[dict[str, Any]], shown: list[Item], found: list[Pictures]
) -> dict[str, Any]:
    """All of it. What is named by the user stands in lists, never as a key.

    Args:
        run: The run.
        results: Its results, final or so far.
        shown: The images.
        found: Pictures of each.
    """
    page = _Page(run, results)
    return {
        "run": run.folder.resolve().name,
        "title": run.about["settings"].get("title") or "",
        "finished": run.finished,
        "metrics": [
            {
                "name": name.removesuffix(TRUTH) if one["truth"] else name,
                "truth": one["truth"],
                "direction": one["direction"],
                "convention": one["convention"],
            }
            for name, one in run.about["metrics"].items()
        ],
        "notes": list(run.about["notes"].items()),
        "facts": facts(run.about),
        "methods": [
            {"name": one.name, "kind": one.kind, "source": one.source, "base": page.place(one.base)}
            for one in run.methods
        ],
        "data": [
            {"name": one["name"], "task": one["task"], "total": len(one["ids"])}
            for one in run.about["data"]
        ],
        "results": [page.result(one) for one in results],
        "samples": page.samples(shown, found),
    }


class _Page:
    """Results and images of a run, its methods by their place.

    Args:
        run: The run.
        results: Its results.
    """

    def __init__(self, run: Run, results: list[dict[str, Any]]) -> None:
        self.run, self.results = run, results
        self.data = [one["name"] for one in run.about["data"]]
        self.places = {one.name: place for place, one in enumerate(run.methods)}

    def place(self, method: str | None) -> int | None:
        """The place of a method; None of None."""
        return None if method is None else self.places[method]

    def result(self, result: dict[str, Any]) -> dict[str, Any]:
        """One result."""
        return {
            "data": self.data.index(result["data"]),
            "condition": result["condition"],
            "draws": result["draws"],
            "images": result["images"],
            "ranked": is_ranked(result),
            "rows": [self._row(result, name) for name in result["methods"]],
            "differences": [
                {
                    "method": self.places[name],
                    "values": [[found[key] for key in DIFFERENCE] for found in by_metric.values()],
                }
                for name, by_metric in result["differences"].items()
            ],
            "rd": [
                [self.places[name], _of_sources(own, ("images", *RD_COLUMNS))]
                for name, own in result["rd"].items()
            ],
            "theorem": [
                {"method": self.places[name], **_theorem(one, one["sources"], ("images",))}
                for name, one in result["theorem"].items()
            ],
        }

    def samples(self, shown: list[Item], found: list[Pictures]) -> list[dict[str, Any]]:
        """The images; what they have in numbers is the mean over the draws of their condition."""
        values: list[Any] = []
        for place, result in enumerate(self.results):
            values += self._values(result, [one for one in shown if one.result == place])
        return [
            {
                "result": item.result,
                "id": item.id,
                "values": own,
                "sources": list(pictures.sources.items()),
                "labels": [
                    [None if name is None else self.places[name], at]
                    for name, at in pictures.labels.items()
                ],
                "fused": [[self.places[name], at] for name, at in pictures.methods.items()],
                "decomposition": [
                    [self.places[name], source, at]
                    for (name, source), at in pictures.decomposition.items()
                ],
                "maps": [
                    [self.places[name], source, at] for (name, source), at in pictures.maps.items()
                ],
                "scales": [_scale(item.draws[0], *one) for one in pictures.maps],
                **self._numbers(item),
            }
            for item, own, pictures in zip(shown, values, found, strict=True)
        ]

    def _row(self, result: dict[str, Any], name: str) -> dict[str, Any]:
        return {
            "method": self.places[name],
            "images": result["images_of"][name],
            "means": list(result["means"][name].values()),
            "counts": list(result["counts"][name].values()),
            "marks": [mark(result, name, metric) for metric in self.run.metrics],
            "ms": result["median_ms_per_image"].get(name),
            "MB": result["peak_megabytes"].get(name),
            "rank": result["overall_rank"].get(name),
        }

    def _values(self, result: dict[str, Any], shown: list[Item]) -> list[list[Any]]:
        """Of each image, lists of a method and its values; methods without any are left out."""
        draws = [sample for item in shown for sample in item.draws]
        found: list[list[Any]] = [[] for _ in shown]
        for name in result["methods"]:
            columns = [values_of(draws, result["ids"], name, one) for one in self.run.metrics]
            for own, *values in zip(found, *(column.tolist() for column in columns), strict=True):
                if not all(math.isnan(value) for value in values):
                    own.append([self.places[name], values])
        return found

    def _numbers(self, item: Item) -> dict[str, Any]:
        """Times, RD and the theorem of one image; only the summary has them over draws."""
        if len(item.draws) > 1:
            return {"draws": len(item.draws), "ms": [], "rd": [], "theorem": []}
        (sample,) = item.draws
        return {
            "draws": 1,
            "ms": [[self.places[name], time] for name, time in sample.milliseconds.items()],
            "rd": [
                [self.places[name], _of_sources(own, RD_COLUMNS)] for name, own in sample.rd.items()
            ],
            "theorem": [
                {"method": self.places[name], **_theorem(next(iter(own.values())), own)}
                for name, own in sample.theorem.items()
            ],
        }


def _scale(sample: Sample, method: str, source: str) -> list[Any] | None:
    """Of an RD map its legend, both ends, and the contrast that it has on the scale from 0 to 1."""
    lines = sample.rd.get(method, {})
    if source not in lines:
        return None
    scale = RDScale.of_numbers(lines)
    (_, low), *_, (_, high) = scale.ticks()
    return [sample.rd_legend(method, source), low, high, scale.contrast]


def _of_sources(
    by_source: Mapping[str, Mapping[str, Any]], columns: Sequence[str]
) -> list[list[Any]]:
    """Lists of the name of a source and its numbers; None where there is none."""
    return [[name, *(own.get(one) for one in columns)] for name, own in by_source.items()]


def _theorem(
    of_image: Mapping[str, Any],
    by_source: Mapping[str, Mapping[str, Any]],
    counts: Sequence[str] = (),
) -> dict[str, Any]:
    """The theorem of one image, or over images.

    Returns:
        ``images`` that have a bound, of images only; ``holds`` and ``negative``, whether Eq. 5
        holds and the covariances sum to less than 0, or the shares; ``sources``: lists of a name,
        their number over images, E[ω], E[ℓ] and Cov(ω, ℓ); ``sides``: lists of one of ``SIDES``,
        its static and its dynamic value.
    """
    columns = [one for one in THEOREM_OF_SOURCE if not one.startswith("truth")]
    return {
        **{key: of_image[key] for key in counts},
        "holds": of_image.get("dynamic_is_lower"),
        "negative": of_image.get("covariance_is_negative"),
        "sources": _of_sources(by_source, [*counts, *columns]),
        "sides": [
            [side, of_image[f"static_{side}"], of_image.get(f"dynamic_{side}")]
            for side in SIDES
            if f"static_{side}" in of_image
        ],
    }
