"""Writes the folder of a report."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from fusionlab.report.html.content import content
from fusionlab.report.html.gallery import items, pictures
from fusionlab.runs.files import plain, write_atomic
from fusionlab.runs.folder import check_links
from fusionlab.runs.run import Run
from fusionlab.runs.summary import summarise

SHARE = 0.02  # of the time at most is spent on a report that follows a run
SHORTEST = 0.5  # seconds from one report to the next
REPORT, INDEX, DATA = "report", "index.html", "data.js"


def write_report(folder: Path) -> Path:
    """Write ``folder/report/``, for a run that has finished or not.

    The report holds all that it shows and asks nobody for more: it may be moved and zipped.
    Writing it again takes over what is there, so that it can follow a run.

    Args:
        folder: The run folder of an evaluation.

    Returns:
        ``folder/report/index.html``.

    Raises:
        InputError: If it is no folder of an evaluation.
    """
    check_links(folder)
    run = Run.open(folder)
    report = folder / REPORT
    results = run.about["results"] if run.finished else summarise(run, finished=False)
    shown = items(run, results)
    found = pictures(run, shown, report)
    _write_changed(report / DATA, script(content(run, results, shown, found)))
    for asset in files("fusionlab.report.html").joinpath("assets").iterdir():
        _write_changed(report / asset.name, asset.read_bytes())
    return report / INDEX


def script(values: dict[str, Any]) -> bytes:
    """A script that names the values ``REPORT``: a page on disk may read no other kind of file.

    ASCII only, and without ``<``: nothing in it can end the script or begin a tag.
    """
    text = json.dumps(plain(values), separators=(",", ":")).replace("<", "\\u003c")
    return f'"use strict";\nconst REPORT = {text};\n'.encode("ascii")


def _write_changed(path: Path, new: bytes) -> None:
    if not path.exists() or path.read_bytes() != new:
        write_atomic(path, new)


class ReportWriter:
    """Keeps the report of an evaluation up to date while it runs: a killed one leaves a report.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._due = 0.0

    def update(self) -> None:
        """Write the report if it is time; it takes 2 % of the time at most."""
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write it now."""
        start = time.monotonic()
        write_report(self.folder)
        end = time.monotonic()
        self._due = end + max(SHORTEST, (end - start) / SHARE)
