"""Write the page of metrics: formulas, conventions, and one image measured in all of them."""

from __future__ import annotations

import argparse

from fusionlab.metrics.page import metrics_page


def main(arguments: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.metrics``."""
    parser = argparse.ArgumentParser(prog="python -m fusionlab.metrics", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("page", help="print docs/metrics.md")
    parser.parse_args(arguments)
    print(metrics_page(), end="")


if __name__ == "__main__":
    main()
