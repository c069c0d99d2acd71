"""Score the fused pictures that VIFB, MFIFB and L. Tang publish, beside their published values.

python -m replication.pictures --vifb DIR --mfifb DIR --tang DIR -o pictures.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fusionlab.console import note
from fusionlab.errors import InputError
from fusionlab.runs.files import write_atomic
from replication.comparison import compared
from replication.ending import ending_in_one_line
from replication.galleries import Gallery, layouts, open_gallery
from replication.measuring import measured_run
from replication.pictures_page import Scored, agreement_table, pictures_page, values_csv
from replication.results_page import command_of

PROGRAM = "python -m replication.pictures"


def new_parser() -> argparse.ArgumentParser:
    """The parser; its mistakes are one line, without usage."""
    parser = argparse.ArgumentParser(PROGRAM, argparse.SUPPRESS, __doc__, allow_abbrev=False)
    for name, layout in layouts().items():
        parser.add_argument(
            f"--{name.casefold()}", metavar="DIR", help=f"folder of {layout.title}, as downloaded"
        )
    parser.add_argument(
        "--limit", type=int, metavar="COUNT", help="only the first pairs of each, by name"
    )
    parser.add_argument(
        "--allow-unmatched",
        action="store_true",
        help="leave out missing and stray pictures instead of refusing them",
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="COUNT", help="processes that score (%(default)s)"
    )
    parser.add_argument(
        "--values",
        default="runs/pictures",
        metavar="DIR",
        help="folder of the run folders, which an interrupted run fills (%(default)s)",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="runs/pictures/page.md",
        metavar="PAGE.md",
        help="the page; beside it a folder of its name with every value (%(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``python -m replication.pictures``."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = new_parser()
    options = parser.parse_args(arguments)
    with ending_in_one_line(parser):
        _score(options, command_of(arguments, PROGRAM))
    print(options.output)


def _score(options: argparse.Namespace, command: str) -> None:
    for name, least in (("limit", 1), ("workers", 0)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise InputError(f"--{name} must be at least {least}, got {value}")
    galleries = [*_opened(options)]
    output, ending = Path(options.output), f"-first-{options.limit}" if options.limit else ""
    scored = []
    for gallery in galleries:
        run = measured_run(gallery.bench, Path(options.values) / f"{gallery.name}{ending}")
        scored.append(Scored(gallery, run, compared(gallery, run)))
    for one in scored:
        if one.agreements:
            folder = output.with_suffix("")
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{one.gallery.name}.csv"
            write_atomic(path, values_csv(one.agreements).encode())
            print(f"{one.gallery.name}\n{agreement_table(one.agreements)}\n")
    output.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(output, pictures_page(scored, command).encode())


def _opened(options: argparse.Namespace) -> list[Gallery]:
    """The collections whose folders are given; all are opened before any is scored."""
    galleries = []
    for name in layouts():
        folder = getattr(options, name.casefold())
        if folder is None:
            continue
        gallery = open_gallery(
            name,
            Path(folder),
            limit=options.limit,
            allow_unmatched=options.allow_unmatched,
            workers=options.workers,
        )
        for one in gallery.bench.folders:
            for line in one.left_out():
                note(line)
        galleries.append(gallery)
    if not galleries:
        known = ", ".join(f"--{name.casefold()}" for name in layouts())
        raise InputError(f"no collection is given; give one or more of {known}")
    return galleries


if __name__ == "__main__":
    main()
