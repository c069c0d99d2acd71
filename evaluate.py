"""Evaluate a fusion network, with and without test-time dynamic fusion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fusionlab.cli import main as run_main
from fusionlab.cli import new_parser


def _program() -> Callable[..., Any]:
    from fusionlab.programs.evaluate import evaluate  # torch is imported only now

    return evaluate


def main(argv: list[str] | None = None) -> None:
    """Run ``python evaluate.py``."""
    run_main(new_parser("evaluate.py", __doc__), argv, _program)


if __name__ == "__main__":
    main()
