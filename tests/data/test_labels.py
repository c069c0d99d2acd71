"""Labels: files as the data sets of the field have them, found and read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.data.classes import FMB, MFNET, plain_class, usual_colour
from fusionlab.data.labels import read_mask
from fusionlab.data.opening import open_data
from fusionlab.errors import InputError
from fusionlab.settings import Data

from ..conftest import write_pairs

SIZE = (30, 40)  # height and width
VOC = """<annotation><object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>4</xmin><ymin>3</ymin><xmax>20</xmax><ymax>{bottom}</ymax></bndbox></object>
</annotation>"""


def opened(root: Path, **settings):
    (dataset,) = open_data(Data(root=str(root), **settings))
    return dataset


def test_yolo_text_of_m3fd_by_the_folders_name(tmp_path):
    root = write_pairs(tmp_path / "M3FD", size=SIZE)
    (root / "labels").mkdir()
    (root / "labels" / "01.txt").write_text("1 0.5 0.5 0.5 0.2\n0 0.95 0.5 0.2 0.2\n")
    (root / "labels" / "02.txt").write_text("")
    dataset = opened(root)
    boxes = dataset.labels(0).boxes
    assert dataset.label_classes[0].names[:2] == ("person", "car")
    assert boxes.corners[0].tolist() == pytest.approx([10, 12, 30, 18])
    assert boxes.corners[1].tolist() == pytest.approx([34, 12, 40, 18])  # cut off at the edge
    assert boxes.classes.tolist() == [1, 0]
    assert len(dataset.labels(1).boxes) == 0  # somebody looked and saw nothing


def test_a_sample_without_a_file_is_not_labelled(tmp_path):
    root = write_pairs(tmp_path / "M3FD", size=SIZE)
    (root / "labels").mkdir()
    (root / "labels" / "01.txt").write_text("1 0.5 0.5 0.5 0.2\n")
    dataset = opened(root)
    assert dataset.labels(1).boxes is None
    assert "1 boxes of 1 samples" in dataset.label_reader.found()


def test_voc_of_llvip_beside_the_splits(tmp_path):
    root = tmp_path / "LLVIP"
    for part in ("train", "test"):
        for source in ("visible", "infrared"):
            write_pairs(root / source / part, names=("190001",), sources=(".",), size=SIZE)
    (root / "Annotations").mkdir()
    (root / "Annotations" / "190001.xml").write_text(
        VOC.format(name="person", difficult=0, bottom=99)
    )
    dataset = opened(root, split="test")
    boxes = dataset.labels(0).boxes
    assert boxes.corners.tolist() == [[4, 3, 20, 30]]
    assert not boxes.ignored.any()
    assert dataset.label_classes[0].names == ("person",)


def test_voc_objects_that_are_difficult_are_ignored(tmp_path):
    root = write_pairs(tmp_path / "flir", names=("01",), size=SIZE)
    (root / "Annotations").mkdir()
    (root / "Annotations" / "01.xml").write_text(VOC.format(name="bike", difficult=1, bottom=9))
    assert opened(root).labels(0).boxes.ignored.tolist() == [True]


def test_coco_table_of_flir(tmp_path):
    root = write_pairs(tmp_path / "flir", size=SIZE)
    table = {
        "images": [{"id": 7, "file_name": "data/01.jpg"}, {"id": 8, "file_name": "elsewhere.jpg"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [5, 6, 10, 4], "iscrowd": 0},
            {"image_id": 7, "category_id": 1, "bbox": [50, 6, 10, 4]},
            {"image_id": 8, "category_id": 1, "bbox": [0, 0, 10, 4]},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
    }
    (root / "coco.json").write_text(json.dumps(table))
    (root / "notes.json").write_text("[1, 2]")  # no table
    dataset = opened(root)
    assert dataset.label_classes[0].names == ("car", "person")
    assert dataset.labels(0).boxes.corners.tolist() == [[5, 6, 15, 10]]
    assert dataset.labels(0).boxes.classes.tolist() == [0]
    assert dataset.labels(1).boxes is None
    assert "1 boxes outside their pictures left out" in dataset.label_reader.found()


def test_kaist_text_where_images_would_be(tmp_path):
    root = write_pairs(tmp_path / "images" / "set06" / "V000", names=("I00019",), size=SIZE)
    folder = tmp_path / "annotations" / "set06" / "V000"
    folder.mkdir(parents=True)
    (folder / "I00019.txt").write_text(
        "% bbGt version=3\nperson 4 5 10 20 0 0 0 0 0 0 0\npeople 20 5 10 20 0 0 0 0 0 0 0\n"
    )
    boxes = opened(root).labels(0).boxes
    assert boxes.corners.tolist() == [[4, 5, 14, 25], [20, 5, 30, 25]]
    assert boxes.ignored.tolist() == [False, True]


@pytest.mark.parametrize("form", ["indices", "palette", "colours"])
def test_masks_of_msrs(tmp_path, form):
    root = write_pairs(tmp_path / "MSRS" / "test", names=("00001D",), size=SIZE)
    (root / "Segmentation_labels").mkdir()
    indices = np.random.default_rng(0).integers(0, 9, SIZE).astype(np.uint8)
    image = Image.fromarray(indices)
    if form == "palette":
        image.putpalette([level for colour in MFNET.colours for level in colour])
    if form == "colours":
        image = Image.fromarray(np.array(MFNET.colours, np.uint8)[indices])
    image.save(root / "Segmentation_labels" / "00001D.png")
    dataset = opened(root)
    assert torch.equal(dataset.labels(0).mask, torch.from_numpy(indices.astype(np.int64)))
    assert dataset.label_classes[1].names == MFNET.names


@pytest.mark.parametrize(("classes", "counted"), [(None, 15), (["fmb14"], 14)])
def test_masks_of_fmb_with_and_without_the_background(tmp_path, classes, counted):
    root = write_pairs(tmp_path / "FMB" / "test", sources=("Visible", "Infrared"), size=SIZE)
    (root / "Label").mkdir()
    indices = (np.arange(SIZE[0] * SIZE[1]) % 15).reshape(SIZE).astype(np.uint8)
    for name in ("01", "02"):
        Image.fromarray(indices).save(root / "Label" / f"{name}.png")
    dataset = opened(root, classes=classes)
    assert not dataset.has_reference
    values = dataset.labels(0).mask.unique().tolist()
    assert len(set(values) - {255}) == counted
    assert dataset.label_classes[1].names == FMB.names


def test_infrared_scenes_have_people_and_heads_lesions():
    (scenes,) = open_data(Data(task="vif"))
    for index in range(len(scenes)):
        labels = scenes.labels(index)
        height, width = scenes.sizes[index]
        inside = torch.tensor([width, height, width, height])
        assert len(labels.boxes)
        assert (labels.boxes.corners <= inside).all()
        for left, top, right, bottom in labels.boxes.corners.int().tolist():
            assert (labels.mask[top:bottom, left:right] == 1).any(0).all()
    (heads,) = open_data(Data(task="mif"))
    assert all(heads.labels(k).mask.sum() > 100 for k in range(len(heads)))
    assert heads.label_classes[1].names == ("background", "lesion")


BROKEN = {
    "M3FD/labels/01.txt": ("1 0.5 0.5 0.5\n", "line 1 of .* is not class, x, y"),
    "pixels/labels/01.txt": ("0 12 9 5 5\n", "outside the picture"),
    "unnamed/labels/01.txt": ("0 0.5 0.5 0.5 0.5\n", "set data.classes to their names"),
    "M3FD/annotations/01.xml": ("<annotation><object>", "no annotation in Pascal VOC's XML"),
    "boxless/annotations/01.xml": (
        "<a><object><name>car</name></object></a>",
        "without name or bndbox",
    ),
    "flir/table.json": (
        '{"images": [{"id": 1, "file_name": "01.jpg"}], "annotations": [{"image_id": 2}]}',
        "no table in COCO's JSON",
    ),
}


@pytest.mark.parametrize("place", sorted(BROKEN))
def test_a_damaged_file_is_one_line(tmp_path, place):
    text, said = BROKEN[place]
    root = write_pairs(tmp_path / place.partition("/")[0], names=("01",), size=SIZE)
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(InputError, match=said) as fault:
        _ = opened(root).label_reader
    assert "\n" not in str(fault.value)


def test_classes_that_are_not_known_are_one_line(tmp_path):
    root = write_pairs(tmp_path / "M3FD", names=("01",), size=SIZE)
    (root / "labels").mkdir()
    (root / "labels" / "01.txt").write_text("9 0.5 0.5 0.5 0.2\n")
    with pytest.raises(InputError, match="has the class 9, known are 0 to 5"):
        _ = opened(root).label_reader
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full(SIZE, 20, np.uint8)).save(mask)
    with pytest.raises(InputError, match="has the class 20, known are 0 to 8 and 255"):
        read_mask(mask, MFNET)
    Image.fromarray(np.full((*SIZE, 3), (1, 2, 3), np.uint8)).save(mask)
    with pytest.raises(InputError, match=r"has the colour \(1, 2, 3\)"):
        read_mask(mask, MFNET)


def test_a_mask_of_another_size_is_refused(tmp_path):
    root = write_pairs(tmp_path / "MSRS", names=("01",), size=SIZE)
    (root / "masks").mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(root / "masks" / "01.png")
    with pytest.raises(InputError, match="20x20, its sample 40x30"):
        _ = opened(root).label_reader


def test_labels_are_not_looked_for_or_must_be_there(tmp_path):
    root = write_pairs(tmp_path / "M3FD", names=("01",), size=SIZE)
    (root / "labels").mkdir()
    (root / "labels" / "01.txt").write_text("nonsense")
    assert opened(root, labels="none").labels(0).boxes is None
    with pytest.raises(InputError, match="no labels of the samples"):
        _ = opened(root, labels=str(root / "vi")).label_reader
    with pytest.raises(InputError, match=r"set data\.labels"):
        _ = opened(root, labels=str(root / "nowhere")).label_reader


def test_names_of_the_field_mean_the_same():
    assert plain_class("People") == plain_class("pedestrian") == "person"
    assert plain_class("Lamp") == plain_class("traffic_light") == "traffic light"
    colours = [usual_colour(index) for index in range(24)]
    assert len(set(colours)) == 24
    assert all(0 <= level <= 255 for colour in colours for level in colour)
