"""Print a script that lets the shell complete commands and options."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

from fusionlab.cli.arguments import chosen_command

SHELLS = {
    "bash": 'for bash: eval "$(fusionlab completion bash)" in ~/.bashrc',
    "zsh": 'for zsh: eval "$(fusionlab completion zsh)" in ~/.zshrc',
}
ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"
SCRIPT = """\
_fusionlab() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words
  case "${{COMP_WORDS[1]}} ${{COMP_WORDS[2]}}" in
{cases}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words="{commands}"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _fusionlab fusionlab
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab completion``."""
    given = sys.argv[1:] if argv is None else argv
    shell, _ = chosen_command("fusionlab completion", str(__doc__), SHELLS, given)
    print((ZSH if shell == "zsh" else "") + script(), end="")


def script() -> str:
    """The script; after an option and its value come files, as the shell completes them."""
    from fusionlab.cli import COMMANDS

    cases = [f'    {pattern}) words="{options}" ;;' for pattern, options in _cases(COMMANDS)]
    return SCRIPT.format(cases="\n".join(cases), commands=" ".join(COMMANDS))


def _cases(commands: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Patterns of the first two words, and what may follow: the more particular ones first."""
    for name in commands:
        module = import_module(f"fusionlab.cli.{name}")
        below = getattr(module, "COMMANDS", None) or getattr(module, "FIGURES", None)
        if below is None:
            parser = getattr(module, "parser", None)
            yield f'"{name} "*', " ".join(_options(parser()) if parser else SHELLS)
            continue
        for one in below:
            yield f'"{name} {one}"', " ".join(_options(module.parser(one)))
        yield f'"{name} "*', " ".join(below)


def _options(parser: Any) -> Iterator[str]:
    for action in parser._actions:
        yield from (text for text in action.option_strings if text.startswith("--"))


if __name__ == "__main__":
    main()
