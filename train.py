"""Train a fusion network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fusionlab.cli import main as run_main
from fusionlab.cli import new_parser


def _program() -> Callable[..., Any]:
    from fusionlab.programs.train import train  # torch is imported only now

    return train


def main(argv: list[str] | None = None) -> None:
    """Run ``python train.py``."""
    parser = new_parser("train.py", __doc__)
    parser.add_argument(
        "--resume", type=str, help="Folder of a training run that is to go on, with its config."
    )
    parser.fixed = [f"network.{key}" for key in ("name", "checkpoint", "options")]
    parser.fixed += [f"training.{key}" for key in ("stage", "optimizer", "lr", "options")]
    parser.fixed += [f"training.{key}" for key in ("weight_decay", "momentum", "schedule")]
    parser.resumes = ("last.ckpt",)
    run_main(parser, argv, _program)


if __name__ == "__main__":
    main()
