"""Decoding image files: by their content, and only the formats that the field uses."""

from __future__ import annotations

import errno
import struct
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, UnidentifiedImageError

from fusionlab.data.decoding.decoded import Decoded, Header, Unreadable
from fusionlab.data.decoding.kinds import READERS, kind_of
from fusionlab.errors import InputError

__all__ = ["Decoded", "Header", "decode", "header", "kind_of"]

T = TypeVar("T")

# What third-party decoders raise for broken files; pydicom's and nibabel's own are among Unreadable
_BROKEN = (
    *(OSError, EOFError, RuntimeError, ArithmeticError, LookupError, AttributeError, TypeError),
    *(ValueError, SyntaxError, AssertionError, MemoryError, struct.error, zlib.error),
    Image.DecompressionBombError,
)


def header(path: Path, page: int | None = None) -> Header:
    """What a file says before its pixels.

    Args:
        path: The file.
        page: Of several, from 1; None takes the first.

    Raises:
        InputError: If the file is no image that is read.
    """
    return _guarded(path, lambda reader, kind: reader.header(path, kind, page))


def decode(path: Path, page: int | None = None) -> Decoded:
    """The pixels of a file as they are stored; arguments and errors as :func:`header`."""
    return _guarded(path, lambda reader, kind: reader.decode(path, kind, page))


def _guarded(path: Path, read: Callable[[Any, str], T]) -> T:
    """What ``read`` makes of a file, told its reader and kind; a decoder's faults in one line.

    Raises:
        InputError: Naming the file.
    """
    try:
        kind = kind_of(path)
        if not kind:
            raise UnidentifiedImageError
        return read(import_module(f"{__name__}.{READERS[kind]}"), kind)
    except Unreadable as reason:
        raise InputError(f"{path} {reason}") from None
    except _BROKEN as reason:
        if isinstance(reason, OSError) and reason.errno in (errno.EMFILE, errno.ENFILE):
            raise  # too many open files: nothing is wrong with this one
        raise _unreadable(path, reason) from None


def _unreadable(path: Path, reason: Exception) -> InputError:
    if not path.exists():
        return InputError(f"no image at {path}")
    text = " ".join(str(reason).split()) or type(reason).__name__
    if isinstance(reason, UnidentifiedImageError):
        text = "unknown format"
    return InputError(
        f"{path} cannot be read as an image ({text}); get it again, or save it as PNG"
    )
