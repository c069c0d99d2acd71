"""An evaluation's folder, a machine without a W&B account, and W&B's own reader."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fusionlab.report.images import write_arrays, write_image, write_weight_map

DATA = [
    {"name": "set a", "task": "mff", "source_names": ["near", "far", "middle"], "ids": ["1", "2"]},
    {"name": "set b", "task": "vif", "source_names": ["vi", "ir"], "ids": ["1"]},
]
LACKING = ("mff", "2", "middle")  # not every sample has every source
STATIC, TTD = {"EN": 7.0, "CE": 2.0}, {"EN": 7.5, "CE": 3.0}


def sources_of(data, name):
    return [one for one in data["source_names"] if (data["task"], name, one) != LACKING]


def write_run(folder: Path, dynamic: bool = True) -> Path:
    """Images of 6x8 pixels and made-up numbers: every image gains 0.5 in EN and loses 1 in CE."""
    rows = {"static": STATIC, "ttd": TTD} if dynamic else {"static": STATIC}
    lines = []
    torch.manual_seed(0)
    for data in DATA:
        for name in data["ids"]:
            _write_images(folder / data["task"], name, sources_of(data, name), rows)
            key = [data["name"], data["task"], name]
            lines += [[*key, row, values["EN"], values["CE"], 4.0] for row, values in rows.items()]
            lines += [[*key, f"{one} alone", 5.0, "", ""] for one in sources_of(data, name)]
    with (folder / "per_image.csv").open("w", newline="") as file:
        csv.writer(file).writerow(["data", "task", "id", "row", "EN:ttd", "CE:ttd", "ms"])
        csv.writer(file).writerows(lines)
    (folder / "summary.json").write_text(json.dumps(summary(rows)))
    return folder


def summary(rows) -> dict:
    """What ``summary.json`` holds, as far as it is read."""
    better = {"EN": 1.0, "CE": 0.0}
    means = {metric: TTD[metric] - STATIC[metric] for metric in STATIC}
    gain = {metric: {"mean": means[metric], "improved": better[metric]} for metric in means}
    return {
        "network": {"name": "ifcnn", "options": {"rule": "max"}, "checkpoint": {"sha256": "ab12"}},
        "ttd": {"loss": "l1"} if "ttd" in rows else None,
        "settings": {"metrics": {"preset": "ttd", "names": None}, "seed": 3, "wandb": None},
        "data": DATA,
        "directions": {"EN": "higher", "CE": "lower"},
        "conventions": {"EN": "256 bins", "CE": "log2", "mean": "of images"},
        "versions": {"torch": "2"},
        "commit": "c0ffee",
        "results": [
            {
                "data": data,
                "images": len(data["ids"]),
                "means": {**rows, "near alone": {"EN": 5.0, "CE": None}},
                "ttd_minus_static": gain if "ttd" in rows else {},
                "median_ms_per_image": dict.fromkeys(rows, 4.0),
            }
            for data in DATA
        ],
    }


def _write_images(folder: Path, name: str, sources, rows) -> None:
    for source in sources:
        write_image(folder / "sources" / f"{name}-{source}.png", torch.rand(3, 6, 8))
    for row in rows:
        write_image(folder / row / f"{name}.png", torch.rand(3, 6, 8))
    if "ttd" in rows:
        losses = torch.rand(len(sources), 6, 8)
        weights = torch.softmax(-losses, dim=0)
        for source, weight in zip(sources, weights, strict=True):
            write_weight_map(folder / "rd" / f"{name}-{source}.png", weight)
        arrays = {"weights": weights.numpy(), "losses": losses.numpy()}
        write_arrays(folder / "rd" / f"{name}.npz", {**arrays, "source_names": np.array(sources)})


@pytest.fixture
def run_folder(tmp_path) -> Path:
    """An evaluation with TTD on two data sets, three images in all."""
    (tmp_path / "evaluate-1").mkdir()
    return write_run(tmp_path / "evaluate-1")


def read_back(folder: Path) -> tuple[dict, list[dict]]:
    """What W&B's own reader finds in the newest offline run of a folder: its state, its records."""
    newest = max(folder.glob("wandb/offline-run-*"))
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(newest)]
    records = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = subprocess.run([*command, "--summary"], capture_output=True, text=True, check=True)
    return json.loads(found.stdout), [json.loads(line) for line in records.splitlines()]


@pytest.fixture
def no_account(tmp_path, monkeypatch):
    """Neither key nor settings of W&B, and a service of its own; no test talks to a server."""
    import wandb

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "none"))
    monkeypatch.chdir(tmp_path)
    wandb.teardown()
    yield
    wandb.teardown()
