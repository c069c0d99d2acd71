"""Words of the command line before they are parsed: commands, names of recipes, bare lists."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

import fusionlab
from fusionlab.errors import InputError, did_you_mean
from fusionlab.settings.ttd import TTD_PRESETS


def chosen_command(
    program: str, text: str, commands: Mapping[str, str], argv: Sequence[str], default: str = ""
) -> tuple[str, list[str]]:
    """The command that comes first in the arguments, and what follows it.

    Help and a mistake end the program here.

    Args:
        program: What the commands belong to, e.g. ``fusionlab data``.
        text: What it does.
        commands: What each command does, by its name.
        argv: The arguments.
        default: The command that is meant where none is named; empty if one must be.
    """
    first = argv[0] if argv else ""
    if first in ("-h", "--help") or not (first or default):
        optional = f"[COMMAND, default {default}]" if default else "COMMAND"
        print(f"usage: {program} {optional} ...\n\n{text}\n")
        print(f"commands ({program} COMMAND --help says more):")
        for name, does in commands.items():
            print(f"  {name:{max(map(len, commands))}}  {does}")
        raise SystemExit(0 if argv else 2)
    if default and (not first or first.startswith("-")):
        return default, list(argv)
    if first not in commands:
        known, near = ", ".join(commands), did_you_mean(first, commands)
        print(f"{program}: error: no command {first!r}; there are {known}{near}", file=sys.stderr)
        raise SystemExit(2)
    return first, list(argv[1:])


def config_folder() -> Path:
    """Where the recipes are: in the package, or beside it in a checkout."""
    package = Path(fusionlab.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def with_recipes(argv: Sequence[str]) -> list[str]:
    """Arguments in which the names of recipes behind ``--config`` are their files.

    Raises:
        InputError: If there is neither a file nor a recipe of a name.
    """
    found: list[str] = []
    for argument in argv:
        key, equals, value = argument.partition("=")
        if found and found[-1] == "--config":
            found.append(_recipe(argument))
        elif key == "--config" and equals:
            found.append(f"--config={_recipe(value)}")
        else:
            found.append(argument)
    return found


def with_lists(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    """Arguments in which several words behind an option, ``--fused A B``, are one list.

    ``--plugin`` takes one word, but may come several times.
    """
    found: list[str] = []
    plugins: list[str] = []
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        key, equals, value = argument.partition("=")
        words = [value] if equals else []
        most = 1 if key == "--plugin" else len(rest)
        if key.removeprefix("--") not in ("plugin", *options) or not key.startswith("--"):
            found.append(argument)
            continue
        while not equals and rest and len(words) < most and not rest[0].startswith("-"):
            words.append(rest.pop(0))
        if key == "--plugin":
            plugins += words
        elif words:
            found += [key, _as_list(words)]
        else:
            found.append(argument)
    return [*found, *(["--plugin", _as_list(plugins)] if plugins else [])]


def with_preset(argv: Sequence[str]) -> list[str]:
    """Arguments in which ``--ttd paper`` is ``--ttd.preset paper``."""
    behind = [*argv[1:], ""]
    return [
        "--ttd.preset" if word == "--ttd" and behind[k] in TTD_PRESETS else word
        for k, word in enumerate(argv)
    ]


def with_names(argv: Sequence[str], options: Sequence[str]) -> list[str]:
    """Arguments in which a list in brackets behind an option has names, [01, NO], no numbers."""
    found: list[str] = []
    for argument in argv:
        key, equals, value = argument.partition("=")
        if found and found[-1] in options and not equals:
            found.append(_names(argument))
        elif key in options and equals:
            found += [key, _names(value)]
        else:
            found.append(argument)
    return found


def _names(text: str) -> str:
    try:
        names = yaml.load(text, yaml.BaseLoader) if text.startswith("[") else None
    except yaml.YAMLError:
        return text  # the parser says what is wrong with it
    flat = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return json.dumps(names, ensure_ascii=False) if flat else text


def _as_list(words: Sequence[str]) -> str:
    """Words as a list in YAML; words that are YAML already stay so."""
    if list(words) == ["null"]:
        return "null"
    inner = (
        word[1:-1] if word[:1] == "[" else word if word[:1] == "{" else json.dumps(word)
        for word in words
    )
    return f"[{', '.join(inner)}]"


def _recipe(name: str) -> str:
    path = Path(name).expanduser()
    if path.exists():
        return str(path)
    folder = config_folder()
    inside = folder / f"{name}.yaml"
    if inside.is_file():
        return str(inside)
    paths = sorted(one.relative_to(folder).with_suffix("") for one in folder.rglob("*.yaml"))
    known = [path.as_posix() for path in paths]
    near = did_you_mean(name, known)
    raise InputError(f"config: no file {name}; the recipes are {', '.join(known)}{near}")
