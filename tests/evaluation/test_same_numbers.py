"""The terminal, the HTML report, W&B and ``summary.json`` show the same numbers of one run."""

import json
import math
import re
from typing import NamedTuple

import pytest

import evaluate

from ..conftest import write_pairs
from ..tracking.conftest import no_account, state_of  # noqa: F401 (a fixture)

DIFFERENCES = {"mean": "difference", "low": "low", "high": "high", "improved": "improved"}
RD_COLUMNS = ("images", "mean", "low", "high", "above_equal", "correlation")
THEOREM_COLUMNS = ("images", "rd", "loss", "covariance")
ENDS = {"  95 % from": "low", "  95 % to": "high", "  improved": "improved"}


class Shown(NamedTuple):
    """A number, and what its rounding may have taken from it."""

    value: float
    tolerance: float = 0.0


@pytest.fixture
def run(no_account, tmp_path, monkeypatch, capsys):  # noqa: F811
    """Three pairs with a ground truth, one network, TTD as in the paper and as its authors have it.

    Returns the run folder and what was printed.
    """
    monkeypatch.setenv("COLUMNS", "80")
    root = write_pairs(tmp_path / "trio", ("01", "02", "03"), ("near", "far", "gt"))
    argv = ["--data.root", str(root), "--output", str(tmp_path / "runs"), "--wandb", "offline"]
    argv += ["--trainer.accelerator", "cpu", "--theorem", "--ttd.preset", "[paper, authors]"]
    evaluate.main(argv)
    (folder,) = (tmp_path / "runs").iterdir()
    return folder, capsys.readouterr().out


@pytest.mark.slow
def test_all_show_the_same_numbers(run):
    folder, printed = run
    about = json.loads((folder / "summary.json").read_text())
    expected = {key: Shown(value) for key, value in json_values(about).items()}
    kinds = {key[0] for key in expected}
    assert kinds == {*("mean", "ms", "MB", "rank", "rd", "theorem"), *DIFFERENCES.values()}
    views = {
        "terminal": (terminal_values(printed, about), kinds - {"rd"}),
        "HTML": (html_values(folder), kinds),
        "W&B": (wandb_values(folder), kinds - {"low", "high"}),
    }
    for name, (found, shows) in views.items():
        assert {key[0] for key in found} == shows, name
        for kind in shows - {"theorem", "rd"}:
            assert _of(found, kind) == _of(expected, kind), f"{name} lacks {kind}"
        for key, shown in found.items():
            assert _same(shown, expected[key].value), f"{name}: {key}"
    rd = {key for key in _of(expected, "rd") if key[-1] in ("mean", "correlation")}
    assert len(rd) == 2 * 2 * 2
    assert all(rd <= _of(views[name][0], "rd") for name in ("HTML", "W&B"))
    theorem = {key for key in _of(expected, "theorem") if key[-1] in ("covariance", "images")}
    assert all(theorem & _of(found, "theorem") for found, _ in views.values())


def _of(values: dict, kind: str) -> set:
    """The keys of what is defined: W&B's reader leaves out NaN."""
    return {key for key, one in values.items() if key[0] == kind and not math.isnan(one.value)}


def _same(shown: Shown, value: float) -> bool:
    if math.isnan(value) or math.isnan(shown.value):
        return math.isnan(value) and math.isnan(shown.value)
    return abs(shown.value - value) <= shown.tolerance * 1.0001


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def json_values(about: dict) -> dict:
    """Every number of ``summary.json``."""
    (result,) = about["results"]
    values = {
        ("mean", method, metric): value
        for method, means in result["means"].items()
        for metric, value in means.items()
    }
    values |= {("ms", method): value for method, value in result["median_ms_per_image"].items()}
    values |= {("MB", method): value for method, value in result["peak_megabytes"].items()}
    values |= {("rank", method): value for method, value in result["overall_rank"].items()}
    for method, by_metric in result["differences"].items():
        for metric, one in by_metric.items():
            values |= {(name, method, metric): one[key] for key, name in DIFFERENCES.items()}
    for name in ("rd", "theorem"):
        for method, found in result[name].items():
            of_sources = found if name == "rd" else found["sources"]
            for source, own in of_sources.items():
                values |= {(name, method, source, column): one for column, one in own.items()}
            of_images = {} if name == "rd" else found
            values |= {
                (name, method, column): one
                for column, one in of_images.items()
                if column != "sources"
            }
    return {key: _number(value) for key, value in values.items()}


def wandb_values(folder) -> dict:
    """Every number of the W&B run's summary, read back from W&B's own files."""
    known = tuple(DIFFERENCES.values())
    found = {}
    for key, value in state_of(folder)["summary"].items():
        first, *place = key.split("/")
        if first not in ("test", "rd") or len(place) < 3 or isinstance(value, dict):
            continue
        task, method, *rest = place
        assert task == "mff"
        if first == "rd":
            new = ("rd", method, rest[1], rest[0])
        elif rest[0] in (*known, "theorem"):
            new = (rest[0], method, *reversed(rest[1:]))
        else:
            new = (
                (rest[0], method) if rest[0] in ("ms", "MB", "rank") else ("mean", method, rest[0])
            )
        found[new] = Shown(float(value))
    return found


