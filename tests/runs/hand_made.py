"""Run folders written by hand."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fusionlab.runs.rows import RowFile
from fusionlab.runs.run import (
    KEY,
    PER_IMAGE,
    RD,
    RD_COLUMNS,
    SOURCE_KEY,
    SUMMARY,
    THEOREM,
    THEOREM_COLUMNS,
)

Values = tuple[float | None, ...]

METRICS = {"EN": "higher", "CE": "lower", "Q_SF": "zero"}
HEADINGS = ["EN:ttd", "CE:vifb", "Q_SF:paper", "ms"]
METHODS = [
    {"name": "vi alone", "kind": "source", "source": "vi"},
    {"name": "ir alone", "kind": "source", "source": "ir"},
    {"name": "near alone", "kind": "source", "source": "near"},
    {"name": "theirs", "kind": "folder"},
    {"name": "Net", "kind": "network"},
    {"name": "Net+TTD", "kind": "ttd", "base": "Net"},
]
PLAIN = [{"name": "", "group": "", "kind": "", "level": None}]
PAIRS = {"name": "pairs", "task": "vif", "source_names": ["vi", "ir"], "ids": ["01", "02", "03"]}
STACKS = {"name": "stacks", "task": "mff", "source_names": ["near", "far"], "ids": ["01"]}


def about(
    data: list[dict[str, Any]], conditions: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """What ``summary.json`` says of a run that has not finished."""
    return {
        "methods": METHODS,
        "metrics": {
            name: {"direction": way, "convention": "by hand", "truth": False}
            for name, way in METRICS.items()
        },
        "data": data,
        "conditions": conditions or PLAIN,
        "results": [],
    }


def write_summary(folder: Path, content: Any) -> Path:
    """``summary.json`` in a folder, which is returned."""
    (folder / SUMMARY).write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_values(
    folder: Path, rows: Iterable[tuple[tuple[str, ...], Values]], rank: int = 0
) -> None:
    """Rows of data, task, condition, id, method and of EN, CE, Q_SF and ms."""
    RowFile(_path(folder, PER_IMAGE, rank), KEY, HEADINGS).append_all(rows)


def write_rd(folder: Path, rows: Iterable[tuple[tuple[str, ...], Values]], rank: int = 0) -> None:
    """Rows of data, task, condition, id, method, source and of the columns of ``rd.csv``."""
    RowFile(_path(folder, RD, rank), SOURCE_KEY, RD_COLUMNS).append_all(rows)


def write_theorem(folder: Path, rows: dict[tuple[str, ...], dict[str, float]]) -> None:
    """Cells by data, task, condition, id, method and source, and by column; others are empty."""
    RowFile(_path(folder, THEOREM, 0), SOURCE_KEY, THEOREM_COLUMNS).append_all(
        (key, [cells.get(column) for column in THEOREM_COLUMNS]) for key, cells in rows.items()
    )


def _path(folder: Path, name: str, rank: int) -> Path:
    return folder / (name.replace(".", f"-{rank}.") if rank else name)
