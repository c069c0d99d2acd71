"""The parser of every command, and how a program ends."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NoReturn, Optional

from jsonargparse import ArgumentParser, Namespace

import fusionlab
from fusionlab.console import quietly
from fusionlab.errors import InputError
from fusionlab.registry import load_plugins
from fusionlab.settings import TTD, Data, Metrics, Network, Trainer, Training


class Parser(ArgumentParser):
    """Parser that reports a mistake in one line and exits with code 2."""

    fixed: Sequence[str] = ()  # keys that a resumed run cannot change
    arguments: Sequence[str] = ()  # what is being parsed, to name the config file in a mistake
    resumes: tuple[str, ...] = ()  # files of a run folder without which it cannot go on

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the mistake without a usage block; inner parsers, made for groups, come here too."""
        text = one_line(str(message))
        if "<unicode string>" in text:
            configs = [value for value in Parser.arguments if value.endswith((".yaml", ".yml"))]
            text = text.replace("<unicode string>", ", ".join(configs) or "config")
        print(f"{_program[-1]}: error: {text}", file=sys.stderr)
        raise SystemExit(2)


_program: list[str] = ["fusionlab"]  # the command that is being run


def new_parser(name: str, description: str | None, usage: str) -> Parser:
    """An empty parser for ``fusionlab <name>``.

    Args:
        name: The subcommand.
        description: What it does.
        usage: What follows the name on the line.
    """
    prog = f"fusionlab {name}"
    _program[:] = [prog]
    parser = Parser(
        prog=prog, description=description, allow_abbrev=False, usage=f"{prog} {usage}"
    )
    parser.add_argument(
        "--plugin",
        type=Optional[list[str]],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        default=None,
        metavar="FILE.py",
        help="Python file, or list of files, that registers networks, objectives, metrics, "
        "layouts or TTD losses.",
    )
    return parser


def add_config(parser: Parser) -> None:
    """``--config``: a file, or the name of a recipe that the package carries."""
    parser.add_argument(
        "--config",
        action="config",
        help="YAML file, or name of a recipe (ifcnn, experiments/grid); what follows it on the "
        "line overrides it.",
    )


def add_groups(parser: Parser) -> None:
    """Everything that evaluate and train understand alike, so that configs serve both."""
    parser.add_class_arguments(Network, "network")
    parser.add_class_arguments(Data, "data")
    add_ttd(parser)
    parser.add_class_arguments(Metrics, "metrics")
    parser.add_class_arguments(Training, "training")
    parser.add_class_arguments(Trainer, "trainer")
    parser.add_argument("--seed", type=int, default=0, help="Seed of every random choice.")
    parser.add_argument(
        "--output", type=str, default="runs", help="Folder in which each run makes its own."
    )
    parser.add_argument(
        "--wandb",
        type=Optional[Literal["online", "offline", "disabled"]],  # noqa: UP045 (as above)
        default=None,
        help="Log to Weights & Biases. Default: online if an account is configured, else offline.",
    )
    add_switch(parser, "--quiet", "Print the results only: no progress bar, no notes.")
    add_switch(parser, "--json", "Print the summary as JSON in place of the tables.")


def add_ttd(parser: Parser) -> None:
    """``--ttd``, bare or with its options."""
    parser.add_argument(
        "--ttd",
        type=Optional[TTD],  # noqa: UP045 (a dataclass behind nargs="?" needs this form)
        default=None,
        nargs="?",
        const={},
        metavar="OPTIONS",
        help="Fuse with test-time dynamic fusion too; refine with --ttd.preset, --ttd.basis, "
        "--ttd.compare, --ttd.loss, --ttd.temperature, --ttd.channel, --ttd.form, "
        "--ttd.normalization, --ttd.correlation, --ttd.gain.",
    )


def add_switch(parser: Parser, name: str, text: str, default: bool = False) -> None:
    """A claim that may stand without a value, which is then true."""
    parser.add_argument(name, type=bool, default=default, nargs="?", const=True, help=text)


