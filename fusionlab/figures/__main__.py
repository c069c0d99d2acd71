"""Draw figures for a paper."""

from __future__ import annotations

import sys

from fusionlab.errors import InputError
from fusionlab.figures.parser import PROG, new_parser


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.figures``."""
    parser = new_parser()
    argv = sys.argv[1:] if argv is None else argv
    parser.arguments = argv
    try:
        settings = parser.instantiate(parser.parse_args(argv))
    except (ValueError, TypeError) as mistake:  # of a __post_init__, or a group that is no mapping
        parser.error(str(mistake))
    from fusionlab.figures.programs import draw  # torch is imported only now

    try:
        paths = draw(settings.command, settings[settings.command])
    except InputError as mistake:
        parser.error(str(mistake))
    except KeyboardInterrupt:
        print(f"{PROG}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    print("\n".join(map(str, paths)))


if __name__ == "__main__":
    main()
