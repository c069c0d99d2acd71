"""Folders of fused pictures: which file is of which sample."""

from PIL import Image

from fusionlab.data.built_in import SceneDataset
from fusionlab.data.fused import open_fused


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
