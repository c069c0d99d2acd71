"""Evaluate a fusion network, with and without test-time dynamic fusion, or score fused images."""

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
    parser = new_parser("evaluate.py", __doc__)
    parser.add_argument(
        "--fused",
        type=str,
        nargs="+",
        metavar="DIR",
        help="Score the images in these folders, one per method, by any tool, without a network.",
    )
    parser.add_argument(
        "--allow_unmatched",
        type=bool,
        default=False,
        help="Leave out samples without a fused image, and fused images without a sample.",
    )
    parser.add_argument(
        "--report",
        type=bool,
        default=True,
        help="Write an HTML report of the network's evaluation: images, maps, tables, plots.",
    )
    parser.add_argument(
        "--theorem",
        type=bool,
        default=True,
        help="With --ttd, measure the paper's theorem on every image: covariance of weights and "
        "losses, bounds of Eq. 4, Eq. 5. With ttd.compare fused each source is decoded for it.",
    )
    parser.add_argument(
        "--resume", type=str, help="Folder of an interrupted run that is to go on, with its config."
    )
    data = ("root", "name", "split", "task", "layout", "sources", "reference")
    made = ("network", "ttd", "metrics", "data.colour", "data.batch_size", "seed")
    parser.fixed = ["fused", "allow_unmatched", "theorem", *made, *(f"data.{key}" for key in data)]
    run_main(parser, argv, _program)


if __name__ == "__main__":
    main()
