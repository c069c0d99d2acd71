"""The parser of every command, and how a program ends."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Optional, Union

from jsonargparse import ArgumentParser, Namespace

from fusionlab.cli.arguments import with_lists, with_names, with_preset, with_recipes
from fusionlab.cli.messages import one_line
from fusionlab.console import quietly
from fusionlab.ending import (
    FAILED,
    INTERRUPTED,
    TERMINATED,
    OutsideFailure,
    Terminated,
    drop_output,
    fill_standard_files,
    flush_output,
    outside_failure,
    say,
    signals_raise,
)
from fusionlab.errors import InputError
from fusionlab.registry import load_plugins
from fusionlab.settings import TTD, Data, Metrics, Network, Trainer, Training
from fusionlab.settings.addresses import without_credentials
from fusionlab.settings.configs import with_configs

NAMES = ("--data.sources", "--sources")  # options with a list of names


class Parser(ArgumentParser):
    """Parser that reports a mistake in one line and exits with code 2."""

    program: ClassVar[str] = "fusionlab"  # the command that is being run
    arguments: ClassVar[Sequence[str]] = ()  # what is parsed, to name the config file in a mistake
    lists: Sequence[str] = ()  # options that take several words
    fixed: Sequence[str] = ()  # keys that a resumed run cannot change
    resumes: tuple[str, ...] = ()  # files of a run folder without which it cannot go on

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the mistake without a usage block; parsers of inner groups come here too."""
        text = one_line(str(message), [action.dest for action in self._actions])
        if "<unicode string>" in text:
            configs = [value for value in Parser.arguments if value.endswith((".yaml", ".yml"))]
            text = text.replace("<unicode string>", ", ".join(configs) or "config")
        print(f"{Parser.program}: error: {text}", file=sys.stderr)
        raise SystemExit(2)


def new_parser(name: str, description: str | None, usage: str) -> Parser:
    """An empty parser for ``fusionlab <name>``.

    Args:
        name: The subcommand.
        description: What it does.
        usage: What follows the name on the line.
    """
    prog = f"fusionlab {name}"
    Parser.program = prog
    parser = Parser(prog=prog, description=description, allow_abbrev=False, usage=f"{prog} {usage}")
    parser.add_argument(
        "--plugin",
        type=Optional[Union[list[str], str]],  # noqa: UP007, UP045 (jsonargparse needs this form)
        default=None,
        metavar="FILE.py",
        help="Python file that registers networks, objectives, metrics, layouts or TTD losses; "
        "may be given several times.",
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
        help="Log to Weights & Biases. Default: online if an account is configured, else offline. "
        "--wandb.project, .entity, .name, .group, .tags, .id, .dir and .notes set what its "
        "environment variables do.",
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
    only_here: Sequence[str] = (),
    check: Callable[[Sequence[str], Namespace], None] | None = None,
) -> Any:
    """Parse, then import the program with ``program()`` and run it.

    The program gets the settings and the resolved config as YAML. Everything before works without
    torch. An InputError ends the program like a mistake in its arguments.

    Args:
        parser: The parser of the command.
        argv: What follows the command.
        program: Imports what runs.
        only_here: Options that other commands lack: unless changed, they are not written into the
            config.
        check: What else it refuses, of the arguments and the settings.
    """
    config, settings = understood(parser, argv)
    if check is not None:
        with ending_in_one_line(parser):
            check(with_recipes(argv), settings)
    for key in ("resume", "config"):
        config.pop(key, None)  # the next program could not read it
    defaults = parser.get_defaults()
    for key in ("plugin", *only_here):
        if config[key] == defaults[key]:
            config.pop(key)
    shown = _without_credentials(_resolved(config, settings))
    text = parser.dump(shown, skip_validation=True, skip_unset=False)
    with ending_in_one_line(parser), quietly(bool(settings.get("quiet"))):
        return program()(settings, text)


def make_flags(parser: ArgumentParser) -> None:
    """Let every claim stand without a value, which is then true: ``--trainer.deterministic``."""
    for action in parser._actions:
        kind = getattr(action, "_typehint", None)
        if kind in (bool, Optional[bool]) and action.nargs is None and action.option_strings:  # noqa: UP045
            action.nargs, action.const = "?", True


