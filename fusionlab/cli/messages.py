"""What jsonargparse says of a mistake, in one line: the key, what is expected, what came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from fusionlab.settings import TTD, Corruption, Method

GROUPS = {"ttd": TTD, "methods": Method, "conditions.corruption": Corruption}
"""Groups that jsonargparse gives to a parser of their own, which does not know the key."""

_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}
_UNKNOWN = re.compile(
    r"Group '(?P<group>[^']*)' does not accept option '(?P<option>[^']*)'"
    r"|Option '(?P<key>[^']*)' is not accepted"
    r"|unrecognized arguments: --(?P<argument>[^\s=]+)"
)
_EXPECTED = re.compile(r"Expected (?:a )?(?:<class '(\w+)'>|typing\.Literal\[(.*?)\])")
_OWN = re.compile(r"^\s+- (?!Expected|Does not validate|Not a valid|a dict|a class)(.*)", re.M)


def one_line(message: str, options: Sequence[str] = ()) -> str:
    """A mistake as one line.

    Args:
        message: As jsonargparse reports it.
        options: Names of the options of the parser that reports it.
    """
    group = next((key for key, kind in GROUPS.items() if _is_of(kind, options)), "")
    unknown = _UNKNOWN.search(message)
    if unknown:
        found = unknown.groupdict()
        key = found["key"] or found["argument"] or f"{found['group']}.{found['option']}"
        dashes = "--" if found["argument"] else ""
        return _no_option(key, group, options, dashes)
    config = re.search(r'Parser key "(\w+)": Unable to load config "([^"]*)"', message)
    if config:
        return _no_config(config[1], config[2], options)
    missing = re.match(r"the following arguments are required: (.*)", message)
    if missing:
        names = [name.rpartition(".")[2] for name in missing[1].split(", ")]
        return f"missing: {', '.join(names)}; see --help"
    if group:
        message = message.replace('Parser key "', f'Parser key "{group}.', 1)
    return _wrong_value(message) or " ".join(message.split())


def _is_of(kind: type, options: Sequence[str]) -> bool:
    return set(kind.__dataclass_fields__) == set(options) - {"help"}  # type: ignore[attr-defined]


def _no_config(group: str, value: str, options: Sequence[str]) -> str:
    """That a group takes a file or its options; the first of them is what is mostly meant."""
    first = next((name for name in options if name.startswith(f"{group}.")), group)
    return (
        f"{group} takes a YAML file, and there is no file {value}; did you mean --{first} {value}?"
    )


def _near(key: str, options: Sequence[str]) -> list[str]:
    """Options of that name in another group; else those that are spelt nearly so."""
    last = key.rpartition(".")[2]
    same = [name for name in options if name.rpartition(".")[2] == last and name != key]
    return same or get_close_matches(key, options, 2, 0.75)


def _no_option(key: str, group: str, options: Sequence[str], dashes: str = "") -> str:
    """That there is no such option, which is near to it, and which there are beside it."""
    above = group or key.rpartition(".")[0]
    below = f"{above}." if above and not group else ""
    known = [name.removeprefix(below) for name in options if name.startswith(below)]
    if not known:  # no such group either
        above, known = "", list(options)
    first = dict.fromkeys(name.partition(".")[0] for name in known)
    names = [name for name in first if name != "help" and not name.startswith("print_")]
    whole = f"{group}.{key}" if group else key
    beside = f"{above or 'there'} {'takes' if above else 'are'} {', '.join(names)}"
    before = f"{group}." if group else ""
    near = [f"{dashes}{before}{name}" for name in _near(key, options) if name != "help"]
    if not near:
        return f"no option {whole}; {beside}"
    meant = f"did you mean {' or '.join(near)}?"
    return (
        f"no option {whole}; {beside}; {meant}" if "." in whole else f"no option {whole}; {meant}"
    )


def _wrong_value(message: str) -> str:
    """The sentence for a value of the wrong kind; empty where the message is another one."""
    own = _OWN.search(message)
    if own:  # the group's own reason, among those of the other kinds that the key takes
        return own[1]
    key = re.match(r'Parser key "([\w.]+)"', message)
    got = re.search(r"(?:Given value|Got value): (?!.*Given value: )(.*)\Z", message, re.DOTALL)
    kinds = []
    for name, choices in _EXPECTED.findall(message):
        one_of = f"one of {choices}".replace("'", "") if choices else ""
        kinds.append(_KINDS.get(name, "") or one_of)
    if "Not a valid subclass" in message or "dot import path" in message:
        kinds.append("a mapping of its options, {} for the defaults")
    said = " or ".join(dict.fromkeys(filter(None, kinds)))
    if not (key and got and said):
        return ""
    return f"{key[1]} must be {said}, got {' '.join(got[1].split())}"
