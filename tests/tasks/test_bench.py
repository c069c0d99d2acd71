"""Tasks on the bench: columns, rows, processes, other programs' files, refusals."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate
from fusionlab.data.opening import open_data
from fusionlab.evaluation.bench import Bench
from fusionlab.evaluation.conditions import conditions
from fusionlab.evaluation.measure import measure
from fusionlab.evaluation.methods import network_methods
from fusionlab.evaluation.program import describe, finish
from fusionlab.evaluation.scoring import Scorer
from fusionlab.metrics import open_metrics
from fusionlab.networks import create_network
from fusionlab.runs.files import write_json
from fusionlab.runs.run import SUMMARY
from fusionlab.settings import Conditions, Data, Tasks
from fusionlab.tasks.bench import TaskBench
from fusionlab.tasks.detection import Detections, Detector, detect
from fusionlab.tasks.segmentation import Segmenter

SIZE = (40, 56)
METRICS = ("--metrics.names", "[EN]")


class Bright(Detector):
    """Finds the box around what is bright: an object is a white square."""

    def __init__(self, side=None):
        super().__init__(("car", "person"), side)

    def forward(self, pictures):
        found = []
        for picture in pictures.float().mean(1) / 255:
            inside = picture > 0.6
            if not inside.any():
                found.append(Detections(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0)))
                continue
            rows, columns = (inside.any(dim).nonzero()[:, 0] for dim in (1, 0))
            box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            corners = torch.tensor([box, [0, 0, 9, 9]]).float()
            whole = inside.sum() / (inside.sum() + 1)  # the larger the surer: a part loses
            scores = torch.stack([picture[inside].mean() * whole, picture.mean() / 2])
            found.append(Detections(corners, torch.tensor([1, 1]), scores))
        return found

    def describe(self):
        return {"name": "bright"}


class BrightPixels(Segmenter):
    def __init__(self):
        super().__init__(("background", "person"))

    def forward(self, pictures):
        bright = (pictures.float().mean(1, keepdim=True) / 255 - 0.6) * 10
        return torch.cat([-bright, bright], dim=1)

    def describe(self):
        return {"name": "bright pixels"}


def write_people(root: Path, count=5, masks=False) -> Path:
    """Infrared images with a white square, which the visible ones lack in every second sample."""
    rng = np.random.default_rng(0)
    folders = ("vi", "ir", "labels", *(["Segmentation_labels"] if masks else []))
    for name in folders:
        (root / name).mkdir(parents=True, exist_ok=True)
    height, width = SIZE
    for k in range(count):
        top, left = int(rng.integers(2, 18)), int(rng.integers(2, 30))
        inside = (slice(top, top + 20), slice(left, left + 16))
        for source in ("vi", "ir"):
            pixels = rng.integers(0, 90, SIZE, dtype=np.uint8)
            if source == "ir" or k % 2 == 0:
                pixels[inside] = 240
            Image.fromarray(pixels).save(root / source / f"{k:02d}.png")
        shares = ((left + 8) / width, (top + 10) / height, 16 / width, 20 / height)
        text = " ".join(map(str, shares)) if k != 3 else ""
        (root / "labels" / f"{k:02d}.txt").write_text(f"0 {text}\n" if text else "")
        if masks:
            mask = np.zeros(SIZE, np.uint8)
            mask[inside] = 2
            Image.fromarray(mask).save(root / "Segmentation_labels" / f"{k:02d}.png")
    return root


def make_bench(root: Path, detector=None, segmenter=None, **settings) -> Bench:
    (dataset,) = open_data(Data(root=str(root), **settings))
    network = create_network("maximum").eval()
    bench = Bench(
        [network_methods("Largest", network)],
        [],
        [dataset],
        conditions(Conditions(), dataset),
        Scorer(open_metrics(names=["EN"]), False),
        pictures=False,
    )
    bench.tasks = TaskBench(Tasks(), [dataset], detector, segmenter)
    return bench


def run(bench: Bench, folder: Path, processes: int = 1) -> dict:
    folder.mkdir()
    about = describe(bench, {}, "evaluate")
    write_json(folder / SUMMARY, about)
    for rank in range(processes):
        list(measure(bench, folder, {}, rank=rank, world_size=processes))
    return finish(folder, about)


def test_detection_stands_in_the_one_table(tmp_path):
    root = write_people(tmp_path / "M3FD")
    result = run(make_bench(root, Bright()), tmp_path / "run")["results"][0]
    means = result["means"]
    assert means["ir alone"]["R"] == 1
    assert means["vi alone"]["R"] == pytest.approx(3 / 4)  # sample 3 has no labelled object
    assert means["Largest"]["mAP50"] == means["ir alone"]["mAP50"] > means["vi alone"]["mAP50"]
    own = result["tasks"]["detect"]
    assert own["counts"] == {"": 4, "person": 4, "car": 0}
    assert own["from_first"]["Largest"]["R"]["mean"] == pytest.approx(1 / 4)
    low, high = own["intervals"]["vi alone"][""]["R"]
    assert low < means["vi alone"]["R"] < high
    with (tmp_path / "run" / "per_class.csv").open() as file:
        rows = {(row["method"], row["class"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows["Largest", "person", "AP50"]["value"]) == means["Largest"]["mAP50"]


@pytest.mark.slow
def test_two_processes_give_what_one_gives(tmp_path):
    root = write_people(tmp_path / "MSRS", masks=True)
    people = write_people(tmp_path / "M3FD")
    labels = str(root / "Segmentation_labels")
    results = []
    for processes in (1, 3):
        bench = make_bench(root, None, BrightPixels(), labels=labels)
        segmented = run(bench, tmp_path / f"masks-{processes}", processes)["results"][0]
        bench = make_bench(people, Bright())
        found = run(bench, tmp_path / f"run-{processes}", processes)["results"][0]
        for one in (segmented, found):
            del one["median_ms_per_image"]
        results.append(json.dumps([segmented, found]))
    assert results[0] == results[1]


def test_segmentation_counts_classes_that_both_know(tmp_path):
    root = write_people(tmp_path / "MSRS", masks=True)
    labels = str(root / "Segmentation_labels")
    bench = make_bench(root, None, BrightPixels(), labels=labels)
    assert bench.tasks.classes["segment"]["MSRS"] == ["background", "person"]
    about = run(bench, tmp_path / "run")
    values = about["results"][0]["tasks"]["segment"]["values"]
    assert values["ir alone"] == {"": {"mIoU": 1}, "background": {"mIoU": 1}, "person": {"mIoU": 1}}
    assert values["vi alone"]["person"]["mIoU"] == pytest.approx(3 / 5)


def test_a_large_picture_is_seen_in_squares():
    picture = torch.zeros(3, 100, 180, dtype=torch.uint8)
    picture[:, 60:80, 120:150] = 255  # in several squares of 64
    found = detect(Bright(64), picture, None, confidence=0.5, overlap=0.5)
    assert [120, 60, 150, 80] in found.corners.tolist()
    whole = detect(Bright(), picture, None, confidence=0.5, overlap=0.5)
    assert whole.corners[0].tolist() == [120, 60, 150, 80]


def write_found(folder: Path, root: Path, form: str) -> Path:
    """What a detector found: what is labelled, at a score of 0.9."""
    height, width = SIZE
    for method in ("vi-alone", "ir-alone", "theirs"):
        (folder / method if form == "yolo" else folder).mkdir(parents=True, exist_ok=True)
        results = []
        for path in sorted((root / "labels").glob("*.txt")):
            lines = path.read_text().split("\n")[:-1]
            if form == "yolo":
                text = "\n".join(f"{line} 0.9" for line in lines)
                (folder / method / path.name).write_text(text)
            for line in lines:
                x, y, w, h = map(float, line.split()[1:])
                box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
                image = int(path.stem)
                results.append({"image_id": image, "category_id": 0, "bbox": box, "score": 0.9})
        if form == "coco":
            (folder / f"{method}.json").write_text(json.dumps(results))
    return folder


@pytest.fixture
def theirs(tmp_path):
    """A folder of pictures beside labelled samples."""
    root = write_people(tmp_path / "M3FD")
    (tmp_path / "theirs").mkdir()
    for path in (root / "ir").glob("*.png"):
        (tmp_path / "theirs" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "theirs", root


@pytest.mark.slow
@pytest.mark.parametrize("form", ["yolo", "coco"])
def test_what_another_program_found(theirs, tmp_path, run_evaluate, form):
    folder, root = theirs
    found = write_found(tmp_path / "found", root, form)
    argv = ("--fused", str(folder), "--data.root", str(root), "--tasks.detections", str(found))
    run_folder, summary = run_evaluate(*argv, *METRICS)
    for method in ("vi alone", "ir alone", "theirs"):
        assert summary["results"][0]["means"][method]["mAP50-95"] == pytest.approx(1)
    assert summary["metrics"]["mAP50"]["task"] == "detect"
    data = (run_folder / "report" / "data.js").read_text()
    assert "mAP50-95" in data
    assert (run_folder / "vif" / "labels" / "00.png").is_file()
    drawn = Image.open(run_folder / "vif" / "labels" / "theirs" / "00.png")
    assert drawn.mode == "RGBA"
    assert (run_folder / "report" / "images").is_dir()
    assert "labels.png" in data


REFUSED = {
    "no method's file": (lambda found: (found / "theirs.json").unlink(), "no theirs.json and no"),
    "no sample": (
        lambda found: (found / "theirs.json").write_text(
            '[{"image_id": 77, "category_id": 0, "bbox": [0, 0, 1, 1], "score": 1}]'
        ),
        "boxes of 77, which is no sample",
    ),
    "no class": (
        lambda found: (found / "theirs.json").write_text(
            '[{"image_id": 1, "category_id": 90, "bbox": [0, 0, 1, 1], "score": 1}]'
        ),
        "has the class 90, known are 0 to 5",
    ),
    "no list": (
        lambda found: (found / "theirs.json").write_text('{"a": 1}'),
        "no list of COCO results",
    ),
}


@pytest.mark.parametrize("fault", sorted(REFUSED))
def test_files_that_do_not_fit_are_one_line(theirs, tmp_path, refused, fault):
    folder, root = theirs
    found = write_found(tmp_path / "found", root, "coco")
    damage, said = REFUSED[fault]
    damage(found)
    argv = ("--fused", str(folder), "--data.root", str(root), "--tasks.detections", str(found))
    assert said in refused(evaluate, *argv, *METRICS)


def test_labels_of_kaist_are_nothing_found(theirs, tmp_path, refused):
    folder, root = theirs
    found = write_found(tmp_path / "found", root, "yolo")
    (found / "theirs" / "00.txt").write_text("% bbGt version=3\nperson 10 10 20 20 0\n")
    argv = ("--fused", str(folder), "--data.root", str(root), "--tasks.detections", str(found))
    assert "is not class, x, y, width, height, score" in refused(evaluate, *argv, *METRICS)


@pytest.mark.slow
def test_settings_that_cannot_be_are_one_line(theirs, tmp_path, refused):
    folder, root = theirs
    base = ("--fused", str(folder), "--data.root", str(root), *METRICS)
    weights = tmp_path / "nothing.safetensors"
    assert "no file" in refused(evaluate, *base, "--tasks.detect", weights)
    weights.write_bytes(b"x")
    assert "cannot be read as weights" in refused(evaluate, *base, "--tasks.detect", weights)
    assert "set it too" in refused(evaluate, *base, "--tasks.tile", "128")
    both = ("--tasks.detect", weights, "--tasks.detections", folder)
    assert "two answers" in refused(evaluate, *base, *both)
    bare = ("--data.labels", "none", "--tasks.detections", folder)
    assert "needs labelled boxes" in refused(evaluate, *base, *bare)
