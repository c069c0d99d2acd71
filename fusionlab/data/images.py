"""Images as everything here takes them: (C, H, W) in [0, 1], whatever the file holds."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fusionlab.data.decoding import Decoded, decode, header
from fusionlab.errors import InputError

OVERSHOOT = 1e-5  # of floats in [0, 1], which the last bit of a computation makes
_UNUSED = {8: 1 / 16, 16: 1 / 4}  # share of the range of a container that no image stays below


@dataclass(frozen=True)
class Reading:
    """How the files of a source are read, the same for a whole data set.

    Args:
        black: The stored value that is 0; None leaves both to the file.
        white: The stored value that is 1.
        page: Page of files that have several, from 1; None takes the first.
    """

    black: float | None = None
    white: float | None = None
    page: int | None = None

    @property
    def levels(self) -> tuple[float, float] | None:
        """Black and white, where the file does not tell them."""
        return None if self.white is None else (self.black or 0.0, self.white)


AS_STORED = Reading()


@dataclass(frozen=True)
class Finding:
    """What a file turned out to hold.

    Args:
        low: Its smallest stored value.
        high: Its largest.
        white: What is white in it; None where that is not told.
        bits: Of its container.
        notes: What a user should know, each as the end of a sentence about the file.
    """

    low: float
    high: float
    white: float | None
    bits: int
    notes: tuple[str, ...]


def image_size(path: Path, page: int | None = None) -> tuple[int, int]:
    """Height and width, after EXIF rotation, read from the header alone.

    Raises:
        InputError: If the file is no image.
    """
    return header(path, page).size


def read_image(path: Path, reading: Reading = AS_STORED, noticed: Noticed | None = None) -> Tensor:
    """Read an image of any format of :mod:`fusionlab.data.decoding`.

    Convention: black and white are what the file says: the full range of its bits, 255 or 65535,
    or a level that it states; floats are in [0, 1] already. An alpha channel is dropped and the
    colours below it are kept; EXIF rotation is applied.

    Args:
        path: The file.
        reading: Levels and page, where the file does not tell.
        noticed: What is odd in the files of a source, to which this one is added.

    Returns:
        (1, H, W) or (3, H, W), float32 in [0, 1].

    Raises:
        InputError: If the file is unreadable or truncated, of another mode (CMYK, say), or its
            range cannot be told.
    """
    found = decode(path, reading.page)
    scaled = _scaled(path, found, reading)
    if noticed is not None:
        low, high = float(found.pixels.min()), float(found.pixels.max())
        white = found.white if reading.white is None else None
        noticed.add(path, Finding(low, high, white, found.bits, found.notes))
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


def examine(paths: Iterable[Path], reading: Reading = AS_STORED) -> Noticed:
    """Decode every file, so that a broken one is found before anything is computed.

    Raises:
        InputError: Naming the first file that is unreadable or truncated.
    """
    noticed = Noticed()
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(lambda path: read_image(path, reading, noticed), paths):
            pass
    return noticed


class Noticed:
    """What is odd in the files of one source, taken together; several threads may add to it."""

    def __init__(self) -> None:
        self.files = 0
        self._lock = Lock()
        self._notes: dict[str, tuple[int, Path]] = {}
        self._used: dict[int, tuple[float, float, set[float]]] = {}  # low, high, white by bits

    def add(self, path: Path, finding: Finding) -> None:
        """One more file."""
        with self._lock:
            self.files += 1
            for note in finding.notes:
                count, first = self._notes.get(note, (0, path))
                self._notes[note] = (count + 1, min(first, path))
            if finding.white is not None:
                none = (finding.low, finding.high, set[float]())
                low, high, whites = self._used.get(finding.bits, none)
                whites.add(finding.white)
                self._used[finding.bits] = min(low, finding.low), max(high, finding.high), whites

    def __getstate__(self) -> dict[str, Any]:
        """Without the lock, which does not go to processes that read samples."""
        return {**vars(self), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """With a lock again."""
        vars(self).update({**state, "_lock": Lock()})

    def lines(self, name: str) -> list[str]:
        """Lines for the user.

        Args:
            name: What the files are called together.
        """
        lines = [
            f"{name}: {count} of {self.files} files (first: {first}): {note}"
            for note, (count, first) in self._notes.items()
        ]
        for bits, (low, high, whites) in self._used.items():
            white = max(whites)
            if len(whites) > 1:
                lines.append(
                    f"{name}: files state white levels from {min(whites):g} to {white:g}; "
                    "data.range sets one for all"
                )
            used = high if bits <= 8 else min(high, high - low)
            if 0 < used <= _UNUSED.get(bits, 0) * white:
                lines.append(
                    f"{name}: values {low:g} to {high:g} use a small part of 0 to {white:g}, "
                    f"which is read as black to white; set data.range if {high:g} is white"
                )
        return lines


def check_images(paths: Iterable[Path]) -> None:
    """:func:`examine`, for the errors alone."""
    examine(paths)


def stored_range(paths: Iterable[Path], page: int | None = None) -> tuple[float, float]:
    """Smallest and largest stored value of many files.

    Raises:
        InputError: If one is unreadable, or they hold one value only.
    """
    paths = list(paths)
    with ThreadPoolExecutor() as pool:
        extremes = list(pool.map(lambda path: _extremes(path, page), paths))
    low, high = min(one[0] for one in extremes), max(one[1] for one in extremes)
    if not low < high:
        raise InputError(f"{paths[0]} holds nothing but {low:g}; data.range auto needs more")
    return low, high


def _extremes(path: Path, page: int | None) -> tuple[float, float]:
    pixels = decode(path, page).pixels
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite([low, high]).all():
        raise _not_read(path, pixels)
    return low, high


def _scaled(path: Path, found: Decoded, reading: Reading) -> np.ndarray:
    """(H, W, C) float32 in [0, 1]."""
    pixels, black, white = found.pixels, found.black, found.white
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise _not_read(path, pixels)
    if reading.white is not None:
        black, white = reading.black or 0.0, reading.white
        _check_within(path, found, black, white)
    elif white is None:
        pixels, white = _of_unknown_range(path, pixels)
    if pixels.dtype.kind in "bu" and pixels.dtype.itemsize < 4 and not black:
        values = pixels.astype(np.float32) / np.float32(white)
    else:
        values = ((pixels.astype(np.float64) - black) / (white - black)).astype(np.float32)
    if found.clips and reading.white is None:
        values = values.clip(0, 1)
    elif not (values.min() >= 0 and values.max() <= 1):
        low, high = pixels.min(), pixels.max()
        raise InputError(
            f"{path} has values {low:g} to {high:g}, beyond the {black:g} to {white:g} that it "
            "states; set data.range"
        )
    return 1 - values if found.inverted else values


def _check_within(path: Path, found: Decoded, black: float, white: float) -> None:
    low, high = found.pixels.min(), found.pixels.max()
    if not black <= low <= high <= white:
        raise InputError(
            f"{path} has values {low:g} to {high:g}, beyond the {black:g} to {white:g} of "
            "data.range; widen it, or name the source that it is for: {ir: 4095}, say"
        )
    if found.bits == 8 and found.white == 255 and white > 255:
        raise InputError(
            f"{path} has 8 bits and cannot reach the {white:g} of data.range; name the source "
            "that it is for: {ir: 4095}, say"
        )


def _of_unknown_range(path: Path, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Pixels and white, where values themselves tell it: floats in [0, 1], 16 bits in 32."""
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind == "f":
        if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
            return pixels.clip(0, 1), 1.0
    elif pixels.dtype == np.uint32 and 255 < high <= 65535:
        return pixels.astype(np.uint16), 65535.0
    raise _not_read(path, pixels)


def _not_read(path: Path, pixels: np.ndarray) -> InputError:
    mode = {"f": "F"}.get(pixels.dtype.kind, "I")
    finite = pixels[np.isfinite(pixels)] if mode == "F" else pixels
    values = f"{finite.min():g} to {finite.max():g}" if finite.size else "none"
    bad = pixels.size - finite.size
    told = f"or set data.range ({pixels.dtype} does not tell which value is white)"
    return InputError(
        f"{path} has mode {mode} with values {values}{f' and {bad} NaN or infinite' if bad else ''}"
        ", which is not read; save it as 8 or 16 bit grey or RGB, "
        f"{'without NaN and infinity' if bad else told}"
    )
