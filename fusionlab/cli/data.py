"""List the named data sets, check a folder against one, make a manifest of a folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Optional

from jsonargparse import Namespace

from fusionlab.cli.arguments import chosen_command
from fusionlab.cli.parser import Parser, ending_in_one_line, new_parser, understood
from fusionlab.data.manifest import Manifest
from fusionlab.data.manifest_check import Check, check_files
from fusionlab.data.manifest_files import list_manifests, load_manifest, manifest_text
from fusionlab.data.manifest_making import make_manifest
from fusionlab.data.manifest_open import first_few, open_manifest
from fusionlab.errors import InputError
from fusionlab.registry import LAYOUTS
from fusionlab.settings import Task

COMMANDS = {
    "list": "print the named data sets and where to get them",
    "verify": "check a folder against a data set; exits with code 2 at a fault",
    "make-manifest": "write names, sizes and hashes of a folder's files",
}
TEXTS = {
    "title": "What the data set is called in full.",
    "origin": "Where to get it.",
    "licence": "Its licence, or other terms of use.",
    "note": "What else is to be known.",
}


def list_parser() -> Parser:
    """The parser of ``fusionlab data list``."""
    return new_parser("data list", COMMANDS["list"], "")


def verify_parser() -> Parser:
    """The parser of ``fusionlab data verify``."""
    made = new_parser("data verify", COMMANDS["verify"], "NAME DIR [--no-hashes]")
    made.add_argument("name", type=str, help="Name of a data set, or path of a manifest.")
    made.add_argument("root", type=str, metavar="DIR", help="The folder.")
    made.add_argument(
        "--no-hashes", action="store_true", help="Compare only names and sizes of the files."
    )
    return made


def making_parser() -> Parser:
    """The parser of ``fusionlab data make-manifest``."""
    made = new_parser(
        "data make-manifest", COMMANDS["make-manifest"], "DIR -o FILE.yaml [--option VALUE ...]"
    )
    made.add_argument("root", type=str, metavar="DIR", help="The folder.")
    made.add_argument(
        "-o", "--output", type=str, required=True, metavar="FILE.yaml", help="A new file."
    )
    made.add_argument(
        "--task",
        type=Optional[Task],  # noqa: UP045 (jsonargparse needs this form on Python 3.10)
        help="Default: found from the names of the sources.",
    )
    made.add_argument("--layout", type=str, default="auto", help="As data.layout of evaluate.")
    made.add_argument(
        "--sources",
        type=list[str],
        default=[],
        metavar="NAME[=FOLDER] ...",
        help="In their order, with the subfolder or suffix where it is called otherwise.",
    )
    made.lists = ("sources",)
    texts = {
        "name": "Name of the data set. Default: the file's.",
        "reference": "Subfolder or suffix of the ground truth.",
        "split": "Subfolder of DIR, or of each source's.",
        **TEXTS,
    }
    for key, text in texts.items():
        made.add_argument(f"--{key}", type=str, default="", metavar="TEXT", help=text)
    return made


def parser(command: str) -> Parser:
    """The parser of ``fusionlab data <command>``."""
    made = {"list": list_parser, "verify": verify_parser, "make-manifest": making_parser}
    return made[command]()


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``fusionlab data``."""
    given = sys.argv[1:] if argv is None else argv
    command, rest = chosen_command("fusionlab data", str(__doc__), COMMANDS, given, "list")
    made = parser(command)
    _, options = understood(made, rest)
    with ending_in_one_line(made):
        if command == "list":
            print_list()
        elif command == "make-manifest":
            make(options)
        elif not verify(options.name, options.root, not options.no_hashes):
            raise SystemExit(2)


def print_list() -> None:
    """Two lines per data set."""
    for name in list_manifests():
        manifest = load_manifest(name)
        known = sum(file.sha256 is not None for file in manifest.files)
        count = "" if manifest.count is None else f"{manifest.count} samples, "
        print(f"{name}: {manifest.title} ({manifest.task}, {count}{known} hashes)")
        print(f"    {manifest.origin}; licence: {manifest.licence}")


def verify(name: str, root: str, hashes: bool) -> bool:
    """Check a folder and say how it compares; whether it is as it should be."""
    manifest = load_manifest(name)
    if manifest.samples is None:
        found = len(open_manifest(manifest, root).samples)
        lines, passed = [f"present: {found} samples; the manifest knows no hashes"], True
    else:
        check = check_files(manifest, root, hashes)
        lines, passed = faults(manifest, check), check.passed
    print(f"{manifest.name}: {manifest.title}, manifest {manifest.sha256}", *lines, sep="\n")
    return passed


def faults(manifest: Manifest, check: Check) -> list[str]:
    """How a folder compares with a manifest, a line per kind of fault."""
    kinds = {
        "missing": check.missing,
        "surplus": [path.relative_to(check.base).as_posix() for path in check.surplus],
        "same name twice": list(check.same_name),
        "swapped": [f"{path} holds {content}" for path, content in check.swapped.items()],
        "wrong size": [f"{path}: {reason}" for path, reason in check.wrong_size.items()],
        "wrong hash": [f"{path}: {reason}" for path, reason in check.wrong_hash.items()],
    }
    present = f"present: {len(check.found)} of {len(manifest.files)} files"
    lines = [f"{kind}: {len(names)} ({first_few(names)})" for kind, names in kinds.items() if names]
    return [f"{present}, {check.hashes} hashes compared", *lines]


def make(options: Namespace) -> None:
    """Write a manifest.

    Raises:
        InputError: If the file exists already or the folder cannot be used.
    """
    output = Path(options.output)
    fits = output.suffix in (".yaml", ".yml") and output.parent.is_dir() and not output.exists()
    if not fits:
        raise InputError(f"{output} must be a new file, in a folder that exists, ending in .yaml")
    if options.layout != "auto":
        LAYOUTS.check("layout", options.layout)
    manifest = make_manifest(
        options.root,
        options.name or output.stem,
        options.task,
        options.layout,
        dict(map(_source, options.sources)) or None,
        options.reference or None,
        options.split or None,
    )
    manifest = replace(manifest, **{key: options[key] for key in TEXTS if options[key]})
    output.write_text(manifest_text(manifest), "utf-8")
    print(f"{output}: {manifest.count} samples, {len(manifest.files)} files, {manifest.sha256}")


def _source(text: str) -> tuple[str, str]:
    """``under=A`` as the name of a source and of its subfolder or suffix."""
    name, _, folder = text.partition("=")
    return name, folder or name


if __name__ == "__main__":
    main()
