"""The one exception that stands for a mistake of the person who typed, and what was meant."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or key and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the known one that is spelt nearly so, if any."""
    near = get_close_matches(word, list(known), 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""
