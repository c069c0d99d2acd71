"""Displaced sources are told, fitting ones are not; sizes are changed on request only."""

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from fusionlab.data.images import read_image
from fusionlab.data.layouts import find_samples
from fusionlab.data.opening import open_data
from fusionlab.data.registration import offset_between
from fusionlab.errors import InputError
from fusionlab.settings import Data


def scene(height=180, width=220, seed=0):
    """Blocks of many sizes, as walls and windows are."""
    torch.manual_seed(seed)
    layers = [F.interpolate(torch.rand(1, 1, n, n), (height, width)) for n in (7, 19, 41)]
    return sum(layers)[0] / 3


def cut(image, right, down, height=140, width=160):
    return image[:, down : down + height, right : right + width]


@pytest.mark.parametrize("moved", [(20, 12), (0, 9), (33, 0)])
@pytest.mark.parametrize("other", [lambda x: x, lambda x: 1 - x, lambda x: x.sqrt() / 2])
def test_a_shift_is_found_whatever_the_modality(moved, other):
    whole = scene()
    found = offset_between(cut(whole, 0, 0), other(cut(whole, *moved)))
    assert (found.right, found.down, found.mirrored) == (*moved, "")
    assert offset_between(cut(whole, 0, 0), other(cut(whole, 0, 0))) is None


def test_a_mirrored_image_is_found():
    whole = cut(scene(), 0, 0)
    assert offset_between(whole, whole.flip(2)).mirrored == "left and right"


def test_images_that_have_nothing_in_common_raise_no_alarm():
    assert offset_between(cut(scene(seed=1), 0, 0), cut(scene(seed=2), 0, 0)) is None
    assert offset_between(torch.zeros(1, 99, 99), cut(scene(), 0, 0, 99, 99)) is None


PAIRS = (
    *("vif/TNO", "vif/RoadScene", "vif/MSRS", "vif/M3FD", "mif/MRI_CT", "mif/MRI_PET"),
    *("mif/MRI_SPECT", "mef/MEFB", "mff/Lytro", "mff/Savic"),
)
MOVED = (24, 16)  # pixels, of a pair that was cut off itself


@pytest.mark.slow
def test_real_pairs_raise_no_alarm_and_most_show_their_offset(shared):
    checked, found, alarms = 0, 0, []
    for folder in PAIRS:
        for sample in find_samples(shared / "data" / folder).samples:
            first, other = [read_image(path) for path in sample.sources.values()][:2]
            checked += 1
            height, width = first.shape[-2] - MOVED[1], first.shape[-1] - MOVED[0]
            moved = cut(other, *MOVED, height, width)
            offset = offset_between(cut(first, 0, 0, height, width), moved)
            found += offset is not None and (
                abs(offset.right - MOVED[0]) <= 6 and abs(offset.down - MOVED[1]) <= 6
            )
            if offset_between(first, other) is not None:
                alarms.append((folder, sample.id))
    assert len(alarms) <= 0.02 * checked, alarms
    assert found >= 0.5 * checked  # of the rest the modalities have too few edges in common


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image[0] * 255).byte().numpy()).save(path)


def test_a_data_set_says_so_once(tmp_path):
    for name in ("01", "02"):
        save(tmp_path / f"vi/{name}.png", cut(scene(), 0, 0))
        save(tmp_path / f"ir/{name}.png", 1 - cut(scene(), 20, 12))
    (dataset,) = open_data(Data(root=str(tmp_path)))
    dataset.check_files()
    (line,) = dataset.registration
    assert "ir seems displaced against vi in 2 of 2 samples" in line
    assert "01: (-20, -12) pixels" in line
    assert dataset.describe()["registration"] == [line]


@pytest.mark.parametrize(("resize", "size"), [("first", (90, 120)), ("smallest", (45, 60))])
def test_different_sizes_are_refused_or_resized_on_request(tmp_path, resize, size):
    save(tmp_path / "vi/01.png", scene(90, 120))
    save(tmp_path / "ir/01.png", scene(45, 60))
    with pytest.raises(InputError, match=r"60x45 but .* is 120x90; .*data\.resize"):
        open_data(Data(root=str(tmp_path)))
    (dataset,) = open_data(Data(root=str(tmp_path), resize=resize))
    assert dataset.sizes == [size]
    assert dataset[0]["sources"].shape[-2:] == size
    assert dataset.describe()["resized"] == {"to": resize, "ids": ["01"]}


def test_labels_of_images_that_are_resized_are_refused(tmp_path):
    save(tmp_path / "vi/01.png", scene(90, 120))
    save(tmp_path / "ir/01.png", scene(45, 60))
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/01.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (dataset,) = open_data(Data(root=str(tmp_path), resize="smallest"))
    with pytest.raises(InputError, match="has labels, and 01 is resized"):
        dataset.labels(0)
