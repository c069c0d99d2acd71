"""The tables of the replication page, as Markdown; every number is taken from the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fusionlab.laboratory.outcome import Outcome
from fusionlab.laboratory.replication.criterion import (
    effect_on_truth,
    passes,
    recommended,
    share_improved,
)
from fusionlab.laboratory.replication.measure import Measured
from fusionlab.laboratory.replication.published import (
    NOT_REPLICATED,
    REPLICATED,
    Published,
    Table,
    verdict,
    verdict_of_all,
)
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.statistics import Comparison
from fusionlab.report.table import ARROWS, number

SSIM_TRUTH = "SSIM_truth"


class Claim(NamedTuple):
    """A row of a published table, set against one measurement."""

    number: str
    table: Table
    row: str
    measured: Measured

    @property
    def on_other_data(self) -> bool:
        """Whether the paper's figures are of another data set."""
        return self.table.data != self.measured.outcome.data

    def against(self, setting: str) -> list[tuple[float, Comparison]]:
        """Published and measured differences of the K metrics; the latter of any setting."""
        outcome = self.measured.outcome
        names = [one.name for one in outcome.measures]
        found = outcome.against_static[setting]
        columns = [names.index(metric) for metric in self.table.metrics]
        measured = [found[k] for k in columns]
        return list(zip(self.table.differences(self.row), measured, strict=True))

    @property
    def static_off(self) -> float:
        """Mean over the metrics of |measured − published| / published of the static means."""
        outcome = self.measured.outcome
        found = [outcome.mean(STATIC, _column(outcome, name)) for name in self.table.metrics]
        pairs = list(zip(found, self.table.static, strict=True))
        return sum(abs(here - there) / there for here, there in pairs) / len(pairs)

    def verdicts(self, setting: str | None = None) -> list[str]:
        """Of the K metrics, for its own setting or another one."""
        return [verdict(*pair) for pair in self.against(setting or self.row)]


def claims(published: Published, data: Sequence[Measured]) -> list[Claim]:
    """Every published row for which there is a measurement, in the order of the tables."""
    return [
        Claim(number_, table, row, one)
        for number_, table in published.tables.items()
        for one in data
        if number_ in published.data[one.outcome.data].tables
        for row in table.rows
    ]


def verdicts_table(found: Sequence[Claim]) -> str:
    """A line per claim: how many metrics have sign and size, and the verdict of all."""
    own = ("Table", "Published on", "Measured on", "Weights", "Row")
    lines = _head(*own, "Static off", "Sign", "Sign and size", "Verdict")
    for one in found:
        verdicts = one.verdicts()
        here = f"{one.measured.outcome.data}, {_images(len(one.measured.outcome.ids))}"
        here += " (other data)" if one.on_other_data else ""
        there = f"{one.table.data}, {_images(one.table.images)}"
        of = f"of {len(verdicts)}"
        sign = sum(each != NOT_REPLICATED for each in verdicts)
        size = verdicts.count(REPLICATED)
        weights = f"{one.measured.weights} ({one.measured.rule})"
        cells = (one.number, there, here, weights, one.row, f"{100 * one.static_off:.0f} %")
        told = f"**{verdict_of_all(verdicts)}**"
        lines.append(_line(*cells, f"{sign} {of}", f"{size} {of}", told))
    return "\n".join(lines)


def closest_table(found: Sequence[Claim], settings: Sequence[str]) -> str:
    """Metrics whose published sign, and size too, each setting finds in the tables of TTD."""
    own = [one for one in found if one.row == "paper" and one.number not in ("4", "5")]
    heads = [f"{one.number}, {one.measured.outcome.data}, {one.measured.weights}" for one in own]
    lines = _head("Setting", *heads)
    for setting in settings:
        cells = []
        for one in own:
            verdicts = one.verdicts(setting)
            sign = sum(each != NOT_REPLICATED for each in verdicts)
            cells.append(f"{sign}, {verdicts.count(REPLICATED)} of {len(verdicts)}")
        lines.append(_line(setting, *cells))
    return "\n".join(lines)


def claim_table(one: Claim) -> str:
    """A published row beside the measured one, metric by metric."""
    outcome = one.measured.outcome
    columns = ("static", f"{one.row}", "difference")
    heads = [f"{column}, {place}" for place in ("published", "measured") for column in columns]
    lines = _head("Metric", *heads, "Verdict")
    names = [measure.name for measure in outcome.measures]
    for k, (name, (difference, found)) in enumerate(
        zip(one.table.metrics, one.against(one.row), strict=True)
    ):
        column = names.index(name)
        printed = [f"{value:.2f}" for value in (one.table.static[k], one.table.rows[one.row][k])]
        here = [number(outcome.mean(label, column)) for label in (STATIC, one.row)]
        arrow = ARROWS[outcome.measures[column].higher_is_better]
        signed = f"{difference:+.2f}".replace("-", "−")
        lines.append(
            _line(name + arrow, *printed, signed, *here, _interval(found), one.verdicts()[k])
        )
    return "\n".join(lines)


