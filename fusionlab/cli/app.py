"""Open a page in the browser: drop pictures, choose network and TTD, download the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Optional

from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood


def parser() -> Parser:
    """The parser of ``fusionlab app``."""
    made = new_parser("app", __doc__, "[--port PORT] [--host HOST] [--no-browser]")
    made.add_argument(
        "--host",
        type=str,
        default="127.0.0.1",
        help="Address to listen on; another than the default lets other machines use the page.",
    )
    made.add_argument(
        "--port",
        type=Optional[int],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="Port to listen on. Default: the first free one from 7860 on.",
    )
    made.add_argument("--no-browser", action="store_true", help="Only print the address.")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab app``."""
    made = parser()
    _, settings = understood(made, sys.argv[1:] if argv is None else argv)
    with ending_in_one_line(made):
        from fusionlab.app import serve  # torch is imported only now

        serve(settings.host, settings.port, not settings.no_browser)


if __name__ == "__main__":
    main()
