"""Checking a folder against a manifest."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import track

from fusionlab.data.files import is_image, key, stem
from fusionlab.data.layouts.splits import find_folder, subfolders_of
from fusionlab.data.manifest import File, Manifest
from fusionlab.errors import InputError

MANY = 200  # files, whose hashes take long enough to show how it goes on


@dataclass
class Check:
    """How the files below ``base`` compare with those of a manifest; all are named as it does.

    ``wrong`` has, by kind, what is there but not as it should be, with the reason.
    """

    base: Path
    found: dict[str, Path] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    surplus: list[Path] = field(default_factory=list)
    same_name: dict[str, list[Path]] = field(default_factory=dict)
    swapped: dict[str, str] = field(default_factory=dict)
    wrong_size: dict[str, str] = field(default_factory=dict)
    wrong_hash: dict[str, str] = field(default_factory=dict)
    hashes: int = 0

    @property
    def passed(self) -> bool:
        """Whether every file of the manifest is there and as it says."""
        return not (
            self.missing or self.same_name or self.swapped or self.wrong_size or self.wrong_hash
        )


def check_files(manifest: Manifest, root: str | Path, hashes: bool = True) -> Check:
    """Compare a folder with the files that a manifest lists.

    Convention: names are matched case-folded, whatever their extension; a file with the content
    of another file of the manifest is swapped, not wrong.

    Args:
        manifest: One with samples.
        root: The folder, or the one above it where the manifest has a split.
        hashes: Whether to compare hashes; sizes are in any case.

    Raises:
        InputError: If there is no such folder, or a file cannot be read.
    """
    check = _locate(manifest, _base(manifest, root))
    known = {file.path: file for file in manifest.files}
    content = {file.sha256: file.path for file in manifest.files if file.sha256}
    odd = {path for path, where in check.found.items() if _has_wrong_size(known[path], where)}
    hashed = [path for path in check.found if path in odd or (known[path].sha256 and hashes)]
    found = hash_files([check.found[path] for path in hashed])
    for path, sha256 in zip(hashed, found, strict=True):
        if sha256 == known[path].sha256:
            continue
        if sha256 in content:
            check.swapped[path] = content[sha256]
        elif path in odd:
            size = check.found[path].stat().st_size
            check.wrong_size[path] = f"{size} bytes instead of {known[path].size}"
        else:
            known_hash = known[path].sha256 or ""
            check.wrong_hash[path] = f"SHA-256 {sha256[:8]}… instead of {known_hash[:8]}…"
    check.hashes = len(hashed) - len(odd)
    return check


def hash_files(paths: Sequence[Path]) -> list[str]:
    """SHA-256 of every file.

    Raises:
        InputError: Naming the first that cannot be read.
    """
    quiet = len(paths) < MANY or not sys.stderr.isatty()
    with ThreadPoolExecutor() as pool:
        results = track(
            pool.map(_sha256, paths),
            "Hashing files",
            len(paths),
            console=Console(stderr=True),
            transient=True,
            disable=quiet,
        )
        return list(results)


def _base(manifest: Manifest, root: str | Path) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"no folder {root}; set data.root to an existing one")
    return find_folder(subfolders_of(root), manifest.split or "") or root


def _locate(manifest: Manifest, base: Path) -> Check:
    there: dict[str, list[Path]] = {}
    check = Check(base)
    for path in sorted(base.rglob("*")):
        if is_image(path) and path.is_file():
            there.setdefault(_key(path.relative_to(base)), []).append(path)
        elif path.is_file():
            check.surplus.append(path)
    for file in manifest.files:
        paths = there.pop(_key(PurePosixPath(file.path)), [])
        if not paths:
            check.missing.append(file.path)
        elif len(paths) > 1:
            check.same_name[file.path] = paths
        else:
            check.found[file.path] = paths[0]
    check.surplus += [path for paths in there.values() for path in paths]
    return check


def _key(path: Path | PurePosixPath) -> str:
    """What two spellings of a file have in common: folders and stem, case-folded."""
    return key((path.parent / stem(path)).as_posix())


def _has_wrong_size(file: File, where: Path) -> bool:
    return file.size is not None and where.stat().st_size != file.size


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as reason:
        raise InputError(f"{path} cannot be read ({reason.strerror})") from None