def truth_table(truths: Sequence[Measured]) -> str:
    """What every setting does to PSNR against the truth, for one checkpoint."""
    heads = []
    for one in truths:
        static = number(_truth_mean(one.outcome, "PSNR_truth"))
        heads += [
            f"{one.outcome.data}: PSNR from {static} dB",
            "worst, dB",
            "SSIM",
        ]
    lines = _head("Setting", *heads, "Passes")
    outcomes = [one.outcome for one in truths]
    for setting in outcomes[0].settings:
        cells = []
        for outcome in outcomes:
            effect = effect_on_truth(outcome, setting)
            similarity = outcome.against_static[setting][_column(outcome, SSIM_TRUTH)]
            worst = number(effect.worst, signed=True)
            cells += [_interval(effect.mean), worst, number(similarity.mean, signed=True)]
        lines.append(_line(setting, *cells, "yes" if passes(outcomes, setting) else "no"))
    return "\n".join(lines)


def recommendation_table(truth: Sequence[Measured], data: Sequence[Measured]) -> str:
    """What the criterion recommends for each checkpoint, each static rule, and all."""
    lines = _head("For", "Checkpoints", "Pass the ground truth", "Recommended", "Improved")
    for name, weights in _groups(truth):
        truths = [one.outcome for one in truth if one.weights in weights]
        others = [one.outcome for one in data if one.weights in weights]
        candidates = [one for one in truths[0].settings if passes(truths, one)]
        passing = "; ".join(candidates) or "none"
        if others:
            best = recommended(truths, others)
            better, of = share_improved(others, best) if best else (0, 0)
            found = (f"**{best or 'none'}**", f"{better} of {of}" if best else "–")
        else:
            found = ("not asked: on scenes alone", "–")
        lines.append(_line(name, ", ".join(weights), passing, *found))
    return "\n".join(lines)


def shares_table(data: Sequence[Measured]) -> str:
    """How many metrics each setting improves with the whole interval, by checkpoint."""
    weights = list(dict.fromkeys(one.weights for one in data))
    lines = _head("Setting", *weights)
    for setting in data[0].outcome.settings:
        cells = []
        for name in weights:
            outcomes = [one.outcome for one in data if one.weights == name]
            better, of = share_improved(outcomes, setting)
            cells.append(f"{better} of {of} ({100 * better / of:.0f} %)")
        lines.append(_line(setting, *cells))
    return "\n".join(lines)


def times_table(measured: Sequence[Measured], published: dict[str, list[float]]) -> str:
    """Ratios of time with TTD to time without."""
    lines = _head("Source", "Setting", "Ratio to static")
    for network, (static, ttd) in published.items():
        printed = f"{ttd / static:.2f} ({static:g} s to {ttd:g} s)"
        lines.append(_line(f"published, {network}, LLVIP", "paper", printed))
    for one in measured:
        outcome = one.outcome
        ratio = _column(outcome, "ratio")
        for setting in outcome.settings:
            place = f"measured, {one.weights}, {outcome.data}, {_images(len(outcome.ids))}"
            lines.append(_line(place, setting, f"{outcome.mean(setting, ratio):.2f}"))
    return "\n".join(lines)


def _groups(truth: Sequence[Measured]) -> Iterator[tuple[str, list[str]]]:
    rules = {one.weights: one.rule for one in truth}
    for weights, rule in rules.items():
        yield f"{weights} ({rule})", [weights]
    for rule in dict.fromkeys(rules.values()):
        yield f"rule {rule}", [weights for weights, own in rules.items() if own == rule]
    yield "all", list(rules)


def _column(outcome: Outcome, name: str) -> int:
    return [one.name for one in outcome.measures].index(name)


def _truth_mean(outcome: Outcome, name: str) -> float:
    return outcome.mean(STATIC, _column(outcome, name))


def _interval(one: Comparison) -> str:
    mean, low, high = (number(value, signed=True) for value in (one.mean, one.low, one.high))
    return f"{mean} [{low}, {high}]"


def _images(count: int | None) -> str:
    if count is None:
        return "number not stated"
    return "1 image" if count == 1 else f"{count} images"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|" + "---|" * len(cells)]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
