"""Folders of fused pictures: which file is of which sample."""

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from fusionlab.data.built_in import SceneDataset
from fusionlab.data.fused import open_fused
from fusionlab.errors import InputError


def test_a_folder_says_which_file_is_of_which_sample(tmp_path):
    dataset = SceneDataset("mff")
    first, second = dataset.ids[:2]
    for name, index in ((f"{second}.png", 1), (f"{first.upper()}.JPG", 0)):
        height, width = dataset.sizes[index]
        Image.new("L", (width, height)).save(tmp_path / name)
    (folder,) = open_fused([str(tmp_path)], dataset, allow_unmatched=True)
    described = folder.describe()
    assert described["files"] == {first: f"{first.upper()}.JPG", second: f"{second}.png"}
    assert described["missing"] == dataset.ids[2:]
    assert described["jpeg"] == [f"{first.upper()}.JPG"]


@pytest.mark.parametrize("white", [4080, "auto"])
def test_pictures_of_12_bits_are_read_as_is_said(tmp_path, white):
    """Levels 0 to 255 times 16 are these levels, where 4080 is white."""
    dataset = SceneDataset("mff")
    height, width = dataset.sizes[0]
    levels = np.arange(height * width, dtype=np.uint16).reshape(height, width) % 256
    tifffile.imwrite(tmp_path / f"{dataset.ids[0]}.tif", levels * 16)
    (folder,) = open_fused([str(tmp_path)], dataset, True, {tmp_path.name: white})
    assert folder.picture(0)[0].mul(255).round().equal(torch.from_numpy(levels).float())
    assert folder.picture(1) is None
    assert folder.describe()["range"] == [0, 4080]
    (folder,) = open_fused([str(tmp_path)], dataset, True)
    assert any("values 0 to 4080 use a small part of 0 to 65535" in one for one in folder.odd)
    with pytest.raises(InputError, match=r"beyond the 0 to 100 of data\.range"):
        open_fused([str(tmp_path)], dataset, True, {tmp_path.name: 100})
