"""Figure 5b on the page: sign of the correlation; loss-based against gradient-based."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fusionlab.laboratory.outcome import Outcome
from fusionlab.laboratory.replication.cells import column, details, head, interval, line
from fusionlab.laboratory.replication.criterion import TRUTH, improved, worsened
from fusionlab.laboratory.replication.measure import Measured
from fusionlab.laboratory.replication.published import Published
from fusionlab.laboratory.replication.results import Results
from fusionlab.report.statistics import Comparison, compare
from fusionlab.report.table import ARROWS

UNDECIDED = "undecided"


class Pair(NamedTuple):
    """Two settings, the first minus the second."""

    first: str
    second: str
    better: str
    """What is said if the first is better."""
    worse: str
    """What is said if the second is."""


PAIRS = (
    Pair("paper", "paper, positive", "negative", "positive"),
    Pair("authors", "authors, positive", "negative", "positive"),
    Pair("paper", "gradient", "loss", "gradient"),
    Pair("paper", "gradient, channel 58", "loss", "gradient"),
)
SIGNS = PAIRS[:2]  # those of the paper's claim


class Counts(NamedTuple):
    """Metrics over all data sets: with the whole interval better, worse, and all."""

    better: int
    worse: int
    of: int


def differences(outcome: Outcome, pair: Pair) -> list[Comparison]:
    """First minus second, image by image: K comparisons."""
    first, second = outcome.values[pair.first], outcome.values[pair.second]
    return [
        compare(second[:, k], first[:, k], measure.higher_is_better)
        for k, measure in enumerate(outcome.measures)
    ]


def counts(outcomes: Sequence[Outcome], pair: Pair) -> Counts:
    """Over all metrics without reference and all data sets."""
    better = worse = of = 0
    for outcome in outcomes:
        found = differences(outcome, pair)
        for k in _metrics(outcome):
            better += improved(found[k], outcome.measures[k])
            worse += worsened(found[k], outcome.measures[k])
            of += 1
    return Counts(better, worse, of)


def by_metrics(found: Counts, pair: Pair) -> str:
    """Which of the two more than half of the metrics prefer with the whole interval."""
    if 2 * found.better > found.of:
        return pair.better
    return pair.worse if 2 * found.worse > found.of else UNDECIDED


def by_truth(effects: Sequence[Comparison], pair: Pair) -> str:
    """Which of the two PSNR prefers on every data set with the whole interval."""
    if effects and all(one.low > 0 for one in effects):
        return pair.better
    return pair.worse if effects and all(one.high < 0 for one in effects) else UNDECIDED


def signs_summary(results: Results) -> str:
    """One sentence: in how many comparisons which sign is better."""
    return f"Figure 5b (negative correlation is better): {_preferred(results)}"


def _preferred(results: Results) -> str:
    pairs = [(weights, pair) for weights in results.weights for pair in SIGNS]
    metrics = [by_metrics(counts(_outcomes(results.data, one), pair), pair) for one, pair in pairs]
    truth = [by_truth(_effects(_outcomes(results.truth, one), pair), pair) for one, pair in pairs]
    return (
        f"of {len(pairs)} comparisons of signs, {_told(metrics)} by metrics; {_told(truth)} by "
        "ground truth."
    )


def signs_section(published: Published, results: Results) -> str:
    """Verdicts, then the differences behind them, folded up."""
    parts = [
        f"""## Sign of the correlation, and loss against gradient (Figure 5b)

The figure has no printed numbers. Its claim: {published.figures["5b"]} The paper sets RD from the
loss beside RD from its gradient; which is better is asked here without a claim.

First setting minus second, image by image. A metric counts as better or worse with its whole 95 %
interval; what more than half of the metrics, over all data sets without reference, prefer is
"better by metrics". "Better by truth" is what PSNR prefers on all scenes with a ground truth.

**Verdict**: {_preferred(results)}

{_verdicts_table(results)}
"""
    ]
    for pair in PAIRS:
        summary = f"Differences, {pair.first} minus {pair.second}"
        parts.append(details(summary, _differences_table(results, pair)))
    return "\n".join(parts)


def _verdicts_table(results: Results) -> str:
    scenes = list(dict.fromkeys(one.outcome.data for one in results.truth))
    own = ("Weights", "First", "Second", "First better", "Second better", "Undecided")
    lines = head(*own, "Better by metrics", *(f"PSNR, {one}" for one in scenes), "Better by truth")
    for weights in results.weights:
        data, truth = (_outcomes(part, weights) for part in (results.data, results.truth))
        for pair in PAIRS:
            found = counts(data, pair)
            effects = _effects(truth, pair)
            open_ = found.of - found.better - found.worse
            numbers = [f"{count} of {found.of}" for count in (found.better, found.worse, open_)]
            told = [f"**{by_metrics(found, pair)}**", *map(interval, effects)]
            cells = (weights, pair.first, pair.second, *numbers, *told)
            lines.append(line(*cells, f"**{by_truth(effects, pair)}**"))
    return "\n".join(lines)


def _differences_table(results: Results, pair: Pair) -> str:
    """A line for each checkpoint and data set."""
    outcome = results.data[0].outcome
    names = [outcome.measures[k] for k in _metrics(outcome)]
    lines = head("Weights", "Data", *(one.name + ARROWS[one.higher_is_better] for one in names))
    for one in results.data:
        found = differences(one.outcome, pair)
        cells = [interval(found[column(one.outcome, measure.name)]) for measure in names]
        lines.append(line(one.weights, one.outcome.data, *cells))
    return "\n".join(lines)


def _told(verdicts: Sequence[str]) -> str:
    return ", ".join(f"{verdicts.count(one)} {one}" for one in (*SIGNS[0][2:], UNDECIDED))


def _effects(truth: Sequence[Outcome], pair: Pair) -> list[Comparison]:
    """Of PSNR to the truth, by data set."""
    return [differences(one, pair)[column(one, TRUTH)] for one in truth]


def _metrics(outcome: Outcome) -> list[int]:
    """Columns of the metrics without reference."""
    return [k for k in outcome.measured if not outcome.measures[k].of_truth]


def _outcomes(measured: Sequence[Measured], weights: str) -> list[Outcome]:
    return [one.outcome for one in measured if one.weights == weights]
