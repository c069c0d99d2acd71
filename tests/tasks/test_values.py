"""mAP and mIoU of rows, against pycocotools, torchmetrics and scikit-learn, and by hand."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.detection import MeanAveragePrecision

from fusionlab.data.labels import make_boxes
from fusionlab.runs.precision import detection_values, resample_weights
from fusionlab.runs.tasks import DETECT, SEGMENT, TaskSample, _matches, summarise_tasks
from fusionlab.tasks.detection import Detections, match, starts
from fusionlab.tasks.segmentation import count_pixels

from .made_up import NAMES, as_sample, coco_precision, scenes


def summarised(samples, task=DETECT, classes=NAMES, methods=("Net",), bases=None, first=None):
    sure = first is not None  # intervals take a second
    found = summarise_tasks({task: classes}, samples, methods, bases or {}, first or "", sure)
    return found.get(task)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_that_of_coco(seed):
    pictures = scenes(seed=seed)
    values = summarised([as_sample(k, *one) for k, one in enumerate(pictures)])["values"]["Net"]
    precision = coco_precision(pictures)
    assert (precision[:, :, 2] == -1).all()  # no bus
    assert "bus" not in values
    for k, name in enumerate(NAMES[:2]):
        assert values[name]["mAP50"] == pytest.approx(precision[0, :, k].mean(), abs=1e-12)
        assert values[name]["mAP50-95"] == pytest.approx(precision[:, :, k].mean(), abs=1e-12)
    assert values[""]["mAP50-95"] == pytest.approx(precision[:, :, :2].mean(), abs=1e-12)


def test_average_precision_is_that_of_torchmetrics():
    pictures = scenes(seed=3)
    metric = MeanAveragePrecision()
    for boxes, found in pictures:
        crowd = boxes.ignored.int()
        truth = {"boxes": boxes.corners, "labels": boxes.classes, "iscrowd": crowd}
        guess = {"boxes": found.corners, "labels": found.classes, "scores": found.scores}
        metric.update([guess], [truth])
    theirs = metric.compute()
    ours = summarised([as_sample(k, *one) for k, one in enumerate(pictures)])["values"]["Net"][""]
    assert ours["mAP50"] == pytest.approx(float(theirs["map_50"]), abs=1e-6)
    assert ours["mAP50-95"] == pytest.approx(float(theirs["map"]), abs=1e-6)


def test_resampling_is_evaluating_the_repeated_pictures():
    pictures = scenes(seed=4)
    samples = [as_sample(k, *one) for k, one in enumerate(pictures)]
    weights = np.array([3, 0, 1, 2, 0, 1, 1, 0, 2, 1, 0, 1], dtype=float)
    place = {str(k): k for k in range(len(samples))}
    matches = {name: _matches(samples, place, "Net", name) for name in NAMES}
    repeated = [one for one, n in zip(pictures, weights, strict=True) for _ in range(int(n))]
    precision = coco_precision(repeated)[0]
    expected = precision[:, precision[0] > -1].mean()
    # Boxes of one score may come in another order: pictures repeat in turn there.
    assert detection_values(matches, weights)[""]["mAP50"] == pytest.approx(expected, abs=0.02)


def test_precision_and_recall_by_hand():
    """Two of three objects are found, and one box is wrong; 0.9 and 0.8 are right."""
    boxes = make_boxes([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], [0] * 3, [False] * 3)
    corners = [[0, 0, 10, 10], [20, 0, 30, 10], [60, 0, 70, 10]]
    found = Detections(
        torch.tensor(corners).float(), torch.zeros(3).long(), torch.tensor([0.9, 0.8, 0.3])
    )
    values = summarised([as_sample(0, boxes, found)])["values"]["Net"][""]
    # The score of the highest F1 leaves out the wrong box.
    assert values["P"] == pytest.approx(1)
    assert values["R"] == pytest.approx(2 / 3)
    assert values["mAP50"] == pytest.approx(67 / 101)  # recalls 0 to 0.66


def test_empty_pictures_and_no_boxes_are_defined():
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0))
    one = make_boxes([[0, 0, 10, 10]], [0], [False])
    none = make_boxes([], [], [])
    right = Detections(one.corners, one.classes, torch.tensor([0.5]))
    assert summarised([as_sample(0, one, nothing)])["values"]["Net"][""]["mAP50"] == 0
    assert np.isnan(summarised([as_sample(0, none, right)])["values"]["Net"][""]["mAP50"])
    both = [as_sample(0, one, right), as_sample(1, none, nothing)]
    assert summarised(both)["values"]["Net"][""] == dict.fromkeys(
        ("P", "R", "mAP50", "mAP50-95"), 1
    )
    wrong = [as_sample(0, one, right), as_sample(1, none, right)]  # a false alarm of equal score
    assert summarised(wrong)["values"]["Net"][""]["mAP50"] == 1  # it comes later
    assert summarised([TaskSample("0", None, {"Net": []}, {})]) is None  # nobody looked


def test_ignored_objects_count_neither_way():
    boxes = make_boxes([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 0], [True, False])
    corners = torch.tensor([[0, 0, 10, 10], [0, 1, 10, 11], [20, 0, 30, 10]]).float()
    found = Detections(corners, torch.zeros(3).long(), torch.tensor([0.9, 0.8, 0.7]))
    hits, unjudged = match(boxes, found)
    assert unjudged[0] == 1023
    assert unjudged[1] & 1
    assert (hits[2], unjudged[2]) == (1023, 0)
    assert summarised([as_sample(0, boxes, found)])["values"]["Net"][""]["mAP50"] == 1


def test_of_one_class_a_hundred_boxes_count():
    corners = torch.tensor([[0, 0, 10, 10]]).float().expand(120, 4)
    found = Detections(corners, torch.zeros(120).long(), torch.linspace(1, 0.1, 120))
    _, unjudged = match(make_boxes([[0, 0, 10, 10]], [0], [False]), found)
    assert (unjudged[:100] == 0).all()
    assert (unjudged[100:] == 1023).all()


def test_overlap_is_that_of_scikit_learn_and_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 4, (5, 12, 16), generator=generator)
    found = torch.where(
        torch.rand(truth.shape, generator=generator) < 0.7,
        truth,
        torch.randint(0, 4, truth.shape, generator=generator),
    )
    truth[torch.rand(truth.shape, generator=generator) < 0.1] = 255
    names = ["sky", "road", "car", "person", "never"]
    samples = []
    for k in range(5):
        counts = count_pixels(found[k], truth[k], 5)
        pixels = {name: tuple(counts[n].tolist()) for n, name in enumerate(names)}
        samples.append(TaskSample(str(k), None, {}, {"Net": pixels}))
    values = summarised(samples, SEGMENT, names)["values"]["Net"]
    seen = truth != 255
    theirs = jaccard_score(truth[seen], found[seen], average=None)
    assert [values[name]["mIoU"] for name in names[:4]] == pytest.approx(theirs.tolist())
    assert "never" not in values
    metric = MulticlassJaccardIndex(4, ignore_index=255)
    assert values[""]["mIoU"] == pytest.approx(float(metric(found, truth)), abs=1e-6)


@pytest.mark.slow
def test_differences_are_paired():
    """A method that finds one more object in every picture is better in every resample."""
    one = make_boxes([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 0], [False] * 2)
    half = Detections(one.corners[:1], one.classes[:1], torch.tensor([0.9]))
    whole = Detections(one.corners, one.classes, torch.tensor([0.9, 0.8]))
    samples = []
    for k in range(6):
        found = {
            name: as_sample(k, one, got).found["Net"]
            for name, got in (("vi alone", half), ("Net", half), ("Net+TTD", whole))
        }
        samples.append(TaskSample(str(k), as_sample(k, one, half).objects, found, {}))
    result = summarised(
        samples,
        methods=("vi alone", "Net", "Net+TTD"),
        bases={"Net+TTD": "Net"},
        first="vi alone",
    )
    change = result["differences"]["Net+TTD"]["R"]
    assert (change["mean"], change["low"], change["high"]) == (0.5, 0.5, 0.5)
    assert result["from_first"]["Net"]["mAP50"]["high"] == 0
    assert result["counts"] == {"": 12, "person": 12, "car": 0, "bus": 0}


def test_resamples_are_the_same_for_everybody():
    first, again = resample_weights(7), resample_weights(7)
    assert (first == again).all()
    assert (first.sum(1) == 7).all()


@pytest.mark.parametrize(
    ("length", "side"), [(1024, 512), (768, 512), (512, 512), (300, 512), (1300, 512)]
)
def test_squares_cover_the_picture_and_overlap(length, side):
    found = starts(length, side)
    assert found[0] == 0
    assert max(found) == max(0, length - side)
    assert all(b - a <= side - side // 4 for a, b in pairwise(found))
