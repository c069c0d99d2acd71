"""Fuse pictures, folders or videos."""

from __future__ import annotations

import sys

from fusionlab.fuse.parser import new_parser, with_bare_ttd
from fusionlab.mistakes import ending_in_one_line
from fusionlab.notes import quietly


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.fuse``; exit code 1 if only a part could be fused."""
    parser = new_parser()
    argv = with_bare_ttd(sys.argv[1:] if argv is None else argv)
    parser.arguments = argv
    try:
        settings = parser.instantiate(parser.parse_args(argv))
    except (ValueError, TypeError) as mistake:  # of a __post_init__, or a group that is no mapping
        parser.error(str(mistake))
    with ending_in_one_line(parser), quietly(settings.quiet):
        from fusionlab.fuse.program import fuse  # torch is imported only now

        complete = fuse(settings)
    if not complete:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
