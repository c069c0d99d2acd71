"""The parser that train.py and evaluate.py share."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NoReturn, Optional

from jsonargparse import ArgumentParser, Namespace

from fusionlab.errors import InputError
from fusionlab.mistakes import ending_in_one_line
from fusionlab.notes import quietly
from fusionlab.settings import TTD, Data, Metrics, Network, Trainer, Training

OF_EVALUATION = {"fused": None, "allow_unmatched": False, "report": True, "theorem": True}


class Parser(ArgumentParser):
    """Parser that reports a mistake in one line and exits with code 2."""

    fixed: Sequence[str] = ()  # keys that a resumed run cannot change
    arguments: Sequence[str] = ()  # what is being parsed, to name the config file in a mistake
    resumes: tuple[str, ...] = ()  # files of a run folder without which it cannot go on

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the mistake without a usage block."""
        text = one_line(str(message))
        if "<unicode string>" in text:
            configs = [value for value in self.arguments if value.endswith((".yaml", ".yml"))]
            text = text.replace("<unicode string>", ", ".join(configs) or "config")
        print(f"{self.prog}: error: {text}", file=sys.stderr)
        raise SystemExit(2)


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


def new_parser(prog: str, description: str | None) -> Parser:
    """The parser with everything that both programs understand, so that configs serve both."""
    parser = Parser(
        prog=prog,
        description=description,
        allow_abbrev=False,
        usage=f"{prog} [--config FILE] [--ttd] [--group.option VALUE ...]",
    )
    parser.add_argument(
        "--config", action="config", help="YAML file; what follows it on the line overrides it."
    )
    parser.add_class_arguments(Network, "network")
    parser.add_class_arguments(Data, "data")
    parser.add_argument(
        "--ttd",
        type=Optional[TTD],  # noqa: UP045 (a dataclass behind nargs="?" needs this form)
        default=None,
        nargs="?",
        const={},
        metavar="OPTIONS",
        help="Fuse with test-time dynamic fusion too; refine with --ttd.preset, --ttd.basis, "
        "--ttd.compare, --ttd.loss, --ttd.temperature, --ttd.channel, --ttd.form, "
        "--ttd.normalization, --ttd.correlation.",
    )
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
    parser.add_argument(
        "--quiet",
        type=bool,
        default=False,
        nargs="?",
        const=True,
        help="Print the results only: no progress bar, no notes.",
    )
    parser.add_argument(
        "--json",
        type=bool,
        default=False,
        nargs="?",
        const=True,
        help="Print the summary as JSON in place of the tables.",
    )
    return parser


def main(
    parser: Parser, argv: list[str] | None, run: Callable[[], Callable[[Namespace, str], Any]]
) -> None:
    """Parse, then import the program with ``run()`` and run it.

    The program gets the settings and the resolved config as YAML. Everything before ``run()``
    works without torch. An InputError ends the program like a mistake in its arguments.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser.arguments = argv
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows still gets its table
    try:
        config = _checked(parser.parse_args(argv))
        if config.get("resume") is not None:
            base = ["--config", str(resumed_config(config.resume, parser.resumes))]
            config = _checked(parser.parse_args([*base, *argv]))
            _check_unchanged(_checked(parser.parse_args(base)), config, parser.fixed)
        settings = parser.instantiate(config)
    except (ValueError, TypeError) as mistake:  # of a __post_init__, or a group that is no mapping
        parser.error(str(mistake))
    config.pop("resume", None)  # the next program could not read it
    for key, default in OF_EVALUATION.items():
        if config.get(key, default) == default:
            config.pop(key, None)  # train.py has no such option
    if settings.ttd is not None:
        config.ttd = Namespace(**asdict(settings.ttd))  # with what the preset filled in
    text = parser.dump(config, skip_validation=True, skip_unset=False)
    with ending_in_one_line(parser), quietly(settings.quiet):
        run()(settings, text)


def _checked(config: Namespace) -> Namespace:
    """What jsonargparse lets pass: groups that are no mapping, a seed of none or out of range.

    Raises:
        InputError: Naming the key.
    """
    for group in ("network", "data", "metrics", "training", "trainer"):
        if not isinstance(config[group], Namespace):
            raise InputError(f"{group} must be a mapping of its options, got {config[group]}")
    if config.seed is None or not 0 <= config.seed < 2**32:
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
