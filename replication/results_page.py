"""The page docs/results.md: tables of joined runs, beside what the TTD paper prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fusionlab.report.markdown import markdown as result_table
from fusionlab.report.table import number
from fusionlab.runs.run import Method, Run, Sample
from fusionlab.runs.summary import summarise
from replication.cells import markdown

TRUTH = "PSNR_truth"


@dataclass(frozen=True)
class Results:
    """What was measured on one data set.

    Args:
        name: Of the data set.
        whole: Number of its images that are there.
        runs: One for each network, finished.
    """

    name: str
    whole: int
    runs: Sequence[Run]

    @cached_property
    def images(self) -> int:
        """Images that the networks of the table have fused."""
        return max((len(one.samples) for one in self.runs), default=0)

    @cached_property
    def joined(self) -> Run | None:
        """One run of all networks that have fused as many images; None if there is none."""
        runs = [one for one in self.runs if len(one.samples) == self.images]
        return join(runs) if runs else None

    @cached_property
    def result(self) -> dict[str, Any]:
        """Its numbers."""
        assert self.joined is not None
        (found,) = summarise(self.joined)
        return found

    @property
    def single(self) -> Iterator[tuple[Run, dict[str, Any]]]:
        """Each run with its own numbers."""
        for run in self.runs:
            (found,) = run.about["results"]
            yield run, found


def join(runs: Sequence[Run]) -> Run:
    """One run with the methods of several on the same samples."""
    first = runs[0]
    sources = [one for one in first.methods if not one.is_fused]
    methods = [*sources, *(one for run in runs for one in run.methods if one.is_fused)]
    samples: dict[str, Sample] = {}
    for run in runs:
        for one in run.samples:
            found = samples.setdefault(one.id, one)
            samples[one.id] = replace(
                found,
                values={**found.values, **one.values},
                milliseconds={**found.milliseconds, **one.milliseconds},
                megabytes={**found.megabytes, **one.megabytes},
                rd={**found.rd, **one.rd},
            )
    about = {**first.about, "methods": [vars(one) for one in methods]}
    return Run(first.folder, about, methods, first.metrics, list(samples.values()))


def results_page(
    results: Sequence[Results],
    known: Mapping[str, Any],
    arguments: Sequence[str],
    program: str,
) -> str:
    """The page as GitHub's Markdown.

    Args:
        results: By data set, at least one of which is measured.
        known: The content of ``results.yaml``.
        arguments: Of the command.
        program: Its name.
    """
    measured = [one for one in results if one.joined is not None]
    first = measured[0].joined
    assert first is not None
    template, text = (
        Path(__file__).with_name(f"results_{name}.md").read_text(encoding="utf-8")
        for name in ("template", "text")
    )
    return template.format(
        text=text.rstrip(),
        source=known["source"],
        images=markdown(_images(results)),
        truth=markdown(_truth(measured)),
        signs=markdown(_signs(measured)),
        tables="\n".join(_tables(measured)),
        published="\n\n".join(_published(measured, known["data"])) or "Nothing.",
        weights=markdown(_weights(measured)),
        command=command_of(arguments, program),
        made=made_with(first.about),
    )


def _images(results: Sequence[Results]) -> list[list[str]]:
    lines = [["Data", "Task", "Images used", "Images there", "Networks", "Fewer images"]]
    for one in results:
        if one.joined is None:
            lines.append([one.name, "–", "0", str(one.whole), "not measured", ""])
            continue
        networks = [run for run in one.runs if len(run.samples) == one.images]
        slow = [f"{_name(run)}: {len(run.samples)}" for run in one.runs if run not in networks]
        task = one.joined.about["data"][0]["task"]
        own = [str(one.images), str(one.whole), str(len(networks)), ", ".join(slow)]
        lines.append([one.name, task, *own])
    return lines


def _truth(results: Sequence[Results]) -> list[list[str]]:
    """Static PSNR and what TTD changes, on data with a truth."""
    shown = [one for one in results if one.joined and TRUTH in one.joined.metrics]
    rows: dict[str, dict[str, str]] = {}
    for one in shown:
        for run, found in one.single:
            for method in run.methods:
                if method.kind == "network":
                    static = number(found["means"][method.name][TRUTH])
                    dynamic = _difference(run, found, method, TRUTH)
                    few = _few(run, one)
                    rows.setdefault(method.name, {})[one.name] = f"{static}{dynamic}{few}"
    lines = [["PSNR in dB", *(one.name for one in shown)]]
    return [
        *lines,
        *([name, *(own.get(one.name, "") for one in shown)] for name, own in rows.items()),
    ]


def _difference(run: Run, found: dict[str, Any], method: Method, metric: str) -> str:
    dynamic = next((one for one in run.methods if one.base == method.name), None)
    if dynamic is None:
        return ""
    one = found["differences"][dynamic.name][metric]
    mean, low, high = (number(one[key], signed=True) for key in ("mean", "low", "high"))
    return f", {mean} [{low}, {high}]"


def _few(run: Run, one: Results) -> str:
    return "" if len(run.samples) == one.images else f" (n = {len(run.samples)})"


def _signs(results: Sequence[Results]) -> list[list[str]]:
    """How many metrics are better and worse with TTD, by network and data set; and the time."""
    names = [one.name for one in results]
    rows: dict[str, dict[str, str]] = {}
    for one in results:
        for run, found in one.single:
            for name, by_metric in found["differences"].items():
                times = found["median_ms_per_image"]
                ratio = times[name] / times[run.method(name).base or name]
                cell = f"{_verdict(run, by_metric)}; {ratio:.1f}×{_few(run, one)}"
                rows.setdefault(name.removesuffix("+TTD"), {})[one.name] = cell
    lines = [["better − worse", *names]]
    return [*lines, *([row, *(own.get(name, "") for name in names)] for row, own in rows.items())]


def _verdict(run: Run, by_metric: dict[str, Any]) -> str:
    """Metrics whose whole interval is on one side of 0."""
    better = worse = 0
    for metric, one in by_metric.items():
        higher = run.higher_is_better[metric]
        if run.about["metrics"][metric]["truth"] or higher is None or one["low"] is None:
            continue
        low, high = (one["low"], one["high"]) if higher else (-one["high"], -one["low"])
        better, worse = better + (low > 0), worse + (high < 0)
    return f"{better} − {worse}"


def _tables(results: Sequence[Results]) -> Iterator[str]:
    for one in results:
        assert one.joined is not None
        yield result_table(one.joined.about, one.result).replace("## ", "### ", 1)
        for run, found in one.single:
            if len(run.samples) < one.images:
                yield result_table(run.about, found).replace("## ", f"#### {_name(run)}, ", 1)


def _published(results: Sequence[Results], known: Mapping[str, Any]) -> Iterator[str]:
    """Measured and printed means of the same network, side by side."""
    for one in results:
        facts = known[one.name]
        assert one.joined is not None
        if "rows" not in facts:
            continue
        metrics: list[str] = facts["metrics"]
        lines = [[f"here / Table {facts['table']}", *metrics]]
        for method in one.joined.methods:
            printed = facts["rows"].get(_key(method))
            if printed is not None:
                here = (one.result["means"][method.name][metric] for metric in metrics)
                cells = (f"{number(a)} / {b:.2f}" for a, b in zip(here, printed, strict=True))
                lines.append([method.name, *cells])
        if len(lines) > 1:
            title = f"**{one.name}**, {one.images} images here; the paper: {facts['images']}."
            yield f"{title}\n\n{markdown(lines)}"


def _key(method: Method) -> str:
    network = method.facts.get("network", {}).get("name", "")
    return f"{network}+ttd" if method.kind == "ttd" else network


def _name(run: Run) -> str:
    return next(one.name for one in run.methods if one.kind == "network")


def _weights(results: Sequence[Results]) -> list[list[str]]:
    found: dict[tuple[str, str], None] = {}
    for run in (run for one in results for run in one.runs):
        network = next(one for one in run.methods if one.kind == "network").facts["network"]
        if checkpoint := network["checkpoint"]:
            file = f"{Path(checkpoint['path']).name} {checkpoint['sha256'][:16]}"
            found[network["name"], file] = None
    return [
        ["Network", "File, SHA-256 of its weights"],
        *([f"`{name}`", file] for name, file in sorted(found)),
    ]


def command_of(arguments: Sequence[str], program: str) -> str:
    """As it was typed, an option a line; of absolute paths only the last part."""
    shown = []
    for argument in arguments:
        name, equals, path = argument.rpartition("=")
        shown.append(f"{name}{equals}{Path(path).name if Path(path).is_absolute() else path}")
    words = [one for one in shown if one != "--written"]
    return " ".join([program, *words]).replace(" --", " \\\n    --").replace(" -o", " \\\n    -o")


def made_with(about: Mapping[str, Any]) -> str:
    """Versions and commit of a run, in a line."""
    versions = ", ".join(f"{name} {one}" for name, one in about["versions"].items())
    commit = about["commit"] or "unknown"
    return (
        f"fusionlab {about['fusionlab']}, commit {commit}, Python {about['python']}, {versions}; "
        f"threads: {about['threads']}"
    )
