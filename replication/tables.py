"""The tables of the replication page, as Markdown; every number is taken from the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fusionlab.laboratory.replication.cells import column, head, images, interval, line, printed
from fusionlab.laboratory.replication.claims import Claim, tally
from fusionlab.laboratory.replication.criterion import (
    TRUTH,
    effect_on_truth,
    passes,
    recommended,
    share_improved,
)
from fusionlab.laboratory.replication.measure import Measured
from fusionlab.laboratory.replication.published import verdict_of_all
from fusionlab.laboratory.sweep import STATIC
from fusionlab.report.table import ARROWS, number

SSIM_TRUTH = "SSIM_truth"


def verdicts_table(found: Sequence[Claim]) -> str:
    """A line per claim: how many metrics have sign and size, and the verdict of all."""
    own = ("Table", "Published on", "Measured on", "Weights", "Row")
    lines = head(*own, "Static off", "Sign", "Sign and size", "Verdict")
    for one in found:
        verdicts = one.verdicts()
        sign, size, of = tally(verdicts)
        here = f"{one.measured.outcome.data}, {images(len(one.measured.outcome.ids))}"
        here += " (other data)" if one.on_other_data else ""
        there = f"{one.table.data}, {images(one.table.images)}"
        weights = f"{one.measured.weights} ({one.measured.rule})"
        cells = (one.number, there, here, weights, one.row, f"{100 * one.static_off:.0f} %")
        told = f"**{verdict_of_all(verdicts)}**"
        lines.append(line(*cells, f"{sign} of {of}", f"{size} of {of}", told))
    return "\n".join(lines)


def closest_table(found: Sequence[Claim], settings: Sequence[str]) -> str:
    """Metrics whose published sign, and size too, each setting finds; one checkpoint's claims."""
    heads = [f"{one.number}, {one.measured.outcome.data}" for one in found]
    lines = head("Setting", *heads)
    for setting in settings:
        tallies = [tally(one.verdicts(setting)) for one in found]
        cells = [f"{sign}, {size} of {of}" for sign, size, of in tallies]
        lines.append(line(setting, *cells))
    return "\n".join(lines)


def claim_table(one: Claim) -> str:
    """A published row beside the measured one, metric by metric."""
    outcome = one.measured.outcome
    columns = ("static", f"{one.row}", "difference")
    heads = [f"{text}, {place}" for place in ("published", "measured") for text in columns]
    lines = head("Metric", *heads, "Verdict")
    pairs = zip(one.table.metrics, one.against(one.row), one.verdicts(), strict=True)
    for k, (name, (difference, found), told) in enumerate(pairs):
        place = column(outcome, name)
        there = [f"{value:.2f}" for value in (one.table.static[k], one.table.rows[one.row][k])]
        here = [number(outcome.mean(label, place)) for label in (STATIC, one.row)]
        arrow = ARROWS[outcome.measures[place].higher_is_better]
        cells = (*there, printed(difference), *here, interval(found), told)
        lines.append(line(name + arrow, *cells))
    return "\n".join(lines)


def truth_table(truths: Sequence[Measured]) -> str:
    """What every setting does to PSNR against the truth, for one checkpoint."""
    heads = []
    for one in truths:
        static = number(one.outcome.mean(STATIC, column(one.outcome, TRUTH)))
        heads += [
            f"{one.outcome.data}: PSNR from {static} dB",
            "worst, dB",
            "SSIM",
        ]
    lines = head("Setting", *heads, "Passes")
    outcomes = [one.outcome for one in truths]
    for setting in outcomes[0].settings:
        cells = []
        for outcome in outcomes:
            effect = effect_on_truth(outcome, setting)
            similarity = outcome.against_static[setting][column(outcome, SSIM_TRUTH)]
            worst = number(effect.worst, signed=True)
            cells += [interval(effect.mean), worst, number(similarity.mean, signed=True)]
        lines.append(line(setting, *cells, "yes" if passes(outcomes, setting) else "no"))
    return "\n".join(lines)


def recommendation_table(truth: Sequence[Measured], data: Sequence[Measured]) -> str:
    """What the criterion recommends for each checkpoint, each static rule, and all."""
    lines = head("For", "Checkpoints", "Pass the ground truth", "Recommended", "Improved")
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
        lines.append(line(name, ", ".join(weights), passing, *found))
    return "\n".join(lines)


def shares_table(data: Sequence[Measured]) -> str:
    """How many metrics each setting improves with the whole interval, by checkpoint."""
    weights = list(dict.fromkeys(one.weights for one in data))
    lines = head("Setting", *weights)
    for setting in data[0].outcome.settings:
        cells = []
        for name in weights:
            outcomes = [one.outcome for one in data if one.weights == name]
            better, of = share_improved(outcomes, setting)
            cells.append(f"{better} of {of} ({100 * better / of:.0f} %)")
        lines.append(line(setting, *cells))
    return "\n".join(lines)


def _groups(truth: Sequence[Measured]) -> Iterator[tuple[str, list[str]]]:
    rules = {one.weights: one.rule for one in truth}
    for weights, rule in rules.items():
        yield f"{weights} ({rule})", [weights]
    for rule in dict.fromkeys(rules.values()):
        yield f"rule {rule}", [weights for weights, own in rules.items() if own == rule]
    yield "all", list(rules)
