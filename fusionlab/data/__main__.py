"""List the named data sets, check a folder against one, make a manifest of a folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fusionlab.data.layouts import LAYOUTS
from fusionlab.data.manifest import TASKS, Manifest
from fusionlab.data.manifest_check import Check, check_files
from fusionlab.data.manifest_files import list_manifests, load_manifest, manifest_text
from fusionlab.data.manifest_making import make_manifest
from fusionlab.data.manifest_open import first_few, open_manifest
from fusionlab.errors import InputError
from fusionlab.mistakes import Parser, ending_in_one_line


def new_parser() -> Parser:
    """The parser of all commands."""
    parser = Parser(prog="python -m fusionlab.data", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the named data sets, and where to get them")
    verify = commands.add_parser("verify", help="check a folder; exits with code 2 at a fault")
    verify.add_argument("name", help="of a data set, or the path of a manifest")
    verify.add_argument("root", metavar="DIR")
    verify.add_argument("--no-hashes", action="store_true", help="compare names and sizes alone")
    make = commands.add_parser("make-manifest", help="write names, sizes and hashes of a folder")
    make.add_argument("root", metavar="DIR")
    make.add_argument("-o", "--output", required=True, metavar="FILE.yaml", help="a new file")
    make.add_argument("--name", help="of the data set; default: that of the file")
    make.add_argument("--task", choices=TASKS, help="default: told by the names of the sources")
    make.add_argument("--layout", choices=("auto", *LAYOUTS), default="auto")
    make.add_argument(
        "--sources",
        nargs="+",
        type=source,
        metavar="NAME[=FOLDER]",
        help="in their order, with the subfolder or suffix if that is called otherwise",
    )
    make.add_argument("--reference", help="subfolder or suffix with the ground truth")
    make.add_argument("--split", help="subfolder of DIR, or of each source's")
    for key in ("title", "origin", "terms", "note"):
        make.add_argument(f"--{key}", metavar="TEXT")
    return parser


def source(text: str) -> tuple[str, str]:
    """``under=A`` as the name of a source and of its subfolder or suffix."""
    name, _, folder = text.partition("=")
    return name, folder or name


def print_list() -> None:
    """A line per data set."""
    for name in list_manifests():
        manifest = load_manifest(name)
        known = sum(file.sha256 is not None for file in manifest.files)
        count = "" if manifest.count is None else f"{manifest.count} samples, "
        print(f"{name}: {manifest.title} ({manifest.task}, {count}{known} hashes)")
        print(f"    {manifest.origin}; terms: {manifest.terms}")


def verify(name: str, root: str, hashes: bool) -> bool:
    """Check a folder and say how it compares; whether it is as it should be."""
    manifest = load_manifest(name)
    print(f"{manifest.name}: {manifest.title}, manifest {manifest.sha256}")
    if manifest.samples is None:
        listing = open_manifest(manifest, root)
        print(f"present: {len(listing.samples)} samples; the manifest knows no hashes")
        return True
    check = check_files(manifest, root, hashes)
    for line in faults(manifest, check):
        print(line)
    return check.passed


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


def make(options: argparse.Namespace) -> None:
    """Write a manifest.

    Raises:
        InputError: If the file cannot be new or the folder not be used.
    """
    output = Path(options.output)
    fits = output.suffix in (".yaml", ".yml") and output.parent.is_dir() and not output.exists()
    if not fits:
        raise InputError(f"{output} must be a new file, in a folder that exists, ending in .yaml")
    manifest = make_manifest(
        options.root,
        options.name or output.stem,
        options.task,
        options.layout,
        dict(options.sources) if options.sources else None,
        options.reference,
        options.split,
    )
    texts = {key: getattr(options, key) for key in ("title", "origin", "terms", "note")}
    manifest = replace(manifest, **{key: text for key, text in texts.items() if text})
    output.write_text(manifest_text(manifest), "utf-8")
    print(f"{output}: {manifest.count} samples, {len(manifest.files)} files, {manifest.sha256}")


def main(argv: list[str] | None = None) -> None:
    """Run ``python -m fusionlab.data``."""
    parser = new_parser()
    options = parser.parse_args(argv)
    with ending_in_one_line(parser):
        if options.command == "list":
            print_list()
        elif options.command == "make-manifest":
            make(options)
        elif not verify(options.name, options.root, not options.no_hashes):
            raise SystemExit(2)


if __name__ == "__main__":
    main()
