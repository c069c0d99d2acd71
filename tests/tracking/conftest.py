"""An evaluation's folder, a machine without a W&B account, and W&B's own reader."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import evaluate
from fusionlab.runs.files import write_picture, write_rd_arrays, write_rd_map
from fusionlab.runs.rd_colours import RDScale
from fusionlab.runs.run import ALONE, RD_COLUMNS, Run

DATA = [
    {"name": "set a", "task": "mff", "source_names": ["near", "far", "middle"], "ids": ["1", "2"]},
    {"name": "set b", "task": "vif", "source_names": ["vi", "ir"], "ids": ["1"]},
]
LACKING = ("mff", "2", "middle")  # not every sample has every source
WEIGHTS = {"name": "ifcnn", "options": {"rule": "max"}, "checkpoint": {"sha256": "ab12"}}
OTHER_WEIGHTS = {"name": "densefuse", "options": {}, "checkpoint": {"sha256": "cd34"}}
FACTS = {
    "IFCNN": {"network": WEIGHTS},
    "IFCNN+TTD": {"network": WEIGHTS, "ttd": {"loss": "l1"}},
    "DenseFuse": {"network": OTHER_WEIGHTS},
    "DenseFuse+TTD": {"network": OTHER_WEIGHTS, "ttd": {"loss": "l1"}},
    "Theirs": {"folder": {"folder": "/pictures/theirs", "images": 3, "missing": []}},
}
VALUES = {
    "IFCNN": {"EN": 7.0, "CE": 2.0},
    "IFCNN+TTD": {"EN": 7.5, "CE": 3.0},
    "DenseFuse": {"EN": 6.0, "CE": 1.0},
    "DenseFuse+TTD": {"EN": 6.25, "CE": 0.5},
    "Theirs": {"EN": 5.5, "CE": 4.0},
}
BASES = {"IFCNN+TTD": "IFCNN", "DenseFuse+TTD": "DenseFuse"}
STATIC, PAIR, ALL = ("IFCNN",), ("IFCNN", "IFCNN+TTD"), ("Theirs", *tuple(FACTS)[:4])
CORRELATION = -0.63  # made up: the arrays of the images have another one
PLAIN = [{"name": "", "group": "", "kind": "", "level": None}]


def sources_of(data, name):
    return [one for one in data["source_names"] if (data["task"], name, one) != LACKING]


def methods_of(names) -> list[dict]:
    """Every source alone, then the named methods."""
    sources = [one for data in DATA for one in data["source_names"]]
    found = [
        {"name": one + ALONE, "kind": "source", "base": None, "source": one} for one in sources
    ]
    for name in names:
        kind = "ttd" if name in BASES else "network" if "network" in FACTS[name] else "folder"
        found.append({"name": name, "kind": kind, "base": BASES.get(name), "source": None})
    return [{**one, "facts": FACTS.get(one["name"], {})} for one in found]


def summary(names=PAIR) -> dict:
    """What ``summary.json`` holds, as far as it is read."""
    return {
        "methods": methods_of(names),
        "settings": {"metrics": {"preset": "ttd", "names": None}, "seed": 3, "wandb": None},
        "data": DATA,
        "conditions": PLAIN,
        "metrics": {
            "EN": {"direction": "higher", "convention": "ttd: 256 bins", "truth": False},
            "CE": {"direction": "lower", "convention": "ttd: log2", "truth": False},
        },
        "versions": {"torch": "2"},
        "commit": "c0ffee",
        "results": [result(data, names) for data in DATA],
    }


def result(data, names, condition="") -> dict:
    """One of the results; every number made up."""
    dynamic = [name for name in names if name in BASES]
    first = data["source_names"][0]
    return {
        "data": data["name"],
        "task": data["task"],
        "condition": condition,
        "draws": 1,
        "images": len(data["ids"]),
        "methods": [first + ALONE, *names],
        "means": {first + ALONE: {"EN": 5.0, "CE": None}, **{one: VALUES[one] for one in names}},
        "median_ms_per_image": {name: 4.0 for name in names if name != "Theirs"},
        "peak_megabytes": {name: 8.0 for name in names if name != "Theirs"},
        "overall_rank": {name: 1.0 + k for k, name in enumerate(names)} if len(names) > 1 else {},
        "differences": {
            name: {
                "EN": {"mean": VALUES[name]["EN"] - VALUES[BASES[name]]["EN"], "improved": 1.0},
                "CE": {"mean": VALUES[name]["CE"] - VALUES[BASES[name]]["CE"], "improved": 0.0},
            }
            for name in dynamic
        },
        "rd": {
            name: {
                one: {"images": 1, "mean": 0.5, "low": 0.1, "correlation": CORRELATION}
                for one in data["source_names"]
            }
            for name in dynamic
        },
        "theorem": {},
    }


def write_run(folder: Path, names=ALL, pictures: bool = True) -> Path:
    """Images of 6x8 pixels, all of them different, and made-up numbers."""
    folder.mkdir(exist_ok=True)
    values, rd = [], []
    for data in DATA:
        for id_ in data["ids"]:
            key, sources = [data["name"], data["task"], "", id_], sources_of(data, id_)
            values += [[*key, one + ALONE, 5.0, "", ""] for one in sources]
            for name in names:
                ms = "" if name == "Theirs" else 4.0
                values.append([*key, name, VALUES[name]["EN"], VALUES[name]["CE"], ms])
                if name in BASES:
                    rd += [[*key, name, one, 0.5, 0.1, 0.9, 0.4, -0.2] for one in sources]
    start = ["data", "task", "condition", "id", "method"]
    _write_rows(folder / "per_image.csv", [*start, "EN:ttd", "CE:ttd", "ms"], values)
    _write_rows(folder / "rd.csv", [*start, "source", *RD_COLUMNS], rd)
    (folder / "summary.json").write_text(json.dumps(summary(names)))
    if pictures:
        _write_images(Run.open(folder))
    return folder


def _write_rows(path: Path, heading, rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([heading, *rows])


def _write_images(run: Run) -> None:
    """As the bench does: of folders of pictures it has no copies."""
    torch.manual_seed(0)
    sources = {data["name"]: data for data in DATA}
    for sample in run.samples:
        names = sources_of(sources[sample.data], sample.id)
        for name in names:
            write_picture(run.folder / sample.source(name), _random_picture())
        for method in run.methods:
            if method.kind in ("network", "ttd"):
                write_picture(run.folder / sample.picture(method.name), _random_picture())
            if method.kind == "ttd":
                losses = torch.rand(len(names), 6, 8)
                rd = torch.softmax(-losses, dim=0)
                write_rd_arrays(run.folder / sample.rd_arrays(method.name), rd, losses, names)
                scale = RDScale.of(len(rd), rd)
                for name, own in zip(names, rd, strict=True):
                    write_rd_map(run.folder / sample.rd_map(method.name, name), own, scale)


def _random_picture() -> torch.Tensor:
    return torch.randint(0, 256, (3, 6, 8), dtype=torch.uint8)


@pytest.fixture
def run_folder(tmp_path) -> Path:
    """Five methods, two of them TTD, on two data sets of three images in all."""
    return write_run(tmp_path / "evaluate-1")


def read_back(folder: Path) -> tuple[dict, list[dict]]:
    """What W&B's own reader finds in the newest offline run of a folder: its state, its records."""
    return state_of(folder), [json.loads(line) for line in _inspect(folder).splitlines()]


def state_of(folder: Path) -> dict:
    """The state alone, in half the time: name, tags, config, summary."""
    return json.loads(_inspect(folder, "--summary"))


def _inspect(folder: Path, *options: str) -> str:
    newest = max(folder.glob("wandb/offline-run-*"))
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(newest), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


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


@pytest.fixture
def tracked(no_account, tmp_path):
    """Evaluate; returns the run folder, its summary, and what W&B holds of it."""

    def run(*argv: str):
        output = tmp_path / "runs"
        before = set(output.glob("*"))
        places = ["--output", str(output), "--trainer.accelerator", "cpu", "--report", "false"]
        evaluate.main([*places, *argv])
        (folder,) = set(output.glob("*")) - before
        return folder, json.loads((folder / "summary.json").read_text()), *read_back(folder)

    return run