def run_command(
    parser: Parser,
    argv: Sequence[str],
    program: Callable[[], Callable[[Namespace, str], Any]],
    only_here: dict[str, Any] | None = None,
) -> Any:
    """Parse, then import the program with ``program()`` and run it.

    The program gets the settings and the resolved config as YAML. Everything before works without
    torch. An InputError ends the program like a mistake in its arguments.

    Args:
        parser: The parser of the command.
        argv: What follows the command.
        program: Imports what runs.
        only_here: Defaults of options that other commands lack: unless changed, they are not
            written into the config.
    """
    arguments = with_recipes(argv)
    Parser.arguments = list(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows still gets its table
    try:
        config = parsed(parser, arguments)
        settings = parser.instantiate(config)
    except (ValueError, TypeError) as mistake:  # of a __post_init__, or a group that is no mapping
        parser.error(str(mistake))
    for key in ("resume", "config"):
        config.pop(key, None)  # the next program could not read it
    for key, default in (only_here or {}).items():
        if config.get(key, default) == default:
            config.pop(key, None)
    if settings.get("ttd") is not None:
        config.ttd = Namespace(**asdict(settings.ttd))  # with what the preset filled in
    text = parser.dump(config, skip_validation=True, skip_unset=False)
    with ending_in_one_line(parser), quietly(bool(settings.get("quiet"))):
        return program()(settings, text)


def parsed(parser: Parser, argv: Sequence[str]) -> Namespace:
    """The checked config; of a run that goes on, that of its folder; its plug-ins are loaded.

    Raises:
        InputError: If a setting cannot be used, or a resumed run would change.
    """
    config = _checked(parser.parse_args(list(argv)))
    if config.get("resume") is not None:
        base = ["--config", str(resumed_config(config.resume, parser.resumes))]
        config = _checked(parser.parse_args([*base, *argv]))
        _check_unchanged(_checked(parser.parse_args(base)), config, parser.fixed)
    load_plugins(config.get("plugin") or [])
    return config


@contextmanager
def ending_in_one_line(parser: ArgumentParser) -> Iterator[None]:
    """Make an InputError a mistake in the arguments, and of Ctrl-C exit code 130."""
    try:
        yield
    except InputError as mistake:
        parser.error(str(mistake).rpartition("InputError: ")[2])  # after a worker's traceback
    except KeyboardInterrupt:
        print(f"{_program[-1]}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def config_folder() -> Path:
    """Where the recipes are: in the package, or beside it in a checkout."""
    package = Path(fusionlab.__file__).parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def with_recipes(argv: Sequence[str]) -> list[str]:
    """Arguments in which the names of recipes behind ``--config`` are their files."""
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


def _recipe(name: str) -> str:
    path = Path(name).expanduser()
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return str(path)
    inside = config_folder() / f"{name}.yaml"
    return str(inside) if inside.is_file() else name


def one_line(message: str) -> str:
    """Jsonargparse's report of a mistake: the key, what it expects, what it got, the remedy."""
    if message == "'str' object does not support item assignment":
        return "fused must be a list of folders, [DIR, ...]"  # the only key that is one
    message = re.sub(r"typing\.Literal\[(.*?)\]", r"one of \1", message)
    message = re.sub(r"(?:a )?<class '(\w+)'>", r"\1", message).replace("a one of", "one of")
    end = r"(?=\n\s+- Expected|\n\s+Subclass types|\n *Given)"
    union = re.search(rf"Errors:\s+- (.*?){end}", message, re.DOTALL)
    if union:
        key = message.split(":", 1)[0] + ": " if message.startswith("Parser key") else ""
        given = re.search(r"Given value: (.*)", message, re.DOTALL)
        got = f". Got value: {given[1]}" if given and key else ""
        message = f"{key}{union[1]}{got}"
        if 'key "ttd"' in key:
            message = f"{key}Expected its options, {{}} for the defaults{got}"
    for name in TTD.__dataclass_fields__:  # jsonargparse names keys of an optional group without it
        message = message.replace(f'Parser key "{name}"', f'Parser key "ttd.{name}"')
    message = " ".join(message.split())
    return f"{message}; see --help" if "not accept" in message or "unrecog" in message else message


def resumed_config(folder: str, needed: Sequence[str]) -> Path:
    """The config of the run to go on with.

    Args:
        folder: The run folder.
        needed: Files that it must hold.

    Raises:
        InputError: If it lacks one.
    """
    for name in ("config.yaml", *needed):
        if not (Path(folder) / name).is_file():
            raise InputError(f"no {name} in {folder}; set resume to the folder of a run to go on")
    return Path(folder) / "config.yaml"


def _checked(config: Namespace) -> Namespace:
    """What jsonargparse lets pass: groups that are no mapping, a seed of none or out of range.

    Raises:
        InputError: Naming the key.
    """
    for group in ("network", "data", "metrics", "training", "trainer", "conditions"):
        if group in config and not isinstance(config[group], Namespace):
            raise InputError(f"{group} must be a mapping of its options, got {config[group]}")
    if "seed" in config and (config.seed is None or not 0 <= config.seed < 2**32):
        raise InputError(f"seed must be from 0 to 2**32 - 1, got {config.seed}")
    return config


def _check_unchanged(stored: Namespace, config: Namespace, keys: Sequence[str]) -> None:
    """Refuse to go on with something else.

    Raises:
        InputError: Naming the first key that differs.
    """
    for key in keys:
        if stored[key] != config[key]:
            raise InputError(
                f"{key} was {stored[key]} in the run to go on with; leave it out or start anew"
            )
