"""List the metrics and their conventions."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood
from fusionlab.registry import METRICS

BETTER = {True: "higher is better", False: "lower is better", None: "0 is best"}


def parser() -> Parser:
    """The parser of ``fusionlab metrics``."""
    made = new_parser("metrics", __doc__, "[NAME ...]")
    made.add_argument(
        "names", type=str, nargs="*", metavar="NAME", help="Only these metrics, e.g. EN EI."
    )
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab metrics``."""
    made = parser()
    settings, _ = understood(made, sys.argv[1:] if argv is None else argv)
    with ending_in_one_line(made):
        for name in settings.names or METRICS:
            print_metric(name)
        if not settings.names:
            print_presets()


def print_metric(name: str) -> None:
    """A metric, and a line for each of its conventions; torch is imported only now."""
    metric = METRICS[name]
    size = f"; from {metric.minimum_size} x {metric.minimum_size} pixels"
    print(
        f"{metric.name}: {metric.long_name}; {BETTER[metric.higher_is_better]}"
        f"{size if metric.minimum_size > 1 else ''}"
    )
    for key, convention in metric.conventions.items():
        print(f"    {metric.name}:{key}  {convention.text}")


def print_presets() -> None:
    """The presets, each with its metrics."""
    from fusionlab.metrics import PRESETS

    print("\nmetrics.preset, each in the convention of its name:")
    for preset, names in PRESETS.items():
        print(f"    {preset}: {' '.join(METRICS[name].name for name in names.split())}")
    print("    all: every metric, in the convention paper")


if __name__ == "__main__":
    main()
