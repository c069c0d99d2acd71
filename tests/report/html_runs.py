"""Run folders of evaluations that never took place, with values that can be told by hand."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fusionlab.metrics.theorem import COLUMNS
from fusionlab.report.run import THEOREM_KEY

HOSTILE = """<img src=x onerror=alert(1)>&"'#?% ü \u2028"""
COLOURS = {"static": (200, 0, 0), "ttd": (0, 0, 200), "vi": (0, 200, 0), "ir": (90, 90, 90)}
METRICS = {"EN": "higher", "CE": "lower", "PSNR_truth": "higher"}


@dataclass(frozen=True)
class FakeRun:
    """What the evaluation was asked to do, and how far it came.

    Static EN of image k is k; TTD adds ``gains[k]``. CE is 10 − EN. The truth is known to nobody.
    The theorem: source m covaries by m − 1/2 + k/4, the static bound is 1 + k, the dynamic one 2.
    """

    gains: tuple[float, ...] = (0.5, -0.25, 2.0)
    ids: tuple[str, ...] = ("a", "b", "c")
    done: int = 3
    task: str = "vif"
    name: str = "fake pairs"
    sources: tuple[str, ...] = ("vi", "ir")
    ttd: bool = True
    size: tuple[int, int] = (24, 16)  # width, height
    theorem: bool = False
    truth: bool = False  # whether the theorem knows one

    def rows(self, k: int) -> dict[str, float]:
        """EN by row."""
        fused = {"static": k, "ttd": k + self.gains[k]} if self.ttd else {"static": k}
        return {**fused, **{f"{name} alone": -1.0 for name in self.sources}}

    def describe(self) -> dict[str, object]:
        """What the summary says of the data."""
        return {
            "name": self.name,
            "root": "/somewhere/private",
            "task": self.task,
            "source_names": list(self.sources),
            "colour": "luma",
            "ids": list(self.ids),
        }


def make_run(folder: Path, *runs: FakeRun) -> Path:
    """Write a run over these data; it has finished if all their images are done."""
    folder.mkdir(parents=True, exist_ok=True)
    finished = all(run.done == len(run.ids) for run in runs)
    results = [
        {"data": run.describe(), "ttd_minus_static": _differences() if run.ttd else {}}
        for run in runs
    ]
    about = {
        "network": {
            "name": "ifcnn",
            "options": {"rule": "max"},
            "checkpoint": {"path": "weights/best.safetensors", "sha256": "abc123"},
            "stretch": False,
        },
        "ttd": _TTD if any(run.ttd for run in runs) else None,
        "settings": {"seed": 7},
        "data": [run.describe() for run in runs],
        "directions": METRICS,
        "conventions": {
            **{name: f"ttd: {name} as such" for name in METRICS},
            "mean": "of values",
            **({"theorem": "ω is RD."} if any(run.theorem for run in runs) else {}),
        },
        "fusionlab": "0.1.0",
        "commit": "c0ffee",
        "versions": {"torch": "2.4"},
        "python": "3.11",
        "platform": "Linux",
        "threads": 1,
        "devices": [],
        "results": results if finished else [],
    }
    (folder / "summary.json").write_text(json.dumps(about))
    _write_values(folder / "per_image.csv", runs)
    if any(run.theorem for run in runs):
        _write_theorem(folder / "theorem.csv", runs)
    for run in runs:
        _write_images(folder / run.task, run)
    return folder


_TTD = {
    "preset": "paper",
    "loss": "l1",
    "basis": "loss",
    "compare": "components",
    "channel": "mean",
    "temperature": 1.0,
    "form": "exp",
    "normalization": "softmax",
    "correlation": "negative",
}


def _differences() -> dict[str, dict[str, float]]:
    one = {"mean": 0.75, "low": 0.125, "high": 1.5, "improved": 0.5, "images": 3}
    return {"EN": one, "CE": {**one, "mean": -0.75, "low": -1.5, "high": -0.125}}


def _write_values(path: Path, runs: tuple[FakeRun, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["data", "task", "id", "row", *(f"{name}:ttd" for name in METRICS), "ms"])
        for run in runs:
            for k, name in enumerate(run.ids[: run.done]):
                for row, value in run.rows(k).items():
                    time = "" if row.endswith("alone") else 10 + k
                    lines.writerow([run.name, run.task, name, row, value, 10 - value, "", time])


def _write_theorem(path: Path, runs: tuple[FakeRun, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow([*THEOREM_KEY, *COLUMNS])
        for run in runs:
            for k, name in enumerate(run.ids[: run.done]) if run.theorem else ():
                covariances = [m - 0.5 + k / 4 for m in range(len(run.sources))]
                total, truth = sum(covariances), [0.5, 0.25, 0.75, 0.5] if run.truth else [""] * 4
                of_image = [total, total < 0, 1 + k, 2, 1 + k > 2, *truth]
                for source, covariance in zip(run.sources, covariances, strict=True):
                    of_source = [0.5, 0.125, covariance, *(["0.5", "0"] if run.truth else ["", ""])]
                    cells = [float(cell) if cell != "" else "" for cell in (*of_source, *of_image)]
                    lines.writerow([run.name, run.task, name, source, *cells])


def _write_images(folder: Path, run: FakeRun) -> None:
    """Each kind of image in one colour; files of one kind are one file under many names."""
    ramp = np.tile(np.linspace(0, 1, run.size[0], dtype=np.float32), (run.size[1], 1))
    for name in run.ids[: run.done]:
        for row in ("static", "ttd") if run.ttd else ("static",):
            _image(folder / row / f"{name}.png", folder / f".{row}.png", COLOURS[row], run.size)
        for source in run.sources:
            path = folder / "sources" / f"{name}-{source}.png"
            colour = COLOURS.get(source, (9, 9, 9))
            _image(path, folder / f".source-{colour[0]}.png", colour, run.size)
            if run.ttd:
                path = folder / "rd" / f"{name}-{source}.png"
                _image(path, folder / ".rd.png", (253, 231, 37), run.size)
        if run.ttd and len(run.ids) < 100:
            weights = np.stack([ramp, *[1 - ramp] * (len(run.sources) - 1)])
            arrays = {"weights": weights, "losses": 1 - weights}
            path = folder / "rd" / f"{name}.npz"
            np.savez_compressed(path, source_names=np.array(run.sources), **arrays)


def _image(path: Path, first: Path, colour: tuple[int, ...], size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not first.exists():
        Image.new("RGB", size, colour).save(first)
    path.unlink(missing_ok=True)
    os.link(first, path)
