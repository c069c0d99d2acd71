"""The one exception that stands for a mistake of the person who typed."""


class InputError(ValueError):
    """Input that cannot be used: one line that names the file or key and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """
