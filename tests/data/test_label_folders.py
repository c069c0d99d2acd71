"""Folders of labels are no sources and no ground truth, whatever lies beside them."""

import pytest

from fusionlab.data.layouts import find_samples
from fusionlab.errors import InputError


@pytest.fixture
def plant(tmp_path):
    def plant(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return plant


@pytest.mark.parametrize("labels", ["mask", "Masks", "label", "Segmentation_labels"])
def test_a_label_folder_is_no_partner_of_a_source(plant, labels):
    root = plant("vis_img/1.png", f"{labels}/1.png")
    with pytest.raises(InputError):
        find_samples(root)


@pytest.mark.parametrize("labels", ["mask", "Segmentation_labels", "detection"])
def test_a_label_folder_is_left_aside_beside_two_unknown_names(plant, labels):
    root = plant("left/1.png", "right/1.png", f"{labels}/1.png")
    (sample,) = find_samples(root).samples
    assert list(sample.sources) == ["left", "right"]
    assert sample.reference is None


def test_a_mask_in_a_folder_of_exposures_is_none_of_them(plant):
    root = plant("house/a.png", "house/b.png", "house/mask.png", "tree/c.png", "tree/d.png")
    house, _ = find_samples(root, layout="scenes").samples
    assert [path.name for path in house.sources.values()] == ["a.png", "b.png"]


def test_a_named_folder_is_a_source_all_the_same(plant):
    root = plant("vi/1.png", "mask/1.png")
    (sample,) = find_samples(root, sources=["vi", "mask"]).samples
    assert list(sample.sources) == ["vi", "mask"]
