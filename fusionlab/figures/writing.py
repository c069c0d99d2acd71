"""Figures and what belongs to them, on disk."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from fusionlab.errors import InputError
from fusionlab.figures.drawing import STYLE
from fusionlab.report.images import write_whole

DPI = 300


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.pdf`` (text as text) and ``stem.png`` (300 dpi).

    Raises:
        InputError: If they cannot be written.
    """
    paths = []
    with rc_context(STYLE):
        for kind in ("pdf", "png"):
            buffer = io.BytesIO()
            dated = {"CreationDate": None} if kind == "pdf" else {}  # else no two are the same
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=dated)
            paths.append(write(stem, kind, buffer.getvalue()))
    return paths


def write(stem: Path, kind: str, content: bytes) -> Path:
    """Write a file beside the figure.

    Raises:
        InputError: If it cannot be written.
    """
    path = stem.with_name(f"{stem.name}.{kind}")
    try:
        write_whole(path, content)
    except OSError as reason:
        raise InputError(f"{path} cannot be written ({reason.strerror}); set output") from None
    return path
