"""Image files in folders: which they are, in which order, and by which name."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path, PurePath
from typing import TypeVar

from fusionlab.errors import InputError

EXTENSIONS = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".gif", ".webp"),
        *(".jp2", ".j2k", ".pgm", ".ppm", ".pbm", ".pnm", ".npy", ".dcm", ".nii", ".nii.gz"),
        *(".exr", ".hdr"),
    }
)
# Images of other formats, whose absence from a data set must not go unnoticed
UNREAD = frozenset(
    {
        *(".avif", ".heic", ".heif", ".jxl", ".jxr", ".tga", ".psd", ".dng", ".cr2", ".cr3"),
        *(".nef", ".arw", ".orf", ".rw2", ".raf", ".raw", ".fits", ".fit", ".mhd", ".mha"),
        *(".nrrd", ".pfm", ".svg", ".eps", ".ico", ".jls", ".mat", ".seq", ".ima", ".dicom"),
    }
)

Found = TypeVar("Found")
_left_out: ContextVar[frozenset[Path]] = ContextVar("left_out", default=frozenset())


def extension(path: Path | PurePath) -> str:
    """The ending of a file's name, in lower case; that of compressed NIfTI is double."""
    name = path.name.casefold()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.casefold()


def stem(path: Path | PurePath) -> str:
    """A file's name without that ending."""
    return path.name[: len(path.name) - len(extension(path))]


def key(name: str) -> str:
    """What two spellings of a name have in common: case is folded, accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image we read."""
    return extension(path) in EXTENSIONS and not path.name.startswith(".")


def images_in(folder: Path) -> Iterator[Path]:
    """The images that lie in a folder itself, in natural order.

    Raises:
        InputError: If the name of one is not UTF-8, or it is a link to nothing.
    """
    found = sorted((f for f in folder.iterdir() if is_image(f) and not f.is_dir()), key=natural)
    for path in found:
        check_name(path)
    left_out = _left_out.get()
    found = [path for path in found if path not in left_out]
    dangling = [path for path in found if not path.is_file()]
    if dangling:
        text = f"{dangling[0]} is a link to a file that is not there; get it, or delete it"
        raise UnmatchedError(text, dangling)
    yield from found


class UnmatchedError(InputError):
    """Files that would make a sample vanish.

    Args:
        text: The line for the user.
        paths: The files, of which the line names the first.
    """

    def __init__(self, text: str, paths: Sequence[Path]) -> None:
        more = f" ({len(paths) - 1} more such)" if len(paths) > 1 else ""
        super().__init__(text + more)
        self.paths = list(paths)


def without_unmatched(find: Callable[[], Found], allow_unmatched: bool) -> tuple[Found, list[Path]]:
    """What is found in folders, and the files that are passed over for it.

    Args:
        find: Looks for samples; in it :func:`images_in` passes those files over.
        allow_unmatched: Whether files that would make a sample vanish are passed over.

    Raises:
        UnmatchedError: If there are such files and they are not.
    """
    left_out: list[Path] = []
    while True:
        token = _left_out.set(frozenset(left_out))
        try:
            return find(), left_out
        except UnmatchedError as fault:
            if not allow_unmatched:
                raise
            left_out += fault.paths
        finally:
            _left_out.reset(token)


def check_formats(folders: Iterable[Path]) -> None:
    """Refuse images of formats that are not read, whose absence nobody would see.

    Raises:
        InputError: Naming the first.
    """
    odd = [
        path
        for folder in folders
        for path in sorted(folder.iterdir(), key=natural)
        if extension(path) in UNREAD and path.is_file()
    ]
    if odd:
        text = f"{odd[0]} is of a format that is not read; convert it to PNG, or move it away"
        raise UnmatchedError(text, odd)


def check_name(path: Path) -> None:
    """Refuse a name that no table, report or manifest can hold.

    Raises:
        InputError: If its bytes are not UTF-8.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise InputError(f"{shown} has a name that is not UTF-8; rename it") from None


def by_stem(folder: Path) -> dict[str, Path]:
    """The images in a folder by the :func:`key` of their stem.

    Raises:
        InputError: If two have the same.
    """
    paths: dict[str, Path] = {}
    for path in images_in(folder):
        name = key(stem(path))
        if name in paths:
            raise same_name(paths[name], path)
        paths[name] = path
    return paths


def natural(name: Path | str) -> list[tuple[int, int | str]]:
    """Sort key that puts 2 before 10."""
    text = str(name).casefold()
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text)]


def same_name(one: Path, other: Path) -> InputError:
    """The mistake of two files of which one cannot tell which is meant."""
    return InputError(f"{one} and {other} have the same name; keep one")


def content_hash(paths: Iterable[Path]) -> str:
    """A hash of the sizes and contents of files, 16 hexadecimal digits."""
    total = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        total.update(f"{len(content)} ".encode())
        total.update(content)
    return total.hexdigest()[:16]