def html_values(folder) -> dict:
    """Every number over images in the page's data."""
    text = (folder / "report" / "data.js").read_text()
    page = json.loads(text.partition("const REPORT = ")[2].rstrip().rstrip(";"))
    (result,) = page["results"]
    methods = [one["name"] for one in page["methods"]]
    metrics = [one["name"] + ("_truth" if one["truth"] else "") for one in page["metrics"]]
    found = {}
    for row in result["rows"]:
        method = methods[row["method"]]
        pairs = zip(metrics, row["means"], strict=True)
        found |= {("mean", method, metric): value for metric, value in pairs}
        own = {(name, method): row[name] for name in ("ms", "MB", "rank")}
        found |= {key: value for key, value in own.items() if value is not None}
    for one in result["differences"]:
        for metric, values in zip(metrics, one["values"], strict=True):
            pairs = zip(DIFFERENCES.values(), values, strict=False)  # then images
            found |= {(name, methods[one["method"]], metric): value for name, value in pairs}
    for place, of_sources in result["rd"]:
        found |= _of_sources("rd", methods[place], of_sources, RD_COLUMNS)
    for one in result["theorem"]:
        method = methods[one["method"]]
        found |= _of_sources("theorem", method, one["sources"], THEOREM_COLUMNS)
        found["theorem", method, "images"] = one["images"]
        found["theorem", method, "dynamic_is_lower"] = one["holds"]
        found["theorem", method, "covariance_is_negative"] = one["negative"]
        for side, static, dynamic in one["sides"]:
            found["theorem", method, f"static_{side}"] = static
            found["theorem", method, f"dynamic_{side}"] = dynamic
    return {key: Shown(_number(value)) for key, value in found.items()}


def _of_sources(name: str, method: str, of_sources: list, columns: tuple) -> dict:
    return {
        (name, method, source, column): value
        for source, *values in of_sources
        for column, value in zip(columns, values, strict=True)
    }


def terminal_values(printed: str, about: dict) -> dict:
    """Every number of the printed tables, and of the lines on the theorem."""
    methods = [one["name"] for one in about["methods"]]
    found: dict = {}
    ends, headings, truth, difference = [], [], "", ""
    for line in printed.splitlines():
        words = re.findall(r"\S+", line)
        if line == "against the ground truth":
            truth = "_truth"
        elif words and all(re.fullmatch(r"ms|MB|.+(↑|↓|→0)", word) for word in words):
            ends = [match.end() for match in re.finditer(r"\S+", line)]
            headings = [re.sub(r"↑|↓|→0", "", word) for word in words]
        elif ends and (label := _label(line, [*methods, *(f"Δ {one}" for one in methods), *ENDS])):
            difference = label[2:] if label.startswith("Δ ") else difference
            cells = _cells(line, label, ends)
            for heading, cell in zip(headings, cells, strict=True):
                if cell:
                    found[_key(label, difference, heading, truth)] = _shown(cell)
    return found | _theorem_values(printed)


def _label(line: str, labels: list[str]) -> str:
    """The label that a line begins with, the longest; empty if it is no row."""
    return max((one for one in labels if line.startswith(f" {one} ")), key=len, default="")


def _cells(line: str, label: str, ends: list[int]) -> list[str]:
    """Columns are flush right with their headings."""
    starts = [1 + len(label), *ends[:-1]]
    return [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _key(label: str, difference: str, heading: str, truth: str) -> tuple[str, ...]:
    if label in ENDS:
        return ENDS[label], difference, heading + truth
    if label.startswith("Δ "):
        return "difference", difference, heading + truth
    return (heading, label) if heading in ("ms", "MB", "rank") else ("mean", label, heading + truth)


def _shown(cell: str) -> Shown:
    text = cell.rstrip("*=").replace("−", "-")
    if text == "–":
        return Shown(math.nan)
    if text.endswith("%"):
        return Shown(float(text[:-1]) / 100, 0.005)
    return Shown(float(text), 0.5 * 10.0 ** -len(text.partition(".")[2]))


def _theorem_values(printed: str) -> dict:
    """``theorem, METHOD: Eq. 5 holds on 1 of 3 images; Cov(ω, ℓ) −0.001 (near), 0.002 (far)``."""
    found: dict = {}
    text = " ".join(printed.split())
    covariances = r"((?:\S+ \(\w+\)(?:, )?)+)"
    pattern = r"theorem, (.+?): Eq\. 5 holds on (\d+) of (\d+) images?; Cov\(ω, ℓ\) " + covariances
    for method, holds, images, of_sources in re.findall(pattern, text):
        found["theorem", method, "images"] = Shown(float(images))
        found["theorem", method, "dynamic_is_lower"] = Shown(float(holds) / float(images), 1e-9)
        for number, source in re.findall(r"(\S+) \((\w+)\)", of_sources):
            value = float(number.replace("−", "-"))
            key = ("theorem", method, source, "covariance")
            found[key] = Shown(value, 0.05 * abs(value))  # two digits
    return found
