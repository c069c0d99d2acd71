"""Image files in folders: which they are, in which order, and by which name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fusionlab.errors import InputError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image we read."""
    return path.suffix.casefold() in EXTENSIONS and not path.name.startswith(".")


def images_in(folder: Path) -> Iterator[Path]:
    """The images that lie in a folder itself, in natural order."""
    yield from sorted((f for f in folder.iterdir() if f.is_file() and is_image(f)), key=natural)


def by_stem(folder: Path) -> dict[str, Path]:
    """The images in a folder by case-folded stem.

    Raises:
        InputError: If two have the same.
    """
    paths: dict[str, Path] = {}
    for path in images_in(folder):
        stem = path.stem.casefold()
        if stem in paths:
            raise same_name(paths[stem], path)
        paths[stem] = path
    return paths


def natural(name: Path | str) -> list[tuple[int, int | str]]:
    """Sort key that puts 2 before 10."""
    text = str(name).casefold()
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", text)]


def same_name(one: Path, other: Path) -> InputError:
    """The mistake of two files of which one cannot tell which is meant."""
    return InputError(f"{one} and {other} have the same name; keep one")
