import numpy as np
import pytest
import torch
from PIL import Image

from fusionlab.data.illumination import open_illumination
from fusionlab.errors import InputError


def write(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((64, 130, 3), level, dtype=np.uint8)).save(path)


def labels_by_level(patches):
    """Grey levels of the patches, by label."""
    found = {0: set(), 1: set()}
    for index, item in enumerate(patches):
        assert item["index"] == index
        assert item["image"].shape == (3, 64, 64)
        found[item["label"]].add(round(255 * item["image"].mean().item()))
    return found


def test_folders_of_day_and_night(tmp_path):
    for k in range(12):
        write(tmp_path / "day" / f"{k}.png", 200 + k)
        write(tmp_path / "Night" / "street" / f"{k}.png", 20 + k)
    learnt, held_out = open_illumination(str(tmp_path), 64, 64, seed=0)
    assert len(learnt) == 2 * 22  # two patches of each image
    assert len(held_out) == 2 * 2
    first, second = labels_by_level(learnt), labels_by_level(held_out)
    assert first[0] | second[0] == set(range(200, 212))
    assert first[1] | second[1] == set(range(20, 32))
    for label in (0, 1):
        assert not first[label] & second[label], "no image serves both"


def test_names_of_msrs_tell_day_from_night(tmp_path):
    for k in range(3):
        write(tmp_path / "vi" / f"{k:05}D.png", 200)
        write(tmp_path / "vi" / f"{k:05}N.png", 20)
        write(tmp_path / "ir" / f"{k:05}D.png", 100)
        write(tmp_path / "Segmentation_labels" / f"{k:05}N.png", 100)
    for patches in open_illumination(str(tmp_path), 64, 64, seed=0):
        assert labels_by_level(patches) == {0: {200}, 1: {20}}


@pytest.mark.slow
def test_the_built_in_nights_are_the_photographs_made_dark():
    learnt, held_out = open_illumination(None, 64, 64, seed=0)
    kept = learnt.images.kept
    half = len(kept) // 2
    for (day,), (night,) in zip(kept[:half], kept[half:], strict=True):
        assert night.shape == day.shape
        assert night.mean() < 0.2
    assert {learnt.labels[k] for k, _, _ in learnt.places} == {0, 1}
    assert not {k for k, _, _ in learnt.places} & {k for k, _, _ in held_out.places}


def test_nights_that_hold_no_patch_are_named(tmp_path):
    for k in range(3):
        write(tmp_path / "day" / f"{k}.png", 200)
        write(tmp_path / "night" / f"{k}.png", 20)
        Image.new("RGB", (20, 20)).save(tmp_path / "night" / f"{k}.png")
    with pytest.raises(InputError, match=r"too few night images.*training\.crop_size"):
        open_illumination(str(tmp_path), 64, 64, seed=0)


def test_another_seed_holds_out_other_images(tmp_path):
    for label in ("day", "night"):
        for k in range(6):
            write(tmp_path / label / f"{k}.png", 10 * k)
    held_out = [
        {place[0] for place in open_illumination(str(tmp_path), 64, 64, seed)[1].places}
        for seed in range(8)
    ]
    assert any(other != held_out[0] for other in held_out)


def test_a_broken_image_is_named_beforehand(tmp_path):
    for k in range(2):
        write(tmp_path / "day" / f"{k}.png", 200)
        write(tmp_path / "night" / f"{k}.png", 20)
    path = tmp_path / "night" / "1.png"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=str(path)):
        open_illumination(str(tmp_path), 64, 64, seed=0)


def test_no_folder():
    with pytest.raises(InputError, match=r"nowhere.*training\.root"):
        open_illumination("nowhere", 64, 64, seed=0)


@pytest.mark.slow
def test_items_are_floats_in_range():
    item = open_illumination(None, 64, 64, seed=0)[0][0]
    image = item["image"]
    assert image.dtype == torch.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert item["label"] == 0


def test_results_name_the_patches(tmp_path):
    for label in ("day", "night"):
        for k in range(2):
            write(tmp_path / "MSRS" / label / f"{k}.png", 10 * k)
    learnt, _ = open_illumination(str(tmp_path / "MSRS"), 64, 64, seed=0)
    about = learnt.describe()
    assert about["name"] == "MSRS"
    assert len(set(about["ids"])) == len(learnt) == 4
