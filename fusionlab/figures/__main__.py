"""Draw figures for a paper."""

from __future__ import annotations

import sys

from fusionlab.figures.parser import new_parser
from fusionlab.mistakes import ending_in_one_line


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.figures``."""
    parser = new_parser()
    argv = sys.argv[1:] if argv is None else argv
    parser.arguments = argv
    try:
        settings = parser.instantiate(parser.parse_args(argv))
    except (ValueError, TypeError) as mistake:  # of a __post_init__, or a group that is no mapping
        parser.error(str(mistake))
    with ending_in_one_line(parser):
        from fusionlab.figures.programs import draw  # torch is imported only now

        paths = draw(settings.command, settings[settings.command])
    print("\n".join(map(str, paths)))


if __name__ == "__main__":
    main()