def understood(parser: Parser, argv: Sequence[str]) -> tuple[Namespace, Namespace]:
    """The config as it was given, and the settings made of it; plug-ins are loaded between.

    A mistake ends the program.
    """
    fill_standard_files()
    make_flags(parser)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows still gets its table
    with ending_in_one_line(parser):
        with _refusing(parser):
            named = with_names(with_preset(argv), NAMES)
            arguments = with_lists(with_recipes(named), parser.lists)
            Parser.arguments = arguments
            config = parsed(parser, arguments)
            for key in ("output", "resume"):
                if isinstance(config.get(key), str):
                    config[key] = str(Path(config[key]).expanduser())
            if config.get("fused"):
                config.fused = [str(Path(one).expanduser()) for one in config.fused]
        given = config.get("plugin") or []
        if given:
            config.plugin = load_plugins([given] if isinstance(given, str) else given)
        with _refusing(parser):
            return config, parser.instantiate(config)


def parsed(parser: Parser, argv: Sequence[str]) -> Namespace:
    """The checked config; of a run that goes on, that of its folder.

    Raises:
        InputError: If a setting cannot be used, or a resumed run would change.
    """
    config = _checked(parser, argv)
    if config.get("resume") is not None:
        config.resume = str(Path(config.resume).expanduser())
        base = ["--config", str(resumed_config(config.resume, parser.resumes))]
        config = _checked(parser, [*base, *argv])
        _check_unchanged(_checked(parser, base), config, parser.fixed)
    return config


@contextmanager
def _refusing(parser: Parser) -> Iterator[None]:
    """What a group, or jsonargparse of what is no mapping, raises is a mistake in the arguments."""
    try:
        yield
    except (ValueError, TypeError) as mistake:
        parser.error(str(mistake))


@contextmanager
def ending_in_one_line(parser: ArgumentParser) -> Iterator[None]:
    """An InputError ends like a mistake in the arguments, signals with the code of shells.

    A full disk, a killed worker and the like end with code 1, a closed pipe too.
    """
    try:
        with signals_raise():
            yield
            flush_output()
    except InputError as mistake:
        parser.error(str(mistake).rpartition("InputError: ")[2])  # after a worker's traceback
    except KeyboardInterrupt:
        raise _ended("interrupted", INTERRUPTED) from None
    except Terminated:
        raise _ended("terminated", TERMINATED) from None
    except BrokenPipeError:  # as of "| head"
        drop_output()
        raise SystemExit(FAILED) from None
    except (OSError, RuntimeError, MemoryError, OutsideFailure) as fault:
        line = outside_failure(fault)
        if not line:
            raise
        drop_output()
        raise _ended(f"error: {line}", FAILED) from None


def _ended(line: str, code: int) -> SystemExit:
    """The end of the program, which no second Ctrl-C disturbs."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.unraisablehook = lambda _: None  # what is half made may fail to be taken apart
    say(f"{Parser.program}: {line}")
    return SystemExit(code)


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


def _without_credentials(value: Any) -> Any:
    """A config, or a part of it, that may be shown and kept."""
    if isinstance(value, Namespace):
        return Namespace({key: _without_credentials(one) for key, one in vars(value).items()})
    if isinstance(value, (list, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        found = {key: _without_credentials(one) for key, one in items}
        return found if isinstance(value, dict) else list(found.values())
    return without_credentials(value)


def _resolved(config: Namespace, settings: Namespace) -> Namespace:
    """The config with what the presets of TTD filled in, so that it repeats the run for ever."""
    if settings.get("ttd") is not None:
        config.ttd = Namespace(**asdict(settings.ttd))
    if settings.get("ttd_settings"):
        config.ttd_settings = [Namespace(**asdict(one)) for one in settings.ttd_settings]
    return config


def _checked(parser: Parser, argv: Sequence[str]) -> Namespace:
    """The config without what jsonargparse lets pass: a group that is no mapping, any seed.

    Raises:
        InputError: Naming the key.
    """
    config = parser.parse_args(with_configs(argv))
    names = [action.dest for action in parser._actions if not action.dest.endswith(".help")]
    for group in dict.fromkeys(name.partition(".")[0] for name in names if "." in name):
        if not isinstance(config[group], Namespace):
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
        if _without_credentials(stored[key]) != _without_credentials(config[key]):
            raise InputError(
                f"{key} was {stored[key]} in the run to go on with; leave it out or start anew"
            )
